// SPDX-License-Identifier: Apache-2.0
// Steps one after the other: masks outlive quantizers, and bits are paid for kept weights only.
#include "core/experiment/pipeline.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

SchemeInput layer() {
    const FixtureF1 f1 = fixtureF1();
    const auto rows = [](const Matrix<double>& m) {
        return makeRowSource(
            m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
    };
    return {rows(f1.weight), 16, rows(f1.activations), 0, nullptr};
}

std::shared_ptr<const SchemeResult> run(const char* scheme) {
    return applyScheme(parseScheme(scheme).value(), layer()).value();
}

}  // namespace

TEST_CASE("bits per weight of masks and codes together") {
    CHECK_THAT(run("magnitude")->bitsPerWeight, WithinAbs(9, 1e-12));              // 16·.5 + 1
    CHECK_THAT(run("magnitude:pattern=2:4")->bitsPerWeight, WithinAbs(9, 1e-12));  // 4 bits per 4
    // 4·.5 + 1 and one 16-bit scale for 2048 weights
    CHECK_THAT(run("wanda:pattern=2:4+absmax:bits=4")->bitsPerWeight,
               WithinAbs(3 + 16.0 / 2048, 1e-12));
    CHECK_THAT(run("nf4")->bitsPerWeight, WithinAbs(4.5, 1e-12));
}

TEST_CASE("a mask is kept by every later step, and codes show through a pruner") {
    for (const char* text : {"magnitude+zeropoint:bits=4,group=16",
                             "wanda:pattern=2:4+nf4",
                             "magnitude+smoothquant:bits=4",
                             "random:seed=3+cast:format=fp8_e4m3,scale=row"}) {
        CAPTURE(text);
        const auto result = run(text);
        CHECK(result->zeros >= 1024);
        REQUIRE(result->quantized->hasMask());
        std::vector<std::uint8_t> kept(2048);
        std::vector<double> values(2048);
        REQUIRE(result->quantized->mask(0, 32, kept.data()).has_value());
        REQUIRE(result->quantized->read(0, 32, values.data()).has_value());
        CHECK(std::count(kept.begin(), kept.end(), 1) == 1024);
        for (std::size_t i = 0; i < values.size(); ++i) {
            REQUIRE((kept[i] != 0 || values[i] == 0));
        }
    }
    const auto after = run("absmax:bits=4+magnitude");
    CHECK(after->quantized->hasCodes());
    CHECK(after->quantized->hasMask());
    CHECK_THAT(after->bitsPerWeight, WithinAbs(3 + 16.0 / 2048, 1e-12));
}

TEST_CASE("two pruners: the second counts what the first took") {
    const auto twice = run("magnitude:sparsity=0.25+wanda:sparsity=0.5");
    CHECK(twice->zeros == 1024);
    const auto pattern = run("magnitude:pattern=2:4+magnitude:pattern=1:4");
    CHECK(pattern->zeros == 1536);
}

TEST_CASE("output errors of the synthetic layer through the pipeline") {
    // spec/algorithms.md 5.2, 5.6, 6.3
    const std::pair<const char*, double> golden[] = {
        {"smoothquant", .00512},
        {"smoothquant:alpha=1", .01803},
        {"smoothquant:per=tensor,act_per=tensor", .01432},
        {"smoothquant:bits=4", .10205},
        {"nf4", .09142},
        {"magnitude", .3336},
        {"magnitude:pattern=2:4", .4249},
        {"wanda", .1021},
        {"wanda:pattern=4:8", .1115}};
    for (const auto& [text, expected] : golden) {
        CAPTURE(text);
        const auto result = run(text);
        REQUIRE(result->metrics.outputRelativeError.has_value());
        CHECK_THAT(*result->metrics.outputRelativeError, WithinRel(expected, 0.01));
    }
}

TEST_CASE("a step that lacks what it needs names the option") {
    SchemeInput input = layer();
    input.activations = nullptr;
    for (const char* text : {"wanda", "obd", "smoothquant"}) {
        CAPTURE(text);
        const auto result = applyScheme(parseScheme(text).value(), input);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().code == ErrorCode::Missing);
        CHECK(result.error().what.find("--activations") != std::string::npos);
    }
    const auto gradient = applyScheme(parseScheme("gradient").value(), input);
    REQUIRE_FALSE(gradient.has_value());
    CHECK(gradient.error().what.find("--gradients") != std::string::npos);
}

TEST_CASE("what a step needs to be undone is written, and gradients do not follow a rotation") {
    TensorInfo tensor;
    tensor.name = "w";
    tensor.shape = {32, 64};
    const std::string path = (test::scratchDir() / "channel_scale.safetensors").string();
    const auto result = run("smoothquant");
    REQUIRE(writeResult(path, tensor, *result).has_value());
    const auto file = openSource(path).value();
    const auto index = file->find("w.channel_scale");
    REQUIRE(index.has_value());
    CHECK(file->tensors()[*index].shape == std::vector<std::int64_t>{64});
    std::vector<double> scale(64);
    REQUIRE(file->matrix(*index).value()->read(0, 1, scale.data()).has_value());
    CHECK_THAT(scale[5], WithinRel(result->quantized->channelScale()[5], 1e-6));
    CHECK(run("rotate+smoothquant")->quantized->channelScale().size() == 64);

    SchemeInput input = layer();
    input.gradients = input.weights;
    const auto turned = applyScheme(parseScheme("rotate+gradient").value(), input);
    REQUIRE_FALSE(turned.has_value());
    CHECK(turned.error().code == ErrorCode::Unsupported);
}
