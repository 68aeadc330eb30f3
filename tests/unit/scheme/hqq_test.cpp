// SPDX-License-Identifier: Apache-2.0
#include "core/quant/hqq.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/experiment/trace_scheme.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

std::shared_ptr<const SchemeResult> apply(const char* scheme, SchemeInput input) {
    return applyScheme(parseScheme(scheme).value(), input).value();
}

SchemeInput f1() {
    const FixtureF1 fixture = fixtureF1();
    return {rowsOf(fixture.weight), 32, rowsOf(fixture.activations), 0, nullptr};
}

}  // namespace

TEST_CASE("hqq: the toy's scales, zero points and errors") {
    const SchemeInput toy{rowsOf(toyLayer("toy-hqq").weight), 32, nullptr, 0, nullptr};
    const auto plain = apply("hqq:group=8,iterations=0", toy);
    const auto solved = apply("hqq:group=8", toy);
    const ScaleGrid& scales = *solved->quantized->scales();
    REQUIRE(scales.values.size() == 2);
    CHECK_THAT(scales.values[0], WithinAbs(.16, 1e-12));
    CHECK_THAT(scales.values[1], WithinAbs(.046667, 1e-6));
    // Zero points of signed codes: 8 less.
    CHECK_THAT(plain->quantized->zeroPoints()->values[0], WithinAbs(2 - 8, 1e-12));
    CHECK_THAT(plain->quantized->zeroPoints()->values[1], WithinAbs(6 - 8, 1e-12));
    CHECK_THAT(solved->quantized->zeroPoints()->values[0], WithinAbs(2.179688 - 8, 1e-6));
    CHECK_THAT(solved->quantized->zeroPoints()->values[1], WithinAbs(6 - 8, 1e-6));
    CHECK(solved->quantized->zeroPointsAreReal());
    CHECK_THAT(plain->metrics.meanAbsError, WithinRel(.033125, 1e-4));
    CHECK_THAT(solved->metrics.meanAbsError, WithinRel(.029531, 1e-4));
    CHECK_THAT(plain->metrics.mse, WithinRel(.0016924, 1e-4));
    CHECK_THAT(solved->metrics.mse, WithinRel(.0012791, 1e-4));
    CHECK(plain->bitsPerWeight == 4 + 32.0 / 8);
    CHECK(apply("hqq", f1())->bitsPerWeight == 4.5);
}

TEST_CASE("hqq: 2 bits of the toy end on the last zero points though the step before was better") {
    const SchemeInput toy{rowsOf(toyLayer("toy-hqq").weight), 32, nullptr, 0, nullptr};
    const auto trace = traceScheme(parseScheme("hqq:bits=2,group=8").value(), toy).value();
    const std::vector<double>& errors = trace->curves[0].series[0].y;
    CHECK_THAT(*std::min_element(errors.begin(), errors.end()), WithinRel(.11354, 1e-4));
    CHECK_THAT(errors.back(), WithinRel(.11458, 1e-4));
}

TEST_CASE("hqq: F1 in groups of 16") {
    struct Golden {
        const char* bits;
        double startWeights, weights, startOutput, output;
    };
    for (const Golden& golden : {Golden{"4", .06951, .06323, .07487, .05537},
                                 Golden{"3", .13871, .12917, .13777, .10207},
                                 Golden{"2", .32692, .30515, .34559, .26770}}) {
        CAPTURE(golden.bits);
        const std::string scheme = std::string("hqq:group=16,bits=") + golden.bits;
        const auto start = apply((scheme + ",iterations=0").c_str(), f1());
        const auto solved = apply(scheme.c_str(), f1());
        CHECK_THAT(start->metrics.relativeFrobenius, WithinRel(golden.startWeights, .01));
        CHECK_THAT(solved->metrics.relativeFrobenius, WithinRel(golden.weights, .01));
        CHECK_THAT(start->metrics.outputRelativeError.value(), WithinRel(golden.startOutput, .01));
        CHECK_THAT(solved->metrics.outputRelativeError.value(), WithinRel(golden.output, .01));
    }
}

TEST_CASE("hqq: zero groups, constant groups, a short last group, one weight") {
    std::vector<float> weights(3 * 10, 0.0F);
    for (std::size_t i = 10; i < 20; ++i) {
        weights[i] = -1.5F;
    }
    for (std::size_t i = 20; i < 30; ++i) {
        weights[i] = static_cast<float>(randomNormal(1, i));
    }
    const SchemeInput input{makeRowSource(3, 10, weights), 32, nullptr, 0, nullptr};
    const auto result = apply("hqq:group=4", input);
    std::vector<float> after(weights.size());
    std::vector<std::int32_t> codes(weights.size());
    REQUIRE(result->quantized->read(0, 3, after.data()).has_value());
    REQUIRE(result->quantized->codes(0, 3, codes.data()).has_value());
    for (std::size_t i = 0; i < 10; ++i) {
        CHECK(after[i] == 0);
        CHECK(codes[i] == 0);
    }
    CHECK(result->quantized->scales()->values[0] == 1);
    CHECK(result->quantized->groupColumns(2, 9) == std::pair<std::int64_t, std::int64_t>(8, 10));
    CHECK(apply("hqq", {makeRowSource(1, 1, std::vector<float>{.3F}), 32, nullptr, 0, nullptr})
              ->count == 1);
}

TEST_CASE("hqq: a group of one value comes back exactly") {
    const char* const scheme = GENERATE("hqq:bits=2,group=4",
                                        "hqq:bits=3,group=4",
                                        "hqq:bits=4,group=4",
                                        "hqq:bits=8,group=4",
                                        "hqq:bits=4,group=4,iterations=0");
    CAPTURE(scheme);
    const std::vector<float> constants{
        .001F, -.001F, 1e-30F, -1e-42F, .1F, -1.5F, 3e38F, 16777213.0F, .0F};
    std::vector<float> weights;
    for (const float constant : constants) {
        weights.insert(weights.end(), 4, constant);
    }
    const auto rows = static_cast<std::int64_t>(constants.size());
    const auto result = apply(scheme, {makeRowSource(rows, 4, weights), 32, nullptr, 0, nullptr});
    std::vector<float> after(weights.size());
    std::vector<std::int32_t> codes(weights.size());
    REQUIRE(result->quantized->read(0, rows, after.data()).has_value());
    REQUIRE(result->quantized->codes(0, rows, codes.data()).has_value());
    CHECK(after == weights);
    CHECK(std::count(codes.begin(), codes.end(), 0) == rows * 4);
    CHECK(result->metrics.maxAbsError == 0);

    // One of them differs: the reference's rule, and its error, for a narrow group.
    weights[3] = .00105F;
    const auto narrow = apply(scheme, {makeRowSource(rows, 4, weights), 32, nullptr, 0, nullptr});
    CHECK(narrow->quantized->scales()->values[0] == 1);
}

TEST_CASE("hqq: the same on one thread as on all; pruned weights count in no mean") {
    std::vector<float> weights(64 * 300);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = static_cast<float>(0.1 * randomStudentT(2, i, 4));
    }
    const SchemeInput input{makeRowSource(64, 300, weights), 32, nullptr, 0, nullptr};
    const int threads = computeThreads();
    const auto all = apply("hqq:bits=3,group=32", input);
    setComputeThreads(1);
    const auto one = apply("hqq:bits=3,group=32", input);
    setComputeThreads(threads);
    CHECK(all->quantized->zeroPoints()->values == one->quantized->zeroPoints()->values);

    const auto pruned = apply("magnitude:sparsity=0.5+hqq:group=32", input);
    CHECK(pruned->zeros >= weights.size() / 2);
    const auto plain = apply("hqq:group=32", input);
    CHECK(pruned->quantized->zeroPoints()->values != plain->quantized->zeroPoints()->values);
}
