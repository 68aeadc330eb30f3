// SPDX-License-Identifier: Apache-2.0
#include "core/attention/traffic.hpp"

#include "core/base/assert.hpp"

#include <algorithm>

namespace loupe {

namespace {

std::int64_t ceilDivide(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

std::string_view attentionName(AttentionAlgorithm algorithm) {
    switch (algorithm) {
        case AttentionAlgorithm::Standard:
            return "standard";
        case AttentionAlgorithm::Flash1:
            return "flash1";
        case AttentionAlgorithm::Flash2:
            return "flash2";
    }
    return {};
}

std::int64_t AttentionTiling::queriesOf(std::int64_t block) const {
    return std::min(queryRows, tokens - firstQuery(block));
}

std::int64_t AttentionTiling::keysOf(std::int64_t block) const {
    return std::min(keyRows, tokens - firstKey(block));
}

bool AttentionTiling::isNeeded(std::int64_t queryBlock, std::int64_t keyBlock) const {
    return firstQuery(queryBlock) + queriesOf(queryBlock) > firstKey(keyBlock);
}

bool AttentionTiling::isMasked(std::int64_t queryBlock, std::int64_t keyBlock) const {
    return firstKey(keyBlock) + keysOf(keyBlock) - 1 > firstQuery(queryBlock);
}

AttentionTiling tileAttention(std::int64_t tokens, std::int64_t queryRows, std::int64_t keyRows) {
    LOUPE_ASSERT(tokens > 0 && queryRows > 0 && keyRows > 0, "a tile holds something");
    return {tokens, queryRows, keyRows, ceilDivide(tokens, queryRows), ceilDivide(tokens, keyRows)};
}

AttentionTiling tileAttention(const AttentionSize& size) {
    LOUPE_ASSERT(size.dim > 0 && size.memory > 0, "a head and a chip hold something");
    const std::int64_t keyRows = ceilDivide(size.memory, 4 * size.dim);
    return tileAttention(size.tokens, std::min(keyRows, size.dim), keyRows);
}

OnChipNeed onChipNeed(const AttentionTiling& tiling, std::int64_t dim) {
    const std::int64_t keys = tiling.keysOf(0);
    const std::int64_t queries = tiling.queriesOf(0);
    return {2 * keys * dim, 2 * queries * dim, queries * keys};
}

MemoryTraffic standardTraffic(std::int64_t tokens, std::int64_t dim) {
    return {3 * tokens * dim + 2 * tokens * tokens, tokens * dim + 2 * tokens * tokens};
}

MemoryTraffic flash1Traffic(const AttentionTiling& tiling, std::int64_t dim, bool causal) {
    const std::int64_t n = tiling.tokens;
    std::int64_t rows = n * tiling.keyBlocks;  // query rows visited, over all columns
    if (causal) {
        rows = 0;
        for (std::int64_t j = 0; j < tiling.keyBlocks; ++j) {
            rows += n - tiling.queryRows * (tiling.firstKey(j) / tiling.queryRows);
        }
    }
    return {2 * n * dim + rows * (2 * dim + 2), (n * dim + 2 * n) + rows * (dim + 2)};
}

MemoryTraffic flash2Traffic(const AttentionTiling& tiling, std::int64_t dim, bool causal) {
    const std::int64_t n = tiling.tokens;
    std::int64_t keys = n * tiling.queryBlocks;  // keys visited, over all rows of blocks
    if (causal) {
        keys = 0;
        for (std::int64_t i = 0; i < tiling.queryBlocks; ++i) {
            const std::int64_t seen = tiling.firstQuery(i) + tiling.queriesOf(i);
            keys += std::min(n, ceilDivide(seen, tiling.keyRows) * tiling.keyRows);
        }
    }
    return {n * dim + keys * 2 * dim, n * dim + n};
}

MemoryTraffic attentionTraffic(AttentionAlgorithm algorithm,
                               const AttentionTiling& tiling,
                               std::int64_t dim,
                               bool causal) {
    switch (algorithm) {
        case AttentionAlgorithm::Flash1:
            return flash1Traffic(tiling, dim, causal);
        case AttentionAlgorithm::Flash2:
            return flash2Traffic(tiling, dim, causal);
        case AttentionAlgorithm::Standard:
            break;
    }
    return standardTraffic(tiling.tokens, dim);
}

std::int64_t crossoverMemory(std::int64_t dim) {
    return 3 * dim * dim;
}

CausalTiles causalTiles(const AttentionTiling& tiling) {
    CausalTiles tiles{tiling.queryBlocks * tiling.keyBlocks, 0, 0};
    for (std::int64_t i = 0; i < tiling.queryBlocks; ++i) {
        for (std::int64_t j = 0; j < tiling.keyBlocks; ++j) {
            if (tiling.isNeeded(i, j)) {
                ++tiles.computed;
                tiles.masked += tiling.isMasked(i, j) ? 1 : 0;
            }
        }
    }
    return tiles;
}

std::int64_t attentionFlops(std::int64_t tokens, std::int64_t dim) {
    return 4 * tokens * tokens * dim;
}

PaperFigure paperFigure(std::int64_t memory) {
    constexpr std::int64_t kTokens = 1024;
    constexpr std::int64_t kDim = 64;
    constexpr double kBytes = 2;  // fp16
    PaperFigure figure;
    figure.heads = 16 * std::int64_t{64};
    const double product = static_cast<double>(2 * kTokens * kTokens * kDim * figure.heads) / 1e9;
    figure.standardMatmulGflop = 6 * product;
    figure.flashMatmulGflop = 7 * product;
    const auto gigabytes = [&figure](std::int64_t elements) {
        return static_cast<double>(elements * figure.heads) * kBytes / 1e9;
    };
    figure.scorePassGigabytes = gigabytes(kTokens * kTokens);
    figure.standardForwardGigabytes = gigabytes(standardTraffic(kTokens, kDim).total());
    figure.standardBackwardGigabytes = gigabytes(7 * kTokens * kTokens + 8 * kTokens * kDim);
    figure.flashForwardGigabytes =
        gigabytes(flash1Traffic(tileAttention({kTokens, kDim, memory}), kDim, false).total());
    return figure;
}

}  // namespace loupe
