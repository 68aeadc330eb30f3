// SPDX-License-Identifier: Apache-2.0
// Attention carried out tile by tile, literally, with every element that crosses between main
// memory and the chip counted as it is copied, and every tile recorded.
#pragma once

#include "core/attention/traffic.hpp"
#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe {

/// One head. Scores are scale · q · k.
struct AttentionInput {
    Matrix<double> queries;  ///< [N, d]
    Matrix<double> keys;     ///< [N, d]
    Matrix<double> values;   ///< [N, d]
    double scale = 1;        ///< 1/√d in models; 1 in the papers' algorithms
    bool causal = false;     ///< query i sees keys 0 … i
};

/// Independent standard normal Q, K and V, scale 1/√d; depends on seed and element alone.
[[nodiscard]] AttentionInput randomAttention(std::int64_t tokens,
                                             std::int64_t dim,
                                             std::uint64_t seed);
/// Four alike queries that give the scores 1, 3, 2, 5 and V = (1,0) (0,1) (1,1) (2,-1): with M = 16
/// two blocks of two, the example of the lecture.
[[nodiscard]] AttentionInput workedAttention();

struct AttentionOutput {
    Matrix<double> output;           ///< [N, d]
    std::vector<double> logSumExps;  ///< m + ln ℓ of each row
};

/// Row by row, the whole row of scores at once, in double: what the tiled orders must equal.
[[nodiscard]] AttentionOutput plainAttention(const AttentionInput& input, const JobContext& ctx);

/// Which pass of the standard algorithm a step belongs to.
enum class AttentionPass : std::uint8_t { Tile, Scores, Softmax, Output };

/// What is done at once, and everything that is known after it.
struct AttentionStep {
    AttentionPass pass = AttentionPass::Tile;  ///< Tile: of the tiled orders
    std::int64_t queryBlock = 0;
    std::int64_t keyBlock = 0;    ///< -1: all keys (standard)
    bool masked = false;          ///< an elementwise mask was needed
    bool finishes = false;        ///< FlashAttention-2: the last of its row of tiles divides by ℓ
    MemoryTraffic moved;          ///< in this step
    MemoryTraffic soFar;          ///< up to and with this step
    OnChipNeed onChip;            ///< what is on the chip now
    Matrix<double> scores;        ///< S of the tile, hidden keys -infinity; the pass Softmax: P
    std::vector<double> tileMax;  ///< m̃: of each row, within the tile
    std::vector<double> tileSum;  ///< ℓ̃ = Σ e^(s - m̃)
    std::vector<double> oldMax;   ///< m before the step
    std::vector<double> oldSum;   ///< ℓ before the step
    std::vector<double> max;      ///< m after the step
    std::vector<double> sum;      ///< ℓ after the step
    Matrix<double> output;        ///< O of the block after the step; FlashAttention-2: not divided
                                  ///< by ℓ until the step that finishes
    double largest = 0;           ///< of the scores that are seen
};

struct AttentionTrace {
    AttentionAlgorithm algorithm = AttentionAlgorithm::Standard;
    AttentionTiling tiling;
    std::int64_t dim = 0;
    double scale = 1;
    bool causal = false;
    std::vector<AttentionStep> steps;
    AttentionOutput result;  ///< what main memory holds after the last step
};

/// Most tiles and most recorded numbers of a trace.
constexpr std::int64_t kMaxAttentionTiles = 16384;
constexpr std::int64_t kMaxAttentionNumbers = std::int64_t{1} << 26;

/// Numbers that a trace of this holds.
[[nodiscard]] std::int64_t attentionTraceNumbers(AttentionAlgorithm algorithm,
                                                 const AttentionTiling& tiling,
                                                 std::int64_t dim);

/// Can a run of this be kept? @errors as recordAttention()
[[nodiscard]] Result<void> checkAttentionSize(AttentionAlgorithm algorithm,
                                              const AttentionTiling& tiling,
                                              std::int64_t dim);

/// @errors Invalid: more tiles or numbers than can be kept, with what to change
/// @cost   4 N² d multiplications and additions
[[nodiscard]] Result<std::shared_ptr<const AttentionTrace>> recordAttention(
    const AttentionInput& input,
    AttentionAlgorithm algorithm,
    const AttentionTiling& tiling,
    const JobContext& ctx);

}  // namespace loupe
