// SPDX-License-Identifier: Apache-2.0
#include "core/quant/llm_int8.hpp"

#include "tests/unit/scheme/layer_fixture.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

using namespace loupe;
using namespace loupe::actlayers;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

SchemeInput toy() {
    return layer(
        makeRowSource(
            3, 4, std::vector<double>{.2, .7, -.1, .4, -.5, .3, .6, -.2, .1, -.4, .2, .9}),
        makeRowSource(2, 4, std::vector<double>{0.5, -0.3, 7.2, 1.1, -0.8, 0.2, -0.4, 0.9}));
}

const SplitWeights& weightsOf(const StepOutput& output) {
    return dynamic_cast<const SplitWeights&>(*output.weights);
}

}  // namespace

TEST_CASE("LLM.int8(): the toy, worked") {
    const StepOutput output = applyStep("llm_int8", toy());
    const OutlierSplit& split = weightsOf(output).split();
    CHECK(split.columns == std::vector<std::int64_t>{2});
    CHECK(split.tokenMost == std::vector<double>{1.1, 0.9});
    std::vector<std::int32_t> codes(8);
    const auto& x = dynamic_cast<const SplitActivations&>(*output.activations);
    REQUIRE(x.codes(0, 2, codes.data()).has_value());
    CHECK(codes == std::vector<std::int32_t>{58, -35, 0, 127, -113, 28, 0, 127});
    CHECK_THAT(outputRmse("absmax:bits=8,per=row,act_bits=8", toy()), WithinRel(0.016836, 0.01));
    CHECK_THAT(outputRmse("absmax:act_bits=8,act_per=tensor", toy()), WithinRel(0.020523, 0.01));
    CHECK_THAT(outputRmse("llm_int8:variant=bitsandbytes", toy()), WithinRel(0.005412, 0.01));
    CHECK_THAT(outputRmse("llm_int8", toy()), WithinRel(0.001634, 0.01));
}

TEST_CASE("LLM.int8() on F1: input 5, both variants, and what it costs") {
    const SchemeInput f1 = layerF1();
    CHECK(weightsOf(applyStep("llm_int8", f1)).split().columns == std::vector<std::int64_t>{5});
    CHECK_THAT(outputError("absmax:bits=8,per=row,act_bits=8", f1), WithinRel(0.01728, 0.01));
    CHECK_THAT(outputError("llm_int8:variant=bitsandbytes", f1), WithinRel(0.00610, 0.01));
    CHECK_THAT(outputError("llm_int8", f1), WithinRel(0.00302, 0.01));
    // 63 inputs of int8 and one of 16 bits, 16 per row's scale, 32 for the outlier's index.
    const auto result = applyScheme(parseScheme("llm_int8").value(), f1).value();
    CHECK_THAT(result->bitsPerWeight,
               WithinAbs((63 * 8 + 16) / 64.0 + 16 / 64.0 + 32.0 / (32 * 64), 1e-12));
    CHECK(applyScheme(parseScheme("llm_int8:variant=bitsandbytes").value(), f1)
              .value()
              ->bitsPerWeight == 8.25);
    CHECK(toString(parseScheme("llm_int8:threshold=6.0").value()) == "llm_int8");
}

TEST_CASE("LLM.int8(): thresholds beyond all and below all activations") {
    for (const SchemeInput& input : {toy(), layerF1(), randomLayer(24, 40, 96, 5)}) {
        const StepOutput none = applyStep("llm_int8:threshold=1e30", input);
        const StepOutput plain = applyStep("absmax:bits=8,per=row,act_bits=8", input);
        CHECK(read(*none.weights) == read(*plain.weights));
        CHECK(read(*none.activations) == read(*plain.activations));
        const StepOutput all = applyStep("llm_int8:threshold=0", input);
        CHECK(read(*all.weights) == read(*input.weights));
        CHECK(read(*all.activations) == read(*input.activations));
        const StepOutput bnb = applyStep("llm_int8:threshold=0,variant=bitsandbytes", input);
        CHECK(read(*bnb.weights) == read(*plain.weights));
        CHECK(read(*bnb.activations) == read(*input.activations));
    }
}

TEST_CASE("LLM.int8(): permuted inputs change nothing, scaled weights scale the result") {
    const SchemeInput input = randomLayer(24, 40, 96, 6);
    const Matrix<double> w = read(*input.weights);
    const Matrix<double> x = read(*input.activations);
    std::vector<float> wMoved(static_cast<std::size_t>(w.size()));
    std::vector<float> xMoved(static_cast<std::size_t>(x.size()));
    std::vector<float> wScaled(wMoved.size());
    for (std::int64_t j = 0; j < 40; ++j) {
        const std::int64_t to = (j * 7 + 3) % 40;
        for (std::int64_t i = 0; i < 24; ++i) {
            wMoved[static_cast<std::size_t>(i * 40 + to)] = static_cast<float>(w(i, j));
            wScaled[static_cast<std::size_t>(i * 40 + j)] = static_cast<float>(w(i, j) * 4);
        }
        for (std::int64_t t = 0; t < 96; ++t) {
            xMoved[static_cast<std::size_t>(t * 40 + to)] = static_cast<float>(x(t, j));
        }
    }
    for (const char* text : {"llm_int8", "llm_int8:variant=bitsandbytes", "llm_int8:threshold=3"}) {
        CAPTURE(text);
        const StepOutput here = applyStep(text, input);
        const StepOutput moved =
            applyStep(text, layer(makeRowSource(24, 40, wMoved), makeRowSource(96, 40, xMoved)));
        const StepOutput scaled =
            applyStep(text, layer(makeRowSource(24, 40, wScaled), input.activations));
        const Matrix<double> a = read(*here.weights);
        const Matrix<double> b = read(*moved.weights);
        const Matrix<double> c = read(*scaled.weights);
        const Matrix<double> xa = read(*here.activations);
        const Matrix<double> xb = read(*moved.activations);
        for (std::int64_t j = 0; j < 40; ++j) {
            const std::int64_t to = (j * 7 + 3) % 40;
            for (std::int64_t i = 0; i < 24; ++i) {
                REQUIRE(b(i, to) == a(i, j));
                REQUIRE(c(i, j) == 4 * a(i, j));
            }
            for (std::int64_t t = 0; t < 96; ++t) {
                REQUIRE(xb(t, to) == xa(t, j));
            }
        }
    }
}

TEST_CASE("LLM.int8(): one token, zero tokens' rows, errors, explanations") {
    const auto weights = makeRowSource(2, 3, std::vector<float>{1, 2, 3, -1, 0, 1});
    // All of the first token is outliers, the second is zero: no scale divides by zero.
    const SchemeInput odd =
        layer(weights, makeRowSource(2, 3, std::vector<float>{8, -9, 7, 0, 0, 0}));
    CHECK(outputError("llm_int8", odd) == 0);
    const SchemeInput one =
        layer(weights, makeRowSource(1, 3, std::vector<float>{8, 0.5F, -0.25F}));
    const StepOutput output = applyStep("llm_int8:variant=bitsandbytes", one);
    CHECK(read(*output.activations)(0, 0) == 8);
    CHECK(weightsOf(output).split().tokenMost[0] == 0.5);
    CHECK_FALSE(output.weights->explain(0, 0).empty());
    const StepOutput paper = applyStep("llm_int8", one);
    CHECK(paper.weights->explain(0, 0)[0].result == "outlier");
    CHECK(paper.weights->explain(0, 1)[0].result == "ordinary");
    std::vector<std::int32_t> codes(6);
    REQUIRE(paper.weights->codes(0, 2, codes.data()).has_value());
    CHECK(codes[0] == 0);  // the int8 product leaves the outlier out
    CHECK(codes[2] == 127);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto bad =
        applyScheme(parseScheme("llm_int8").value(),
                    layer(weights, makeRowSource(1, 3, std::vector<float>{1, nan, 1})));
    REQUIRE_FALSE(bad.has_value());
    CHECK(bad.error().what.find("activations: NaN at row 0, column 1") != std::string::npos);
}
