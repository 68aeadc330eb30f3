// SPDX-License-Identifier: Apache-2.0
// Online softmax and the recorded runs of attention.
#include "core/attention/attention_trace.hpp"

#include "core/attention/online_softmax.hpp"
#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using namespace loupe;

namespace {

constexpr double kSixDigits = 5e-7;  // the specification prints six decimals

std::shared_ptr<const AttentionTrace> record(const AttentionInput& input,
                                             AttentionAlgorithm algorithm,
                                             const AttentionTiling& tiling) {
    auto trace = recordAttention(input, algorithm, tiling, {});
    REQUIRE(trace);
    return *trace;
}

double largestDifference(const Matrix<double>& a, const Matrix<double>& b) {
    REQUIRE(a.rows() == b.rows());
    REQUIRE(a.cols() == b.cols());
    double largest = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
        REQUIRE(std::isfinite(a.data()[i]));
        largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
    }
    return largest;
}

SoftmaxPart randomPart(std::uint64_t seed, std::size_t keys) {
    std::vector<double> scores(keys);
    std::vector<double> values(keys * 3);
    for (std::size_t k = 0; k < keys; ++k) {
        scores[k] = 8 * randomNormal(seed, k);
    }
    for (std::size_t k = 0; k < values.size(); ++k) {
        values[k] = randomNormal(seed + 1000, k);
    }
    return softmaxPart(scores, values, 3);
}

void checkSame(const SoftmaxPart& a, const SoftmaxPart& b) {
    CHECK(a.max == b.max);
    CHECK_THAT(a.sum, WithinRel(b.sum, 1e-14));
    REQUIRE(a.output.size() == b.output.size());
    for (std::size_t c = 0; c < a.output.size(); ++c) {
        CHECK_THAT(a.output[c], WithinAbs(b.output[c], 1e-14));
    }
}

}  // namespace

TEST_CASE("merging parts of a softmax has an identity, commutes and associates") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const SoftmaxPart a = randomPart(seed, 1 + seed % 7);
        const SoftmaxPart b = randomPart(seed + 100, 1 + seed % 5);
        const SoftmaxPart c = randomPart(seed + 200, 1 + seed % 3);
        checkSame(merge(a, SoftmaxPart{}), a);
        checkSame(merge(SoftmaxPart{}, a), a);
        checkSame(merge(a, b), merge(b, a));
        checkSame(merge(merge(a, b), c), merge(a, merge(b, c)));
    }
    const SoftmaxPart nothing = merge(SoftmaxPart{}, SoftmaxPart{});
    CHECK(nothing.sum == 0);
    CHECK(std::isinf(logSumExp(nothing)));
}

TEST_CASE("the worked example of the specification, block after block") {
    const AttentionInput input = workedAttention();
    const AttentionTiling tiling = tileAttention({4, 2, 16});
    REQUIRE(tiling == AttentionTiling{4, 2, 2, 2, 2});
    const auto trace = record(input, AttentionAlgorithm::Flash1, tiling);
    REQUIRE(trace->steps.size() == 4);
    const AttentionStep& first = trace->steps[0];
    CHECK(first.max[0] == 3);
    CHECK_THAT(first.sum[0], WithinAbs(1.135335, kSixDigits));
    CHECK_THAT(first.output(0, 0), WithinAbs(0.119203, kSixDigits));
    CHECK_THAT(first.output(0, 1), WithinAbs(0.880797, kSixDigits));
    const AttentionStep& second = trace->steps[2];  // the outer loop is over the keys
    CHECK(second.keyBlock == 1);
    CHECK(second.queryBlock == 0);
    CHECK(second.tileMax[0] == 5);
    CHECK_THAT(second.tileSum[0], WithinAbs(1.049787, kSixDigits));
    CHECK(second.max[0] == 5);
    CHECK_THAT(second.sum[0], WithinAbs(1.203438, kSixDigits));
    CHECK_THAT(second.output(0, 0), WithinAbs(1.718495, kSixDigits));
    CHECK_THAT(second.output(0, 1), WithinAbs(-0.677125, kSixDigits));
    CHECK_THAT(trace->result.logSumExps[0], WithinAbs(5.185182, kSixDigits));

    const auto later = record(input, AttentionAlgorithm::Flash2, tiling);
    REQUIRE(later->steps.size() == 4);
    CHECK_THAT(later->steps[0].output(0, 0), WithinAbs(0.135335, kSixDigits));
    CHECK_THAT(later->steps[0].output(0, 1), WithinAbs(1.0, kSixDigits));
    CHECK(later->steps[1].finishes);
    CHECK_THAT(later->steps[1].output(0, 0) * later->steps[1].sum[0],
               WithinAbs(2.068103, kSixDigits));
    CHECK_THAT(later->steps[1].output(0, 1) * later->steps[1].sum[0],
               WithinAbs(-0.814878, kSixDigits));
    CHECK_THAT(later->result.output(0, 0), WithinAbs(1.718495, kSixDigits));

    const auto standard = record(input, AttentionAlgorithm::Standard, tiling);
    const AttentionStep& softmax = standard->steps[2];
    REQUIRE(softmax.pass == AttentionPass::Softmax);
    const double weights[] = {0.015219, 0.112457, 0.041371, 0.830953};
    for (std::int64_t c = 0; c < 4; ++c) {
        CHECK_THAT(softmax.scores(0, c), WithinAbs(weights[c], kSixDigits));
    }
    CHECK_THAT(standard->result.output(0, 1), WithinAbs(-0.677125, kSixDigits));
}

TEST_CASE("every order of the tiles gives plain attention, and moves what its formula says") {
    for (const AttentionSize& size : {AttentionSize{64, 16, 1024},
                                      AttentionSize{96, 32, 3000},
                                      AttentionSize{37, 8, 300},
                                      AttentionSize{130, 16, 777},
                                      AttentionSize{50, 4, 10000},
                                      AttentionSize{1, 1, 1},
                                      AttentionSize{17, 3, 12}}) {
        for (const bool causal : {false, true}) {
            AttentionInput input = randomAttention(size.tokens, size.dim, 7);
            input.causal = causal;
            const AttentionOutput plain = plainAttention(input, {});
            const AttentionTiling tiling = tileAttention(size);
            for (const AttentionAlgorithm algorithm : {AttentionAlgorithm::Standard,
                                                       AttentionAlgorithm::Flash1,
                                                       AttentionAlgorithm::Flash2}) {
                CAPTURE(size.tokens, size.dim, size.memory, causal, attentionName(algorithm));
                const auto trace = record(input, algorithm, tiling);
                CHECK(trace->steps.back().soFar ==
                      attentionTraffic(algorithm, tiling, size.dim, causal));
                // Sums of at most 130 terms below 6 in size, in double: 2^-52 · 6 · 4 · 130.
                CHECK(largestDifference(trace->result.output, plain.output) < 7e-13);
                for (std::size_t r = 0; r < plain.logSumExps.size(); ++r) {
                    CHECK_THAT(trace->result.logSumExps[r], WithinAbs(plain.logSumExps[r], 1e-12));
                }
            }
        }
    }
}

TEST_CASE("the last state of each block of queries is the result, bit for bit") {
    const AttentionInput input = randomAttention(75, 12, 3);
    const AttentionTiling tiling = tileAttention({75, 12, 1000});
    for (const AttentionAlgorithm algorithm :
         {AttentionAlgorithm::Standard, AttentionAlgorithm::Flash1, AttentionAlgorithm::Flash2}) {
        const auto trace = record(input, algorithm, tiling);
        std::vector<const AttentionStep*> last(static_cast<std::size_t>(tiling.queryBlocks));
        for (const AttentionStep& step : trace->steps) {
            last[static_cast<std::size_t>(step.queryBlock)] = &step;
        }
        for (const AttentionStep* step : last) {
            REQUIRE(step != nullptr);
            const std::int64_t first = tiling.firstQuery(step->queryBlock);
            for (std::int64_t r = 0; r < step->output.rows(); ++r) {
                CHECK(std::ranges::equal(step->output.row(r), trace->result.output.row(first + r)));
            }
        }
        MemoryTraffic sum;
        for (const AttentionStep& step : trace->steps) {
            sum.reads += step.moved.reads;
            sum.writes += step.moved.writes;
            CHECK(sum == step.soFar);
        }
    }
}

TEST_CASE("the blocks' size does not change the result") {
    AttentionInput input = randomAttention(60, 8, 11);
    for (const bool causal : {false, true}) {
        input.causal = causal;
        const AttentionOutput plain = plainAttention(input, {});
        for (const std::int64_t queryRows : {1, 7, 16, 60}) {
            for (const std::int64_t keyRows : {1, 9, 16, 60}) {
                for (const AttentionAlgorithm algorithm :
                     {AttentionAlgorithm::Flash1, AttentionAlgorithm::Flash2}) {
                    const auto trace =
                        record(input, algorithm, tileAttention(60, queryRows, keyRows));
                    CHECK(largestDifference(trace->result.output, plain.output) < 1e-13);
                }
            }
        }
    }
}

TEST_CASE("a causal mask skips blocks and masks the diagonal only") {
    AttentionInput input = randomAttention(64, 8, 5);
    input.causal = true;
    const AttentionTiling tiling = tileAttention(64, 8, 8);
    for (const AttentionAlgorithm algorithm :
         {AttentionAlgorithm::Flash1, AttentionAlgorithm::Flash2}) {
        const auto trace = record(input, algorithm, tiling);
        CHECK(trace->steps.size() == 36);
        for (const AttentionStep& step : trace->steps) {
            CHECK(step.keyBlock <= step.queryBlock);
            CHECK(step.masked == (step.keyBlock == step.queryBlock));
            const auto hidden = std::count_if(step.scores.data(),
                                              step.scores.data() + step.scores.size(),
                                              [](double s) { return std::isinf(s); });
            CHECK(hidden == (step.masked ? 28 : 0));
        }
    }
}

TEST_CASE("adding a constant to a row of scores, large scores and permuted keys change nothing") {
    const std::int64_t n = 40;
    AttentionInput input = randomAttention(n, 6, 21);
    const AttentionOutput plain = plainAttention(input, {});
    const AttentionTiling tiling = tileAttention(n, 16, 12);

    AttentionInput shifted = input;  // q · (k + c) = q · k + q · c
    for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t c = 0; c < 6; ++c) {
            shifted.keys(r, c) += 3;
        }
    }
    AttentionInput permuted = input;
    for (std::int64_t r = 0; r < n; ++r) {
        const std::int64_t from = (r * 7 + 3) % n;
        std::ranges::copy(input.keys.row(from), permuted.keys.row(r).begin());
        std::ranges::copy(input.values.row(from), permuted.values.row(r).begin());
    }
    for (const AttentionAlgorithm algorithm :
         {AttentionAlgorithm::Flash1, AttentionAlgorithm::Flash2}) {
        CHECK(largestDifference(record(shifted, algorithm, tiling)->result.output, plain.output) <
              1e-12);
        CHECK(largestDifference(record(permuted, algorithm, tiling)->result.output, plain.output) <
              1e-12);
        AttentionInput large = input;
        large.scale = 1e4;
        CHECK(largestDifference(record(large, algorithm, tiling)->result.output,
                                plainAttention(large, {}).output) < 1e-9);
    }
}

TEST_CASE("what is too large to be recorded says what to change") {
    const AttentionInput input = randomAttention(600, 8, 1);
    const auto trace =
        recordAttention(input, AttentionAlgorithm::Flash1, tileAttention(600, 1, 1), {});
    REQUIRE(!trace);
    CHECK(trace.error().code == ErrorCode::Invalid);
    CHECK(trace.error().what.find("360000 tiles") != std::string::npos);
    CHECK(!trace.error().hint.empty());
}
