// SPDX-License-Identifier: Apache-2.0
// absmax and zeropoint against the numbers of the slides.
#include "core/quant/uniform.hpp"

#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

const std::vector<float> kSlide{5.47F, 3.08F, -7.59F, 0.0F, -1.95F, -4.57F, 10.8F};

struct Applied {
    StepOutput output;
    std::vector<std::int32_t> codes;
    std::vector<float> values;
    double scale = 0;
    double zero = 0;
};

Result<StepOutput> tryApply(const char* text,
                            std::int64_t rows,
                            std::int64_t cols,
                            const std::vector<float>& values) {
    const Step step = parseScheme(text).value().steps[0];
    const StepDefinition* definition = findStep(step.name);
    StepInput input;
    input.weights = makeRowSource(rows, cols, values);
    return definition->apply(input, Params(definition->params, step), {});
}

Applied applied(const char* text, const std::vector<float>& values, std::int64_t rows = 1) {
    const auto cols = static_cast<std::int64_t>(values.size()) / rows;
    Applied result{tryApply(text, rows, cols, values).value(), {}, {}, 0, 0};
    result.codes.resize(values.size());
    result.values.resize(values.size());
    REQUIRE(result.output.weights->codes(0, rows, result.codes.data()).has_value());
    REQUIRE(result.output.weights->read(0, rows, result.values.data()).has_value());
    result.scale = result.output.weights->scales()->values[0];
    if (const ScaleGrid* zeros = result.output.weights->zeroPoints()) {
        result.zero = zeros->values[0];
    }
    return result;
}

using Codes = std::vector<std::int32_t>;

std::string line(const std::vector<EquationLine>& lines, std::string_view label) {
    for (const EquationLine& entry : lines) {
        if (entry.label == label) {
            return entry.expression + " = " + entry.result +
                   (entry.note.empty() ? "" : " [" + entry.note + "]");
        }
    }
    return "";
}

}  // namespace

TEST_CASE("absmax gives the slide's codes") {
    const Applied slide = applied("absmax", kSlide);
    CHECK(slide.codes == Codes{64, 36, -89, 0, -23, -54, 127});
    CHECK_THAT(1 / slide.scale, WithinAbs(11.7593, 5e-5));
    CHECK_THAT(static_cast<double>(slide.values[1]), WithinAbs(3.0614, 5e-5));
    CHECK(applied("absmax:bits=6", kSlide).codes == Codes{16, 9, -22, 0, -6, -13, 31});
    CHECK(applied("absmax:bits=4", kSlide).codes == Codes{4, 2, -5, 0, -1, -3, 7});
    CHECK(applied("absmax:bits=3", kSlide).codes == Codes{2, 1, -2, 0, -1, -1, 3});
    CHECK(applied("absmax:bits=2", kSlide).codes == Codes{1, 0, -1, 0, 0, 0, 1});
    // bits of codes, and one 16-bit scale for seven weights
    CHECK_THAT(slide.output.cost.bitsPerWeight(), WithinRel(8 + 16.0 / 7, 1e-12));
}

TEST_CASE("3.08 and 3.02 become the same value") {
    std::vector<float> values = kSlide;
    values.push_back(3.02F);
    const Applied slide = applied("absmax", values);
    CHECK(slide.codes[1] == 36);
    CHECK(slide.codes[7] == 36);
    CHECK(slide.values[1] == slide.values[7]);
}

TEST_CASE("zeropoint gives the slide's codes") {
    const Applied slide = applied("zeropoint", kSlide);
    CHECK(slide.codes == Codes{53, 20, -128, -23, -50, -86, 127});
    CHECK_THAT(1 / slide.scale, WithinAbs(13.86623, 5e-6));
    CHECK(slide.zero == -23);
    CHECK_THAT(static_cast<double>(slide.values[6]), WithinAbs(10.8176, 5e-5));
    CHECK(slide.values[3] == 0.0F);
    // Unsigned codes 10 9 0 6 4 2 15 with z = 6, minus 8.
    const Applied four = applied("zeropoint:bits=4", kSlide);
    CHECK(four.codes == Codes{2, 1, -8, -2, -4, -6, 7});
    CHECK(four.zero == -2);
    CHECK_THAT(four.scale, WithinAbs(1.226, 5e-7));
    CHECK_THAT(slide.output.cost.bitsPerWeight(), WithinRel(8 + 24.0 / 7, 1e-12));
}

TEST_CASE("clipping to +-5 sends 10.8 and 256 to 5") {
    std::vector<float> values = kSlide;
    values.push_back(256.0F);
    const Applied clipped = applied("absmax:clip_value=5", values);
    CHECK(clipped.codes == Codes{127, 78, -127, 0, -50, -116, 127, 127});
    CHECK(clipped.values[6] == 5.0F);
    CHECK(clipped.values[7] == 5.0F);
    CHECK(clipped.output.weights->clipInterval(0, 0) == std::pair{-5.0, 5.0});
    const Applied open = applied("absmax", values);
    CHECK(open.codes == Codes{3, 2, -4, 0, -1, -2, 5, 127});
    CHECK_THAT(open.scale, WithinAbs(2.01575, 5e-6));
    CHECK_FALSE(open.output.weights->clipInterval(0, 0).has_value());
}

TEST_CASE("range=power gives the slide's 128 before the clamp") {
    const Applied power = applied("absmax:range=power", kSlide);
    CHECK(power.codes.back() == 127);
    CHECK_THAT(power.scale, WithinRel(10.8 / 128, 1e-7));
    const std::string code = line(power.output.weights->explain(0, 6), "code");
    CHECK(code.find("round(128) = 127 [128 is clamped to 127]") != std::string::npos);
    // An erratum of 1/128 = 0.78 % on the largest weight.
    CHECK_THAT(1 - static_cast<double>(power.values.back()) / 10.8, WithinAbs(1.0 / 128, 1e-7));
}

TEST_CASE("the worked equation has this element's numbers") {
    const Applied slide = applied("absmax", kSlide);
    const std::vector<EquationLine> lines = slide.output.weights->explain(0, 1);
    CHECK(line(lines, "scale") == "10.8 / 127 = 0.0850394 [column 6 sets the bound]");
    CHECK(line(lines, "1/scale") == "1 / 0.0850394 = 11.7593");
    CHECK(line(lines, "code") == "round(3.08 / 0.0850394) = round(36.2185) = 36");
    CHECK(line(lines, "becomes") == "0.0850394 · 36 = 3.06142");
    const std::vector<EquationLine> affine =
        applied("zeropoint", kSlide).output.weights->explain(0, 2);
    CHECK(line(affine, "scale") ==
          "(10.8 - (-7.59)) / 255 = 0.0721176 [smallest at column 2, largest at column 6]");
    CHECK(line(affine, "zero point") == "-128 - round(-7.59 / 0.0721176) = -23");
    CHECK(line(affine, "code") == "round(-7.59 / 0.0721176) = round(-105.245) - 23 = -128");
    CHECK(line(affine, "becomes") == "0.0721176 · (-128 + 23) = -7.57235");
}

TEST_CASE("all-zero groups have scale 1 and codes 0; the last group may be shorter") {
    const Applied groups = applied("absmax:bits=4,group=3", {0, 0, 0, 1, 2, -4, 7});
    const ScaleGrid& scales = *groups.output.weights->scales();
    CHECK(scales.rows == 1);
    CHECK(scales.cols == 3);
    CHECK(scales.values[0] == 1.0);
    CHECK(groups.codes ==
          Codes{0, 0, 0, 2, 3, -7, 7});  // scale 4/7 rounds up: 2/scale is just below 3.5
    CHECK(groups.output.weights->groupColumns(0, 6) == std::pair<std::int64_t, std::int64_t>{6, 7});
    const Applied affine = applied("zeropoint:bits=4,group=3", {0, 0, 0, 1, 2, -4, 7});
    CHECK(affine.output.weights->scales()->values[0] == 1.0);
    CHECK(affine.codes[0] == 0);
    CHECK(affine.output.weights->zeroPoints()->values[0] == 0.0);
}

TEST_CASE("NaN and infinite weights are named") {
    for (const char* scheme : {"absmax",
                               "absmax:per=row",
                               "absmax:per=column",
                               "absmax:group=2",
                               "zeropoint:per=row,clip=mse"}) {
        CAPTURE(scheme);
        const Result<StepOutput> nan = tryApply(scheme, 2, 3, {1, 2, 3, 4, std::nanf(""), 6});
        REQUIRE_FALSE(nan.has_value());
        CHECK(nan.error().code == ErrorCode::Invalid);
        CHECK(nan.error().what.find("NaN at row 1, column 1") != std::string::npos);
        const Result<StepOutput> infinite = tryApply(scheme, 2, 3, {1, 2, -INFINITY, 4, 5, 6});
        REQUIRE_FALSE(infinite.has_value());
        CHECK(infinite.error().what.find("infinite value at row 0, column 2") != std::string::npos);
    }
}

TEST_CASE("entropy needs 2048 values per scale") {
    const Result<StepOutput> few = tryApply("absmax:clip=entropy", 1, 7, kSlide);
    REQUIRE_FALSE(few.has_value());
    CHECK(few.error().code == ErrorCode::Invalid);
    CHECK(few.error().what.find("2048") != std::string::npos);
}

TEST_CASE("levels are what codes stand for") {
    const Applied slide = applied("zeropoint:bits=3", kSlide);
    const std::vector<Level> levels = slide.output.weights->levels(0, 0);
    REQUIRE(levels.size() == 8);
    for (std::size_t i = 0; i < kSlide.size(); ++i) {
        const auto found = std::find_if(levels.begin(), levels.end(), [&](const Level& level) {
            return level.code == slide.codes[i];
        });
        REQUIRE(found != levels.end());
        CHECK(found->value == static_cast<double>(slide.values[i]));
    }
    CHECK(applied("absmax:bits=16", kSlide).output.weights->levels(0, 0).empty());
}

TEST_CASE(
    "stochastic rounding is unbiased, stays beside the value and depends on the index alone") {
    std::vector<float> values(40000, 2.3F);
    values[0] = 127.0F;
    const Applied drawn = applied("absmax:rounding=stochastic,seed=3", values, 4);
    double mean = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        REQUIRE((drawn.codes[i] == 2 || drawn.codes[i] == 3));
        mean += drawn.codes[i];
    }
    mean /= static_cast<double>(values.size() - 1);
    CHECK_THAT(mean, WithinAbs(2.3, 4 * std::sqrt(0.21 / 40000)));
    std::vector<std::int32_t> third(10000);
    REQUIRE(drawn.output.weights->codes(2, 1, third.data()).has_value());
    CHECK(std::equal(third.begin(), third.end(), drawn.codes.begin() + 20000));
    CHECK(applied("absmax:rounding=stochastic,seed=4", values, 4).codes != drawn.codes);
}
