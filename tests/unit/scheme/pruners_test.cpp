// SPDX-License-Identifier: Apache-2.0
// Pruners against spec/algorithms.md 6: toys by hand, the golden figures of fixture F1, exact
// counts, ties, masks on masks and errors.
#include "core/base/worker_pool.hpp"
#include "core/io/fixtures.hpp"
#include "core/prune/selection.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

using Values = std::vector<double>;

std::shared_ptr<const RowSource> source(const Matrix<double>& matrix) {
    return makeRowSource(
        matrix.rows(), matrix.cols(), Values(matrix.data(), matrix.data() + matrix.size()));
}

Result<StepOutput> tryPrune(const std::string& text, const StepInput& input) {
    const Step step = parseScheme(text).value().steps[0];
    const StepDefinition* definition = findStep(step.name);
    return definition->apply(input, Params(definition->params, step), {});
}

Values pruned(const std::string& text, const StepInput& input) {
    const StepOutput output = tryPrune(text, input).value();
    Values values(static_cast<std::size_t>(output.weights->rows() * output.weights->cols()));
    REQUIRE(output.weights->read(0, output.weights->rows(), values.data()).has_value());
    return values;
}

std::vector<std::uint8_t> maskOf(const StepOutput& output) {
    std::vector<std::uint8_t> mask(
        static_cast<std::size_t>(output.weights->rows() * output.weights->cols()));
    REQUIRE(output.weights->mask(0, output.weights->rows(), mask.data()).has_value());
    return mask;
}

StepInput input(std::int64_t rows, std::int64_t cols, Values weights) {
    StepInput result;
    result.weights = makeRowSource(rows, cols, std::move(weights));
    return result;
}

/// 3 x 4 with ||X|| = (1, 2, 8, 3).
StepInput toy() {
    StepInput result = input(3, 4, {4, 0, 1, -1, 3, -2, -1, -3, -3, 1, 0, 2});
    result.activations = makeRowSource(1, 4, Values{1, 2, 8, 3});
    return result;
}

StepInput layer() {
    const FixtureF1 fixture = fixtureF1();
    StepInput result;
    result.weights = source(fixture.weight);
    result.activations = source(fixture.activations);
    return result;
}

/// ||X W' - X W^'|| / ||X W'|| by its definition.
double relout(const std::string& scheme) {
    const FixtureF1 fixture = fixtureF1();
    const Values after = pruned(scheme, layer());
    double error = 0;
    double norm = 0;
    for (std::int64_t t = 0; t < fixture.activations.rows(); ++t) {
        for (std::int64_t row = 0; row < fixture.weight.rows(); ++row) {
            double difference = 0;
            double output = 0;
            for (std::int64_t col = 0; col < fixture.weight.cols(); ++col) {
                const double w = fixture.weight(row, col);
                const double x = fixture.activations(t, col);
                output += w * x;
                difference +=
                    (w - after[static_cast<std::size_t>(row * fixture.weight.cols() + col)]) * x;
            }
            error += difference * difference;
            norm += output * output;
        }
    }
    return std::sqrt(error / norm);
}

}  // namespace

TEST_CASE("toy of Wanda: scores and masks") {
    CHECK(pruned("wanda", toy()) == Values{4, 0, 1, 0, 0, 0, -1, -3, -3, 0, 0, 2});
    CHECK(pruned("obd", toy()) == pruned("wanda", toy()));
    CHECK(pruned("magnitude", toy()) == Values{4, 0, 0, -1, 3, 0, 0, -3, -3, 0, 0, 2});
}

TEST_CASE("golden figures of F1") {
    CHECK_THAT(relout("magnitude"), WithinRel(0.3336, 0.01));
    CHECK_THAT(relout("magnitude:scope=tensor"), WithinRel(0.28138, 0.01));
    CHECK_THAT(relout("magnitude:scope=global"), WithinRel(0.28138, 0.01));
    CHECK_THAT(relout("magnitude:sparsity=0.6"), WithinRel(0.4094, 0.01));
    CHECK_THAT(relout("magnitude:sparsity=0.7"), WithinRel(0.5321, 0.01));
    CHECK_THAT(relout("magnitude:pattern=2:4"), WithinRel(0.4249, 0.01));
    CHECK_THAT(relout("magnitude:pattern=4:8"), WithinRel(0.2751, 0.01));
    CHECK_THAT(relout("wanda"), WithinRel(0.1021, 0.01));
    CHECK_THAT(relout("wanda:sparsity=0.6"), WithinRel(0.1349, 0.01));
    CHECK_THAT(relout("wanda:sparsity=0.7"), WithinRel(0.1670, 0.01));
    CHECK_THAT(relout("wanda:pattern=4:8"), WithinRel(0.1115, 0.01));
    CHECK_THAT(relout("wanda:pattern=2:4"), WithinRel(0.1249, 0.01));
    for (const char* keys : {"", ":sparsity=0.3,scope=tensor", ":pattern=2:4"}) {
        CHECK(pruned(std::string("obd") + keys, layer()) ==
              pruned(std::string("wanda") + keys, layer()));
    }
}

TEST_CASE("counts are exact and do not depend on threads") {
    CHECK(prunedCount(100, 0.29) == 29);
    CHECK(prunedCount(64, 0.7) == 44);
    CHECK(prunedCount(7, 0) == 0);
    const int threads = computeThreads();
    StepInput data = layer();
    data.gradients = data.weights;
    for (const char* id : {"random", "magnitude", "gradient", "obd", "wanda"}) {
        for (const char* keys : {":sparsity=0.7", ":sparsity=0.7,scope=tensor", ":pattern=3:7"}) {
            const std::string text = std::string(id) + keys;
            CAPTURE(text);
            setComputeThreads(1);
            const std::vector<std::uint8_t> one = maskOf(tryPrune(text, data).value());
            setComputeThreads(3);
            CHECK(maskOf(tryPrune(text, data).value()) == one);
            setComputeThreads(threads);
            // 64 = 9 blocks of 7, which keep 3, and one column.
            const int kept = text.find("tensor") != std::string::npos    ? 2048 - 1433
                             : text.find("pattern") != std::string::npos ? 32 * (9 * 3 + 1)
                                                                         : 32 * (64 - 44);
            CHECK(std::count(one.begin(), one.end(), 1) == kept);
        }
    }
    CHECK(pruned("random", data) != pruned("random:seed=1", data));
    CHECK(pruned("random:seed=1", data) == pruned("random:seed=1", data));
}

TEST_CASE("ties: a sparsity drops the lower index, a pattern keeps it") {
    const StepInput equal = input(2, 5, Values(10, 1.0));
    CHECK(pruned("magnitude", equal) == Values{0, 0, 1, 1, 1, 0, 0, 1, 1, 1});
    CHECK(pruned("magnitude:scope=tensor,sparsity=0.6", equal) ==
          Values{0, 0, 0, 0, 0, 0, 1, 1, 1, 1});
    CHECK(pruned("magnitude:pattern=2:4", equal) == Values{1, 1, 0, 0, 1, 1, 1, 0, 0, 1});
    CHECK(pruned("magnitude:sparsity=0", equal) == Values(10, 1.0));
    CHECK(pruned("magnitude", input(1, 1, {3})) == Values{3});
}

TEST_CASE("an earlier mask is kept and counts as pruned") {
    StepInput data = input(1, 6, {9, 8, 1, 2, 3, 4});
    auto mask = std::make_shared<BitMask>(1, 6, true);
    mask->set(0, 0, false);
    data.mask = mask;
    CHECK(pruned("magnitude", data) == Values{0, 8, 0, 0, 3, 4});
    CHECK(pruned("magnitude:scope=tensor,sparsity=0.1", data) == Values{0, 8, 1, 2, 3, 4});
    CHECK(pruned("magnitude:pattern=1:3", data) == Values{0, 8, 0, 0, 0, 4});
    CHECK(pruned("structured:axis=column", data) == Values{0, 8, 0, 0, 3, 4});
}

TEST_CASE("calibration rows: only the first judge") {
    StepInput data = input(1, 2, {1, 1});
    data.activations = makeRowSource(2, 2, Values{1, 2, 100, 0});
    CHECK(pruned("wanda", data) == Values{1, 0});
    data.calibrationRows = 1;
    CHECK(pruned("wanda", data) == Values{0, 1});
}

TEST_CASE("gradient pruning: |w·g|") {
    StepInput data = input(1, 4, {4, 1, -2, 3});
    data.gradients = makeRowSource(1, 4, Values{0.1, -9, 1, 0});
    CHECK(pruned("gradient", data) == Values{0, 1, -2, 0});
}

TEST_CASE("structured: whole channels by l2, l1 and with activations") {
    const StepInput data = input(2, 2, {3, 0, 2, 2});  // l2: 3 against 2.83, l1: 3 against 4
    CHECK(pruned("structured", data) == Values{3, 0, 0, 0});
    CHECK(pruned("structured:score=l1", data) == Values{0, 0, 2, 2});
    CHECK(pruned("structured:axis=column", data) == Values{3, 0, 2, 0});
    StepInput loud = data;
    loud.activations = makeRowSource(1, 2, Values{1, 8});
    CHECK(pruned("structured:axis=column,score=activation", loud) == Values{0, 0, 0, 2});
    CHECK(pruned("structured:score=activation", loud) == Values{0, 0, 2, 2});
}

TEST_CASE("storage: kept values and one bit per weight for the mask") {
    StepInput data = layer();
    data.cost = {16, 0, 0, 1};
    CHECK_THAT(tryPrune("magnitude:pattern=2:4", data)->cost.bitsPerWeight(), WithinAbs(9, 1e-12));
    CHECK_THAT(tryPrune("wanda", data)->cost.bitsPerWeight(), WithinAbs(9, 1e-12));
    data.cost = {4, 0.125, 0, 1};
    const StorageCost cost = tryPrune("magnitude", data)->cost;
    CHECK(cost.kept == 0.5);
    CHECK(cost.maskBits == 1);
    CHECK_THAT(cost.bitsPerWeight(), WithinAbs(3.125, 1e-12));
}

TEST_CASE("pruners: what is refused, and how it is said") {
    for (const char* text :
         {"wanda:sparsity=1", "structured:sparsity=1", "magnitude:sparsity=1.0"}) {
        const Result<Scheme> scheme = parseScheme(text);
        REQUIRE_FALSE(scheme.has_value());
        CHECK(scheme.error().code == ErrorCode::Usage);
        CHECK(scheme.error().what.find("would prune every weight") != std::string::npos);
    }
    for (const char* text : {"wanda:sparsity=0.5,pattern=2:4",
                             "wanda:pattern=2:4,scope=row",
                             "wanda:pattern=4:4",
                             "wanda:sparsity=-0.1",
                             "structured:pattern=2:4"}) {
        CAPTURE(text);
        const Result<Scheme> scheme = parseScheme(text);
        REQUIRE_FALSE(scheme.has_value());
        CHECK(scheme.error().code == ErrorCode::Usage);
    }
    CHECK(parseScheme("wanda:pattern=2:4,scope=row").error().what ==
          "step 'wanda': key 'scope' has no effect beside pattern");
    CHECK(title(parseScheme("wanda:pattern=2:4").value()) == "Wanda 2:4");
    CHECK(title(parseScheme("magnitude:sparsity=0.55").value()) == "Magnitude 55 % per row");
    const StepInput bare = input(1, 2, {1, 2});
    for (const char* text : {"wanda", "obd", "structured:score=activation"}) {
        CHECK(tryPrune(text, bare).error().code == ErrorCode::Missing);
        CHECK(tryPrune(text, bare).error().what.find("--activations") != std::string::npos);
    }
    CHECK(tryPrune("gradient", bare).error().code == ErrorCode::Missing);
    CHECK(tryPrune("gradient", bare).error().what.find("--gradients") != std::string::npos);
    CHECK(tryPrune("magnitude", input(2, 2, {1, 2, 3, NAN})).error().what ==
          "NaN at row 1, column 1: a scheme needs finite values");
}
