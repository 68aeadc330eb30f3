// SPDX-License-Identifier: Apache-2.0
// How attention is cut into tiles, and what each order of the tiles moves between main memory and
// the chip: closed formulas, in elements. One head, N queries and N keys of d numbers each.
#pragma once

#include <cstdint>
#include <string_view>

namespace loupe {

enum class AttentionAlgorithm : std::uint8_t {
    Standard,  ///< Algorithm 0: S, softmax and PV each through main memory
    Flash1,    ///< FlashAttention, Algorithm 1: keys and values outside, queries inside
    Flash2,  ///< FlashAttention-2: queries outside, keys and values inside, one division at the end
};

/// Name on the command line and in files: "standard", "flash1", "flash2".
[[nodiscard]] std::string_view attentionName(AttentionAlgorithm algorithm);

/// A head and the memory on the chip.
struct AttentionSize {
    std::int64_t tokens = 0;  ///< N
    std::int64_t dim = 0;     ///< d
    std::int64_t memory = 0;  ///< M, elements
    friend bool operator==(const AttentionSize&, const AttentionSize&) = default;
};

/// How queries and keys are cut. The last block of each may be shorter.
struct AttentionTiling {
    std::int64_t tokens = 0;
    std::int64_t queryRows = 0;    ///< B_r
    std::int64_t keyRows = 0;      ///< B_c
    std::int64_t queryBlocks = 0;  ///< T_r = ceil(N / B_r)
    std::int64_t keyBlocks = 0;    ///< T_c = ceil(N / B_c)

    [[nodiscard]] std::int64_t firstQuery(std::int64_t block) const { return block * queryRows; }
    [[nodiscard]] std::int64_t firstKey(std::int64_t block) const { return block * keyRows; }
    [[nodiscard]] std::int64_t queriesOf(std::int64_t block) const;
    [[nodiscard]] std::int64_t keysOf(std::int64_t block) const;
    /// With a causal mask: has the tile a key that one of its queries may see?
    [[nodiscard]] bool isNeeded(std::int64_t queryBlock, std::int64_t keyBlock) const;
    /// With a causal mask: is a key of the tile hidden from one of its queries?
    [[nodiscard]] bool isMasked(std::int64_t queryBlock, std::int64_t keyBlock) const;
    friend bool operator==(const AttentionTiling&, const AttentionTiling&) = default;
};

/// Blocks of given size. All arguments at least 1.
[[nodiscard]] AttentionTiling tileAttention(std::int64_t tokens,
                                            std::int64_t queryRows,
                                            std::int64_t keyRows);
/// Line 1 of Algorithm 1: B_c = ceil(M / 4d), B_r = min(B_c, d) (Dao et al. 2022).
[[nodiscard]] AttentionTiling tileAttention(const AttentionSize& size);

/// What the tiles on the chip really need: K and V, Q and O, S: 2 B_c d + 2 B_r d + B_r B_c. More
/// than the M that the rule for the blocks starts from, which is exact up to a constant only.
struct OnChipNeed {
    std::int64_t keysAndValues = 0;
    std::int64_t queriesAndOutputs = 0;
    std::int64_t scores = 0;
    [[nodiscard]] std::int64_t total() const { return keysAndValues + queriesAndOutputs + scores; }
    friend bool operator==(const OnChipNeed&, const OnChipNeed&) = default;
};
[[nodiscard]] OnChipNeed onChipNeed(const AttentionTiling& tiling, std::int64_t dim);

/// Elements moved between main memory and the chip.
struct MemoryTraffic {
    std::int64_t reads = 0;
    std::int64_t writes = 0;
    [[nodiscard]] std::int64_t total() const { return reads + writes; }
    friend bool operator==(const MemoryTraffic&, const MemoryTraffic&) = default;
};

/// Algorithm 0: reads 3Nd + 2N², writes Nd + 2N². A mask changes nothing: S is made whole.
[[nodiscard]] MemoryTraffic standardTraffic(std::int64_t tokens, std::int64_t dim);
/// Algorithm 1: reads 2Nd + T_c (2Nd + 2N), writes (Nd + 2N) + T_c (Nd + 2N). Causal: of each
/// column only the query blocks that see it, N - B_r floor(j B_c / B_r) rows in column j.
[[nodiscard]] MemoryTraffic flash1Traffic(const AttentionTiling& tiling,
                                          std::int64_t dim,
                                          bool causal);
/// FlashAttention-2: reads Nd + T_r 2Nd, writes Nd + N (output and log-sum-exp). Causal: of each
/// row only the key blocks that it sees.
[[nodiscard]] MemoryTraffic flash2Traffic(const AttentionTiling& tiling,
                                          std::int64_t dim,
                                          bool causal);
[[nodiscard]] MemoryTraffic attentionTraffic(AttentionAlgorithm algorithm,
                                             const AttentionTiling& tiling,
                                             std::int64_t dim,
                                             bool causal);

/// 3d²: the M beyond which the leading term of Algorithm 1, 12 N² d² / M, is below 4N².
[[nodiscard]] std::int64_t crossoverMemory(std::int64_t dim);

/// Tiles under a causal mask.
struct CausalTiles {
    std::int64_t total = 0;
    std::int64_t computed = 0;
    std::int64_t masked = 0;  ///< of those computed: with an elementwise mask
};
[[nodiscard]] CausalTiles causalTiles(const AttentionTiling& tiling);

/// 4 N² d: both matrix products, forward, one head; with a mask what is computed is not halved by
/// this count.
[[nodiscard]] std::int64_t attentionFlops(std::int64_t tokens, std::int64_t dim);

/// The figure of the FlashAttention paper (Dao et al. 2022, figure 2 left, arXiv v2): GPT-2 medium,
/// N = 1024, d = 64, 16 heads, batch 64, A100, forward and backward. What is printed there, and
/// what counting gives for the same workload.
struct PaperFigure {
    // printed
    double standardGflops = 66.6;
    double flashGflops = 75.2;
    double standardGigabytes = 40.3;
    double flashGigabytes = 4.4;
    double standardMs = 41.7;
    double flashMs = 7.3;
    // counted
    std::int64_t heads = 0;                ///< heads times batch
    double standardMatmulGflop = 0;        ///< 6 products of 2 N² d each
    double flashMatmulGflop = 0;           ///< 7: the scores are computed again
    double scorePassGigabytes = 0;         ///< N² numbers of two bytes, once over all heads
    double standardForwardGigabytes = 0;   ///< Algorithm 0
    double standardBackwardGigabytes = 0;  ///< literally: 7N² + 8Nd
    double flashForwardGigabytes = 0;      ///< Algorithm 1 at the given M
};
/// @param memory M of the FlashAttention column, elements
[[nodiscard]] PaperFigure paperFigure(std::int64_t memory);

}  // namespace loupe
