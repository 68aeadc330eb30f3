// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/attention.hpp"

#include "core/base/worker_pool.hpp"
#include "gpu/cpu/attention_kernels.hpp"
#include "gpu/cpu/huge_buffer.hpp"
#include "gpu/cpu/panels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace loupe::gpu {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kTaskQueries = 48;  // a multiple of kTileRows
constexpr std::int64_t kSplitKeys = 1024;  // of decode: a multiple of kKeyBlock

std::size_t index(std::int64_t i) {
    return static_cast<std::size_t>(i);
}

/// What all kinds share: K in panels, V in rows of a multiple of the lanes, pieces of Q.
class AttentionBase : public CpuAttention {
protected:
    AttentionBase(const AttentionProblem& problem, const char* name)
        : CpuAttention(problem),
          kernels_(attentionKernels()),
          width_(roundUp(shape_.dim, kernels_.lanes)),
          seqPadded_(roundUp(shape_.seq, kKeyBlock)) {
        kernel_ = std::string("cpu_") + name + "_f32_" + std::to_string(kTileRows) + "x" +
                  std::to_string(kernels_.lanes);
        factor_ =
            static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(shape_.dim)));
    }

    [[nodiscard]] std::int64_t keyHeads() const { return shape_.batch * shape_.kvHeads; }
    [[nodiscard]] std::int64_t queryHeads() const { return shape_.batch * shape_.heads; }
    [[nodiscard]] std::int64_t keyHeadOf(std::int64_t head) const {
        return head / shape_.heads * shape_.kvHeads +
               head % shape_.heads / (shape_.heads / shape_.kvHeads);
    }
    /// Keys that a query sees.
    [[nodiscard]] std::int64_t seenBy(std::int64_t query) const {
        return shape_.causal && !shape_.decode ? query + 1 : shape_.seq;
    }

    void reserveKeys() {
        keys_.reserve(index(keyHeads() * seqPadded_ * shape_.dim) * sizeof(float));
        workBytes_ += static_cast<double>(keys_.size());
        reserveValues();
    }
    void reserveValues() {
        if (width_ != shape_.dim) {
            values_.reserve(index(keyHeads() * shape_.seq * width_) * sizeof(float));
            workBytes_ += static_cast<double>(values_.size());
        }
    }

    /// K to panels of `lanes` keys, [dim][lanes] each; zeros behind the last key.
    void packKeys(const JobContext& ctx) {
        const std::int64_t lanes = kernels_.lanes;
        const std::int64_t panels = seqPadded_ / lanes;
        parallelFor(
            keyHeads() * panels, 8, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                for (std::int64_t at = begin; at < end; ++at) {
                    const float* const from =
                        problem_.k.data() + at / panels * shape_.seq * shape_.dim;
                    const std::int64_t first = at % panels * lanes;
                    float* const to = keys_.as<float>() + at * lanes * shape_.dim;
                    for (std::int64_t lane = 0; lane < lanes; ++lane) {
                        for (std::int64_t d = 0; d < shape_.dim; ++d) {
                            to[d * lanes + lane] = first + lane < shape_.seq
                                                       ? from[(first + lane) * shape_.dim + d]
                                                       : 0.0F;
                        }
                    }
                }
            });
        packValues(ctx);
    }
    void packValues(const JobContext& ctx) {
        if (width_ == shape_.dim) {
            return;
        }
        parallelFor(keyHeads() * shape_.seq,
                    256,
                    ctx,
                    [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                        for (std::int64_t row = begin; row < end; ++row) {
                            std::memcpy(values_.as<float>() + row * width_,
                                        problem_.v.data() + row * shape_.dim,
                                        index(shape_.dim) * sizeof(float));
                        }
                    });
    }
    [[nodiscard]] const float* keyPanels(std::int64_t keyHead, std::int64_t key) const {
        return keys_.as<const float>() + (keyHead * seqPadded_ + key) * shape_.dim;
    }
    [[nodiscard]] const float* valueRows(std::int64_t keyHead, std::int64_t key) const {
        return (width_ == shape_.dim ? problem_.v.data() : values_.as<const float>()) +
               (keyHead * shape_.seq + key) * width_;
    }

    /// Queries of a head as [dim][rows], scaled.
    void packQueries(std::int64_t head, std::int64_t first, std::int64_t rows, float* out) const {
        const float* const q = problem_.q.data() + (head * shape_.queries() + first) * shape_.dim;
        for (std::int64_t d = 0; d < shape_.dim; ++d) {
            for (std::int64_t r = 0; r < rows; ++r) {
                *out++ = q[r * shape_.dim + d] * factor_;
            }
        }
    }
    void store(std::int64_t head, std::int64_t query, const float* sums) {
        std::memcpy(out_.data() + (head * shape_.queries() + query) * shape_.dim,
                    sums,
                    index(shape_.dim) * sizeof(float));
    }

    const AttentionKernels& kernels_;
    std::int64_t width_;      ///< of a row of sums: dim rounded up to lanes
    std::int64_t seqPadded_;  ///< keys rounded up to blocks
    float factor_ = 0;        ///< log2(e) / √dim
    HugeBuffer keys_;
    HugeBuffer values_;  ///< only where dim is no multiple of lanes
};

/// Rows of a tile of queries: where its scores, sums, maxima lie.
struct QueryTile {
    std::int64_t head = 0;
    std::int64_t first = 0;  ///< query
    std::int64_t rows = 0;
    const float* q = nullptr;  ///< [dim][rows]
    float* sums = nullptr;     ///< [rows][width]
    float* most = nullptr;
    float* total = nullptr;
};

/// The order of FlashAttention-2 (Dao 2023, arXiv:2307.08691): queries outside, keys inside, the
/// output divided once at the end.
class FlashAttention2 final : public AttentionBase {
public:
    explicit FlashAttention2(const AttentionProblem& problem) : AttentionBase(problem, "flash2") {
        reserveKeys();
    }
    void run(const JobContext& ctx) override {
        packKeys(ctx);
        const std::int64_t strips = (shape_.queries() + kTaskQueries - 1) / kTaskQueries;
        parallelFor(
            queryHeads() * strips, 1, ctx, [&](std::int64_t task, std::int64_t, std::int64_t) {
                // The longest tasks of a causal head first: the last ones end together.
                const std::int64_t strip = strips - 1 - task % strips;
                runStrip(task / strips, strip * kTaskQueries);
            });
    }

private:
    void runStrip(std::int64_t head, std::int64_t first) {
        const std::int64_t queries = std::min(kTaskQueries, shape_.queries() - first);
        static thread_local HugeBuffer work;
        const std::int64_t qFloats = queries * shape_.dim;
        work.reserve(index(qFloats + queries * width_ + kTileRows * kKeyBlock) * sizeof(float));
        auto* const q = work.as<float>();
        float* const scores = q + roundUp(qFloats, 16);
        float* const sums = scores + kTileRows * kKeyBlock;
        std::array<float, kTaskQueries> most{};
        std::array<float, kTaskQueries> total{};
        most.fill(kMinusInfinity);
        std::fill(sums, sums + queries * width_, 0.0F);
        for (std::int64_t t = 0; t < queries; t += kTileRows) {
            packQueries(head,
                        first + t,
                        std::min<std::int64_t>(kTileRows, queries - t),
                        q + t * shape_.dim);
        }
        const std::int64_t seen = seenBy(first + queries - 1);
        for (std::int64_t key = 0; key < seen; key += kKeyBlock) {
            for (std::int64_t t = 0; t < queries; t += kTileRows) {
                const std::int64_t rows = std::min<std::int64_t>(kTileRows, queries - t);
                if (key < seenBy(first + t + rows - 1)) {
                    visit({head,
                           first + t,
                           rows,
                           q + t * shape_.dim,
                           sums + t * width_,
                           most.data() + t,
                           total.data() + t},
                          key,
                          scores);
                }
            }
        }
        for (std::int64_t r = 0; r < queries; ++r) {
            kernels_.scale(sums + r * width_, width_, 1.0F / total[index(r)]);
            store(head, first + r, sums + r * width_);
        }
    }

    /// A block of keys for a tile: scores, new maxima, powers, weighted values.
    void visit(const QueryTile& tile, std::int64_t key, float* scores) {
        const std::int64_t keyHead = keyHeadOf(tile.head);
        const std::int64_t count = std::min(kKeyBlock, seenBy(tile.first + tile.rows - 1) - key);
        std::array<std::int64_t, kTileRows> limits{};
        std::array<float, kTileRows> largest{};
        for (std::int64_t r = 0; r < tile.rows; ++r) {
            limits[index(r)] = std::clamp<std::int64_t>(seenBy(tile.first + r) - key, 0, kKeyBlock);
        }
        ScoreCall score;
        score.q = tile.q;
        score.keys = keyPanels(keyHead, key);
        score.dim = shape_.dim;
        score.panels = (count + kernels_.lanes - 1) / kernels_.lanes;
        score.limits = limits.data();
        score.scores = scores;
        score.stride = kKeyBlock;
        score.most = largest.data();
        kernels_.scores[tile.rows](score);
        for (std::int64_t r = 0; r < tile.rows; ++r) {
            if (largest[index(r)] > tile.most[r]) {
                const float shrink = std::exp2(tile.most[r] - largest[index(r)]);
                kernels_.scale(tile.sums + r * width_, width_, shrink);
                tile.total[r] *= shrink;
                tile.most[r] = largest[index(r)];
            }
            tile.total[r] += kernels_.powers(
                scores + r * kKeyBlock, score.panels * kernels_.lanes, tile.most[r]);
        }
        ValueCall value;
        value.weights = scores;
        value.stride = kKeyBlock;
        value.values = valueRows(keyHead, key);
        value.valueStride = width_;
        value.keys = count;
        value.width = width_;
        value.sums = tile.sums;
        kernels_.values[tile.rows](value);
    }
};

/// Softmax(S)·V with all of S in memory: three passes, one after the other.
class StandardAttention final : public AttentionBase {
public:
    explicit StandardAttention(const AttentionProblem& problem)
        : AttentionBase(problem, "standard") {
        reserveKeys();
        scores_.reserve(index(queryHeads() * shape_.queries() * seqPadded_) * sizeof(float));
        workBytes_ += static_cast<double>(scores_.size());
    }
    void run(const JobContext& ctx) override {
        packKeys(ctx);
        eachTile(ctx, [this](const QueryTile& tile) { scoresOf(tile); });
        const std::int64_t rows = queryHeads() * shape_.queries();
        parallelFor(rows, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            for (std::int64_t row = begin; row < end; ++row) {
                float* const s = scores_.as<float>() + row * seqPadded_;
                const std::int64_t seen = seenBy(row % shape_.queries());
                const float total = kernels_.powers(s, seen, kernels_.largest(s, seen));
                kernels_.scale(s, seen, 1.0F / total);
                std::fill(s + seen, s + shape_.seq, 0.0F);
            }
        });
        eachTile(ctx, [this](const QueryTile& tile) { valuesOf(tile); });
    }

private:
    template <class Work>
    void eachTile(const JobContext& ctx, const Work& work) {
        const std::int64_t tiles = (shape_.queries() + kTileRows - 1) / kTileRows;
        parallelFor(
            queryHeads() * tiles, 8, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                for (std::int64_t at = begin; at < end; ++at) {
                    QueryTile tile;
                    tile.head = at / tiles;
                    tile.first = at % tiles * kTileRows;
                    tile.rows = std::min<std::int64_t>(kTileRows, shape_.queries() - tile.first);
                    work(tile);
                }
            });
    }
    [[nodiscard]] float* rowsOf(const QueryTile& tile) {
        return scores_.as<float>() + (tile.head * shape_.queries() + tile.first) * seqPadded_;
    }
    void scoresOf(const QueryTile& tile) {
        static thread_local HugeBuffer q;
        q.reserve(index(kTileRows * shape_.dim) * sizeof(float));
        packQueries(tile.head, tile.first, tile.rows, q.as<float>());
        std::array<std::int64_t, kTileRows> limits{};
        std::array<float, kTileRows> largest{};
        for (std::int64_t r = 0; r < tile.rows; ++r) {
            limits[index(r)] = seenBy(tile.first + r);
        }
        ScoreCall score;
        score.q = q.as<float>();
        score.keys = keyPanels(keyHeadOf(tile.head), 0);
        score.dim = shape_.dim;
        score.panels = (shape_.seq + kernels_.lanes - 1) / kernels_.lanes;
        score.limits = limits.data();
        score.scores = rowsOf(tile);
        score.stride = seqPadded_;
        score.most = largest.data();
        kernels_.scores[tile.rows](score);
    }
    void valuesOf(const QueryTile& tile) {
        static thread_local HugeBuffer sums;
        sums.reserve(index(kTileRows * width_) * sizeof(float));
        std::memset(sums.data(), 0, index(tile.rows * width_) * sizeof(float));
        const std::int64_t seen = seenBy(tile.first + tile.rows - 1);
        for (std::int64_t key = 0; key < seen; key += kKeyBlock) {
            ValueCall value;
            value.weights = rowsOf(tile) + key;
            value.stride = seqPadded_;
            value.values = valueRows(keyHeadOf(tile.head), key);
            value.valueStride = width_;
            value.keys = std::min(kKeyBlock, seen - key);
            value.width = width_;
            value.sums = sums.as<float>();
            kernels_.values[tile.rows](value);
        }
        for (std::int64_t r = 0; r < tile.rows; ++r) {
            store(tile.head, tile.first + r, sums.as<float>() + r * width_);
        }
    }

    HugeBuffer scores_;
};

/// One query a head against stored keys, K and V read once as they lie; long sequences are cut into
/// pieces whose results are merged (Flash-Decoding).
class DecodeAttention final : public AttentionBase {
public:
    explicit DecodeAttention(const AttentionProblem& problem) : AttentionBase(problem, "decode") {
        reserveValues();
        pieces_ = (shape_.seq + kSplitKeys - 1) / kSplitKeys;
        sums_.resize(index(queryHeads() * pieces_ * width_));
        most_.resize(index(queryHeads() * pieces_));
        total_.resize(index(queryHeads() * pieces_));
    }
    void run(const JobContext& ctx) override {
        packValues(ctx);
        std::fill(sums_.begin(), sums_.end(), 0.0F);
        parallelFor(
            keyHeads() * pieces_, 1, ctx, [&](std::int64_t task, std::int64_t, std::int64_t) {
                runPiece(task / pieces_, task % pieces_);
            });
        for (std::int64_t head = 0; head < queryHeads(); ++head) {
            merge(head);
        }
    }

private:
    [[nodiscard]] std::int64_t slot(std::int64_t head, std::int64_t piece) const {
        return head * pieces_ + piece;
    }
    void runPiece(std::int64_t keyHead, std::int64_t piece) {
        const std::int64_t group = shape_.heads / shape_.kvHeads;
        const std::int64_t firstHead =
            keyHead / shape_.kvHeads * shape_.heads + keyHead % shape_.kvHeads * group;
        const std::int64_t first = piece * kSplitKeys;
        const std::int64_t last = std::min(shape_.seq, first + kSplitKeys);
        std::vector<float> q(index(shape_.dim));
        std::array<float, kKeyBlock> scores{};
        for (std::int64_t g = 0; g < group; ++g) {
            most_[index(slot(firstHead + g, piece))] = kMinusInfinity;
            total_[index(slot(firstHead + g, piece))] = 0;
        }
        for (std::int64_t key = first; key < last; key += kKeyBlock) {
            const std::int64_t count = std::min(kKeyBlock, last - key);
            for (std::int64_t g = 0; g < group; ++g) {
                packQueries(firstHead + g, 0, 1, q.data());
                kernels_.dots(q.data(),
                              problem_.k.data() + (keyHead * shape_.seq + key) * shape_.dim,
                              count,
                              shape_.dim,
                              scores.data());
                addBlock(slot(firstHead + g, piece), scores.data(), count, valueRows(keyHead, key));
            }
        }
    }
    void addBlock(std::int64_t at, float* scores, std::int64_t count, const float* values) {
        float& most = most_[index(at)];
        float* const sums = sums_.data() + at * width_;
        const float largest = std::max(most, kernels_.largest(scores, count));
        const float shrink = std::exp2(most - largest);
        kernels_.scale(sums, width_, shrink);
        total_[index(at)] = total_[index(at)] * shrink + kernels_.powers(scores, count, largest);
        most = largest;
        ValueCall value;
        value.weights = scores;
        value.stride = kKeyBlock;
        value.values = values;
        value.valueStride = width_;
        value.keys = count;
        value.width = width_;
        value.sums = sums;
        kernels_.values[1](value);
    }
    void merge(std::int64_t head) {
        float most = kMinusInfinity;
        for (std::int64_t piece = 0; piece < pieces_; ++piece) {
            most = std::max(most, most_[index(slot(head, piece))]);
        }
        std::vector<float> sums(index(width_));
        float total = 0;
        for (std::int64_t piece = 0; piece < pieces_; ++piece) {
            const std::int64_t at = slot(head, piece);
            const float factor = std::exp2(most_[index(at)] - most);
            total += factor * total_[index(at)];
            for (std::int64_t d = 0; d < width_; ++d) {
                sums[index(d)] += factor * sums_[index(at * width_ + d)];
            }
        }
        kernels_.scale(sums.data(), width_, 1.0F / total);
        store(head, 0, sums.data());
    }

    std::int64_t pieces_ = 0;
    std::vector<float> sums_;
    std::vector<float> most_;
    std::vector<float> total_;
};

std::unique_ptr<CpuAttention> makeStandard(const AttentionProblem& problem) {
    return std::make_unique<StandardAttention>(problem);
}

std::unique_ptr<CpuAttention> makeFlash2(const AttentionProblem& problem) {
    if (problem.shape.decode) {
        return std::make_unique<DecodeAttention>(problem);
    }
    return std::make_unique<FlashAttention2>(problem);
}

constexpr std::array kKinds{
    CpuAttentionKind{
        "standard", "all scores in memory, three passes", "Vaswani et al. 2017", makeStandard},
    CpuAttentionKind{"flash2",
                     "tiles of queries, blocks of keys, scores never in memory",
                     "Dao 2023, arXiv:2307.08691",
                     makeFlash2},
};

}  // namespace

// A score is a sum of dim products (0.3·√dim roundings of 2^-24 as in floatTolerance, times its
// size of about 1.4 in units of log 2, times ln 2), shifted by a maximum of some 6 units (3
// roundings); weights and their sum cost 2, sums of values 0.3·(√256 + √(seq/256)). For dim <= 256
// and a million keys that is below 32.
double CpuAttention::tolerance() const {
    return 32 * 0x1p-24;
}

std::span<const CpuAttentionKind> cpuAttentionKinds() {
    return kKinds;
}

const CpuAttentionKind* findCpuAttention(std::string_view name) {
    const auto found =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const CpuAttentionKind& kind) {
            return kind.name == name;
        });
    return found == kKinds.end() ? nullptr : &*found;
}

}  // namespace loupe::gpu
