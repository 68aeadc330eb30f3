// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/output_error.hpp"
#include "core/io/fixtures.hpp"
#include "core/quant/uniform.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const RowSource> source(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

double outputError(const char* text) {
    const FixtureF1 f1 = fixtureF1();
    StepInput input;
    input.weights = source(f1.weight);
    input.activations = source(f1.activations);
    const Scheme scheme = parseScheme(text).value();
    const StepDefinition* step = findStep(scheme.steps[0].name);
    const Result<StepOutput> out = step->apply(input, Params(step->params, scheme.steps[0]), {});
    REQUIRE(out.has_value());
    return outputRelativeError(
               {*input.activations, *out->activations, *input.weights, *out->weights}, {})
        .value();
}

}  // namespace

TEST_CASE("SmoothQuant on F1: the published curve over alpha") {
    CHECK_THAT(outputError("absmax:bits=8,per=row,act_bits=8"), WithinRel(0.01728, 0.01));
    CHECK_THAT(outputError("smoothquant:alpha=0.25"), WithinRel(0.00719, 0.01));
    CHECK_THAT(outputError("smoothquant"), WithinRel(0.00512, 0.01));
    CHECK_THAT(outputError("smoothquant:alpha=0.75"), WithinRel(0.00927, 0.01));
    CHECK_THAT(outputError("smoothquant:alpha=1"), WithinRel(0.01803, 0.01));
    CHECK_THAT(outputError("smoothquant:per=tensor,act_per=tensor"), WithinRel(0.01432, 0.01));
}

TEST_CASE("SmoothQuant: the paper's figure, and what it needs") {
    StepInput input;
    input.weights =
        makeRowSource(3, 4, std::vector<double>{2, 1, 2, -1, 1, -1, -1, -1, -2, -1, -2, 1});
    const StepDefinition* step = findStep("smoothquant");
    const Step plain{"smoothquant", {}};
    const Result<StepOutput> none = step->apply(input, Params(step->params, plain), {});
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().what.find("--activations") != std::string::npos);
    input.activations = makeRowSource(2, 4, std::vector<double>{1, -16, 2, 6, -2, 8, -1, -9});
    const Result<StepOutput> out = step->apply(input, Params(step->params, plain), {});
    REQUIRE(out.has_value());
    const std::vector<double> expected{1, 4, 1, 3};
    for (std::size_t j = 0; j < 4; ++j) {
        CHECK_THAT(out->weights->channelScale()[j], WithinAbs(expected[j], 1e-12));
    }
    CHECK_FALSE(out->weights->explain(1, 2).empty());
}
