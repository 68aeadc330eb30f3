// SPDX-License-Identifier: Apache-2.0
#include "core/attention/attention_trace.hpp"

#include "core/attention/online_softmax.hpp"
#include "core/base/assert.hpp"
#include "core/base/rng.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace loupe {

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// e^(a - b) where b is the larger; a row that has seen no key yet (b = -infinity) has weight 0.
double decay(double a, double b) {
    return std::isinf(b) ? 0.0 : std::exp(a - b);
}

/// Main memory. What is loaded or stored is counted, element by element.
class CountedMemory {
public:
    explicit CountedMemory(MemoryTraffic& traffic) : traffic_(traffic) {}

    [[nodiscard]] Matrix<double> load(const Matrix<double>& from,
                                      std::int64_t first,
                                      std::int64_t count) const {
        Matrix<double> rows(count, from.cols());
        for (std::int64_t r = 0; r < count; ++r) {
            std::copy_n(from.row(first + r).begin(), from.cols(), rows.row(r).begin());
        }
        traffic_.reads += rows.size();
        return rows;
    }

    void store(Matrix<double>& to, std::int64_t first, const Matrix<double>& rows) const {
        for (std::int64_t r = 0; r < rows.rows(); ++r) {
            std::copy_n(rows.row(r).begin(), rows.cols(), to.row(first + r).begin());
        }
        traffic_.writes += rows.size();
    }

    [[nodiscard]] std::vector<double> load(const std::vector<double>& from,
                                           std::int64_t first,
                                           std::int64_t count) const {
        const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
        traffic_.reads += count;
        return {begin, begin + static_cast<std::ptrdiff_t>(count)};
    }

    void store(std::vector<double>& to,
               std::int64_t first,
               const std::vector<double>& values) const {
        std::copy(values.begin(), values.end(), to.begin() + static_cast<std::ptrdiff_t>(first));
        traffic_.writes += static_cast<std::int64_t>(values.size());
    }

private:
    MemoryTraffic& traffic_;
};

/// scale · Q K^T of a tile; keys that a causal mask hides get -infinity.
Matrix<double> scoresOf(const Matrix<double>& queries,
                        const Matrix<double>& keys,
                        double scale,
                        bool mask,
                        std::int64_t firstQuery,
                        std::int64_t firstKey) {
    Matrix<double> transposed(keys.cols(), keys.rows());
    for (std::int64_t r = 0; r < keys.rows(); ++r) {
        for (std::int64_t c = 0; c < keys.cols(); ++c) {
            transposed(c, r) = keys(r, c);
        }
    }
    Matrix<double> scores(queries.rows(), keys.rows());
    for (std::int64_t r = 0; r < scores.rows(); ++r) {
        double* out = scores.row(r).data();
        for (std::int64_t k = 0; k < queries.cols(); ++k) {
            const double q = queries(r, k);
            const double* key = transposed.row(k).data();
            for (std::int64_t c = 0; c < scores.cols(); ++c) {
                out[c] += q * key[c];
            }
        }
        for (std::int64_t c = 0; c < scores.cols(); ++c) {
            out[c] = mask && firstKey + c > firstQuery + r ? kMinusInfinity : out[c] * scale;
        }
    }
    return scores;
}

/// Row maxima m̃, e^(S - m̃) in place and row sums ℓ̃.
void softmaxTile(Matrix<double>& tile, std::vector<double>& maxima, std::vector<double>& sums) {
    const auto rows = static_cast<std::size_t>(tile.rows());
    maxima.assign(rows, kMinusInfinity);
    sums.assign(rows, 0.0);
    for (std::size_t r = 0; r < rows; ++r) {
        for (const double score : tile.row(static_cast<std::int64_t>(r))) {
            maxima[r] = std::max(maxima[r], score);
        }
        for (double& score : tile.row(static_cast<std::int64_t>(r))) {
            score = decay(score, maxima[r]);
            sums[r] += score;
        }
    }
}

/// out[r] = keep[r] · out[r] + add[r] · Σ weights[r, k] values[k]
void accumulate(Matrix<double>& out,
                const std::vector<double>& keep,
                const std::vector<double>& add,
                const Matrix<double>& weights,
                const Matrix<double>& values) {
    std::vector<double> product(static_cast<std::size_t>(values.cols()));
    for (std::int64_t r = 0; r < out.rows(); ++r) {
        std::fill(product.begin(), product.end(), 0.0);
        for (std::int64_t k = 0; k < values.rows(); ++k) {
            const double weight = weights(r, k);
            const double* value = values.row(k).data();
            for (std::size_t c = 0; c < product.size(); ++c) {
                product[c] += weight * value[c];
            }
        }
        const auto at = static_cast<std::size_t>(r);
        double* target = out.row(r).data();
        for (std::size_t c = 0; c < product.size(); ++c) {
            target[c] = keep[at] * target[c] + add[at] * product[c];
        }
    }
}

class Recorder {
public:
    Recorder(const AttentionInput& input, AttentionTrace& trace, const JobContext& ctx)
        : in_(input), trace_(trace), tiling_(trace.tiling), ctx_(ctx), memory_(traffic_) {
        const auto rows = static_cast<std::size_t>(tiling_.tokens);
        trace_.result.output = Matrix<double>(tiling_.tokens, trace.dim);
        trace_.result.logSumExps.assign(rows, kMinusInfinity);
    }

    void standard();
    void flash1();
    void flash2();

private:
    AttentionStep& begin(AttentionPass pass, std::int64_t i, std::int64_t j) {
        ctx_.checkpoint();
        AttentionStep& step = trace_.steps.emplace_back();
        step.pass = pass;
        step.queryBlock = i;
        step.keyBlock = j;
        return step;
    }

    void finish(AttentionStep& step) {
        step.soFar = traffic_;
        step.moved = {traffic_.reads - counted_.reads, traffic_.writes - counted_.writes};
        counted_ = traffic_;
        ctx_.advance(1);
    }

    /// S, m̃, ℓ̃ of a tile into the step; returns P̃.
    Matrix<double> tile(AttentionStep& step,
                        const Matrix<double>& queries,
                        const Matrix<double>& keys) {
        step.masked = in_.causal && tiling_.isMasked(step.queryBlock, step.keyBlock);
        step.scores = scoresOf(queries,
                               keys,
                               in_.scale,
                               step.masked,
                               tiling_.firstQuery(step.queryBlock),
                               tiling_.firstKey(step.keyBlock));
        Matrix<double> weights = step.scores;
        softmaxTile(weights, step.tileMax, step.tileSum);
        step.largest = *std::max_element(step.tileMax.begin(), step.tileMax.end());
        step.onChip = {2 * keys.size(), 2 * queries.size(), weights.size()};
        return weights;
    }

    [[nodiscard]] bool skips(std::int64_t i, std::int64_t j) const {
        return in_.causal && !tiling_.isNeeded(i, j);
    }

    void scoresPass(Matrix<double>& scores);
    void softmaxPass(const Matrix<double>& scores, Matrix<double>& weights);
    void outputPass(const Matrix<double>& weights);

    const AttentionInput& in_;
    AttentionTrace& trace_;
    const AttentionTiling& tiling_;
    const JobContext& ctx_;
    MemoryTraffic traffic_;
    MemoryTraffic counted_;
    CountedMemory memory_;
};

/// Algorithm 0, line 1: S = Q K^T. K stays on the chip: the count is the least that this order of
/// work can move.
void Recorder::scoresPass(Matrix<double>& scores) {
    const Matrix<double> keys = memory_.load(in_.keys, 0, tiling_.tokens);
    for (std::int64_t i = 0; i < tiling_.queryBlocks; ++i) {
        AttentionStep& step = begin(AttentionPass::Scores, i, -1);
        const Matrix<double> queries =
            memory_.load(in_.queries, tiling_.firstQuery(i), tiling_.queriesOf(i));
        step.masked = in_.causal;
        step.scores = scoresOf(queries, keys, in_.scale, in_.causal, tiling_.firstQuery(i), 0);
        memory_.store(scores, tiling_.firstQuery(i), step.scores);
        step.onChip = {keys.size(), queries.size(), step.scores.size()};
        step.largest =
            *std::max_element(step.scores.data(), step.scores.data() + step.scores.size());
        finish(step);
    }
}

/// Line 2: P = softmax(S), row by row.
void Recorder::softmaxPass(const Matrix<double>& scores, Matrix<double>& weights) {
    for (std::int64_t i = 0; i < tiling_.queryBlocks; ++i) {
        AttentionStep& step = begin(AttentionPass::Softmax, i, -1);
        const std::int64_t first = tiling_.firstQuery(i);
        step.masked = in_.causal;
        step.scores = memory_.load(scores, first, tiling_.queriesOf(i));
        softmaxTile(step.scores, step.tileMax, step.tileSum);
        step.max = step.tileMax;
        step.sum = step.tileSum;
        step.largest = *std::max_element(step.max.begin(), step.max.end());
        for (std::int64_t r = 0; r < step.scores.rows(); ++r) {
            const auto at = static_cast<std::size_t>(r);
            for (double& weight : step.scores.row(r)) {
                weight /= step.sum[at];
            }
            trace_.result.logSumExps[static_cast<std::size_t>(first + r)] =
                step.max[at] + std::log(step.sum[at]);
        }
        memory_.store(weights, first, step.scores);
        step.onChip = {0, 0, step.scores.size()};
        finish(step);
    }
}

/// Line 3: O = P V.
void Recorder::outputPass(const Matrix<double>& weights) {
    const Matrix<double> values = memory_.load(in_.values, 0, tiling_.tokens);
    for (std::int64_t i = 0; i < tiling_.queryBlocks; ++i) {
        AttentionStep& step = begin(AttentionPass::Output, i, -1);
        const std::int64_t first = tiling_.firstQuery(i);
        const Matrix<double> strip = memory_.load(weights, first, tiling_.queriesOf(i));
        step.output = Matrix<double>(strip.rows(), trace_.dim);
        const std::vector<double> ones(static_cast<std::size_t>(strip.rows()), 1.0);
        accumulate(step.output, ones, ones, strip, values);
        memory_.store(trace_.result.output, first, step.output);
        step.onChip = {values.size(), step.output.size(), strip.size()};
        step.largest = trace_.steps[static_cast<std::size_t>(i)].largest;
        finish(step);
    }
}

void Recorder::standard() {
    Matrix<double> scores(tiling_.tokens, tiling_.tokens);
    Matrix<double> weights(tiling_.tokens, tiling_.tokens);
    ctx_.setTotal(static_cast<std::uint64_t>(3 * tiling_.queryBlocks));
    trace_.steps.reserve(static_cast<std::size_t>(3 * tiling_.queryBlocks));
    scoresPass(scores);
    softmaxPass(scores, weights);
    outputPass(weights);
}

/// Algorithm 1 of FlashAttention (Dao et al. 2022, arXiv:2205.14135), line by line.
void Recorder::flash1() {
    const std::int64_t n = tiling_.tokens;
    const auto rows = static_cast<std::size_t>(n);
    std::vector<double> sums(rows);
    std::vector<double> maxima(rows);
    // Line 2: O = 0, ℓ = 0, m = -infinity in main memory.
    memory_.store(trace_.result.output, 0, Matrix<double>(n, trace_.dim));
    memory_.store(sums, 0, std::vector<double>(rows, 0.0));
    memory_.store(maxima, 0, std::vector<double>(rows, kMinusInfinity));
    ctx_.setTotal(static_cast<std::uint64_t>(tiling_.queryBlocks * tiling_.keyBlocks));
    for (std::int64_t j = 0; j < tiling_.keyBlocks; ++j) {
        const Matrix<double> keys = memory_.load(in_.keys, tiling_.firstKey(j), tiling_.keysOf(j));
        const Matrix<double> values =
            memory_.load(in_.values, tiling_.firstKey(j), tiling_.keysOf(j));
        for (std::int64_t i = 0; i < tiling_.queryBlocks; ++i) {
            if (skips(i, j)) {
                continue;
            }
            AttentionStep& step = begin(AttentionPass::Tile, i, j);
            const std::int64_t first = tiling_.firstQuery(i);
            const std::int64_t count = tiling_.queriesOf(i);
            const Matrix<double> queries = memory_.load(in_.queries, first, count);
            step.output = memory_.load(trace_.result.output, first, count);
            step.oldSum = memory_.load(sums, first, count);
            step.oldMax = memory_.load(maxima, first, count);
            const Matrix<double> weights = tile(step, queries, keys);
            step.max.resize(step.oldMax.size());
            step.sum.resize(step.oldMax.size());
            std::vector<double> keep(step.max.size());
            std::vector<double> add(step.max.size());
            for (std::size_t r = 0; r < step.max.size(); ++r) {
                step.max[r] = std::max(step.oldMax[r], step.tileMax[r]);
                const double old = decay(step.oldMax[r], step.max[r]) * step.oldSum[r];
                const double fresh = decay(step.tileMax[r], step.max[r]);
                step.sum[r] = old + fresh * step.tileSum[r];
                // A row that sees no key stays zero.
                keep[r] = step.sum[r] > 0 ? old / step.sum[r] : 0.0;
                add[r] = step.sum[r] > 0 ? fresh / step.sum[r] : 0.0;
            }
            accumulate(step.output, keep, add, weights, values);
            memory_.store(trace_.result.output, first, step.output);
            memory_.store(sums, first, step.sum);
            memory_.store(maxima, first, step.max);
            finish(step);
        }
    }
    for (std::size_t r = 0; r < rows; ++r) {
        trace_.result.logSumExps[r] = maxima[r] + std::log(sums[r]);
    }
}

/// Algorithm 1 of FlashAttention-2 (Dao 2023, arXiv:2307.08691). Its line 10 prints the inverse of
/// diag(e^(m_old - m_new)); the factor is e^(m_old - m_new) itself, at most 1.
void Recorder::flash2() {
    ctx_.setTotal(static_cast<std::uint64_t>(tiling_.queryBlocks * tiling_.keyBlocks));
    for (std::int64_t i = 0; i < tiling_.queryBlocks; ++i) {
        const std::int64_t first = tiling_.firstQuery(i);
        const std::int64_t count = tiling_.queriesOf(i);
        const auto rows = static_cast<std::size_t>(count);
        const Matrix<double> queries = memory_.load(in_.queries, first, count);
        std::vector<double> maxima(rows, kMinusInfinity);
        std::vector<double> sums(rows, 0.0);
        Matrix<double> output(count, trace_.dim);
        for (std::int64_t j = 0; j < tiling_.keyBlocks && !skips(i, j); ++j) {
            AttentionStep& step = begin(AttentionPass::Tile, i, j);
            const Matrix<double> keys =
                memory_.load(in_.keys, tiling_.firstKey(j), tiling_.keysOf(j));
            const Matrix<double> values =
                memory_.load(in_.values, tiling_.firstKey(j), tiling_.keysOf(j));
            step.oldMax = maxima;
            step.oldSum = sums;
            const Matrix<double> weights = tile(step, queries, keys);
            std::vector<double> keep(rows);
            std::vector<double> add(rows);
            for (std::size_t r = 0; r < rows; ++r) {
                maxima[r] = std::max(step.oldMax[r], step.tileMax[r]);
                keep[r] = decay(step.oldMax[r], maxima[r]);
                add[r] = decay(step.tileMax[r], maxima[r]);
                sums[r] = keep[r] * sums[r] + add[r] * step.tileSum[r];
            }
            accumulate(output, keep, add, weights, values);
            step.max = maxima;
            step.sum = sums;
            step.finishes = j + 1 == tiling_.keyBlocks || skips(i, j + 1);
            if (step.finishes) {
                std::vector<double> logs(rows);
                for (std::size_t r = 0; r < rows; ++r) {
                    for (double& value : output.row(static_cast<std::int64_t>(r))) {
                        value = sums[r] > 0 ? value / sums[r] : value;
                    }
                    logs[r] = maxima[r] + std::log(sums[r]);
                }
                memory_.store(trace_.result.output, first, output);
                memory_.store(trace_.result.logSumExps, first, logs);
            }
            step.output = output;
            finish(step);
        }
    }
}

}  // namespace

AttentionInput randomAttention(std::int64_t tokens, std::int64_t dim, std::uint64_t seed) {
    AttentionInput input;
    std::uint64_t index = 0;
    for (Matrix<double>* matrix : {&input.queries, &input.keys, &input.values}) {
        *matrix = Matrix<double>(tokens, dim);
        for (std::int64_t i = 0; i < matrix->size(); ++i) {
            matrix->data()[i] = randomNormal(seed, index++);
        }
    }
    input.scale = 1.0 / std::sqrt(static_cast<double>(dim));
    return input;
}

AttentionInput workedAttention() {
    constexpr std::int64_t kTokens = 4;
    constexpr double kScores[kTokens] = {1, 3, 2, 5};
    constexpr double kValues[kTokens][2] = {{1, 0}, {0, 1}, {1, 1}, {2, -1}};
    AttentionInput input;
    input.queries = Matrix<double>(kTokens, 2);
    input.keys = Matrix<double>(kTokens, 2);
    input.values = Matrix<double>(kTokens, 2);
    for (std::int64_t r = 0; r < kTokens; ++r) {
        input.queries(r, 0) = 1;
        input.keys(r, 0) = kScores[r];
        input.values(r, 0) = kValues[r][0];
        input.values(r, 1) = kValues[r][1];
    }
    return input;
}

AttentionOutput plainAttention(const AttentionInput& input, const JobContext& ctx) {
    AttentionOutput out;
    const std::int64_t n = input.queries.rows();
    const std::int64_t dim = input.values.cols();
    out.output = Matrix<double>(n, dim);
    for (std::int64_t i = 0; i < n; ++i) {
        ctx.checkpoint();
        const std::int64_t seen = input.causal ? i + 1 : n;
        std::vector<double> scores(static_cast<std::size_t>(seen));
        for (std::int64_t j = 0; j < seen; ++j) {
            double dot = 0;
            for (std::int64_t k = 0; k < input.queries.cols(); ++k) {
                dot += input.queries(i, k) * input.keys(j, k);
            }
            scores[static_cast<std::size_t>(j)] = dot * input.scale;
        }
        const SoftmaxPart part =
            softmaxPart(scores,
                        {input.values.data(), static_cast<std::size_t>(seen * dim)},
                        static_cast<std::size_t>(dim));
        std::copy(part.output.begin(), part.output.end(), out.output.row(i).begin());
        out.logSumExps.push_back(logSumExp(part));
    }
    return out;
}

std::int64_t attentionTraceNumbers(AttentionAlgorithm algorithm,
                                   const AttentionTiling& tiling,
                                   std::int64_t dim) {
    const std::int64_t n = tiling.tokens;
    if (algorithm == AttentionAlgorithm::Standard) {
        return 4 * n * n + n * dim;  // S and P, as recorded and as main memory
    }
    return n * n + tiling.keyBlocks * n * (dim + 6);
}

Result<void> checkAttentionSize(AttentionAlgorithm algorithm,
                                const AttentionTiling& tiling,
                                std::int64_t dim) {
    const std::int64_t tiles = tiling.queryBlocks * tiling.keyBlocks;
    if (algorithm != AttentionAlgorithm::Standard && tiles > kMaxAttentionTiles) {
        return fail(ErrorCode::Invalid,
                    "attention: " + std::to_string(tiles) + " tiles, at most " +
                        std::to_string(kMaxAttentionTiles) + " can be played",
                    {},
                    "Give the chip more memory, or take fewer tokens");
    }
    const std::int64_t numbers = attentionTraceNumbers(algorithm, tiling, dim);
    if (numbers > kMaxAttentionNumbers) {
        return fail(ErrorCode::Invalid,
                    "attention: " + std::to_string(numbers) + " numbers to record, at most " +
                        std::to_string(kMaxAttentionNumbers) + " are kept",
                    {},
                    "Give the chip more memory, or take fewer tokens");
    }
    return {};
}

Result<std::shared_ptr<const AttentionTrace>> recordAttention(const AttentionInput& input,
                                                              AttentionAlgorithm algorithm,
                                                              const AttentionTiling& tiling,
                                                              const JobContext& ctx) {
    LOUPE_ASSERT(input.queries.rows() == tiling.tokens && input.keys.rows() == tiling.tokens &&
                     input.values.rows() == tiling.tokens,
                 "the tiling is of this head");
    LOUPE_ASSERT(input.queries.cols() == input.keys.cols(), "queries meet keys");
    if (Result<void> fits = checkAttentionSize(algorithm, tiling, input.values.cols()); !fits) {
        return fail(fits.error());
    }
    auto trace = std::make_shared<AttentionTrace>();
    trace->algorithm = algorithm;
    trace->tiling = tiling;
    trace->dim = input.values.cols();
    trace->scale = input.scale;
    trace->causal = input.causal;
    Recorder recorder(input, *trace, ctx);
    switch (algorithm) {
        case AttentionAlgorithm::Standard:
            recorder.standard();
            break;
        case AttentionAlgorithm::Flash1:
            recorder.flash1();
            break;
        case AttentionAlgorithm::Flash2:
            recorder.flash2();
            break;
    }
    return std::shared_ptr<const AttentionTrace>(std::move(trace));
}

}  // namespace loupe
