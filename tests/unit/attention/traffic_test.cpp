// SPDX-License-Identifier: Apache-2.0
// Closed formulas of attention's traffic against the numbers worked out in the specification (9.1,
// 9.2, 9.4, 9.5, 9.6).
#include "core/attention/traffic.hpp"

#include "tests/support/catch.hpp"

using Catch::Matchers::WithinAbs;
using namespace loupe;

namespace {

struct TableRow {
    AttentionSize size;
    AttentionTiling tiling;
    MemoryTraffic standard;
    MemoryTraffic flash;
    double ratio;
};

const TableRow kTable[] = {
    {{1024, 64, 16384}, {1024, 64, 64, 16, 16}, {2293760, 2162688}, {2260992, 1148928}, 1.31},
    {{1024, 64, 25600}, {1024, 64, 100, 16, 11}, {2293760, 2162688}, {1595392, 811008}, 1.85},
    {{1024, 64, 49152}, {1024, 64, 192, 16, 6}, {2293760, 2162688}, {929792, 473088}, 3.18},
    {{2048, 64, 50000}, {2048, 64, 196, 32, 11}, {8781824, 8519680}, {3190784, 1622016}, 3.59},
    {{4096, 128, 50000}, {4096, 98, 98, 42, 42}, {35127296, 34078720}, {45432832, 22896640}, 1.01},
};

}  // namespace

TEST_CASE("blocks and traffic equal the table of the specification") {
    for (const TableRow& row : kTable) {
        CAPTURE(row.size.tokens, row.size.dim, row.size.memory);
        const AttentionTiling tiling = tileAttention(row.size);
        CHECK(tiling == row.tiling);
        const MemoryTraffic standard = standardTraffic(row.size.tokens, row.size.dim);
        CHECK(standard == row.standard);
        const MemoryTraffic flash = flash1Traffic(tiling, row.size.dim, false);
        CHECK(flash == row.flash);
        const double ratio =
            static_cast<double>(standard.total()) / static_cast<double>(flash.total());
        CHECK_THAT(ratio, WithinAbs(row.ratio, 0.005));
    }
    CHECK(standardTraffic(1024, 64).total() == 4456448);
    CHECK(standardTraffic(4096, 128).total() == 69206016);
}

TEST_CASE("the quiz of the lesson: M = 16 384, d = 64, N = 2048 gives B_c 64 and T_c 32") {
    const AttentionTiling tiling = tileAttention({2048, 64, 16384});
    CHECK(tiling.keyRows == 64);
    CHECK(tiling.keyBlocks == 32);
    CHECK(tileAttention({1024, 64, 25601}).keyRows == 101);  // rounded up, not down
}

TEST_CASE("FlashAttention-2 moves what the specification counts") {
    const auto total = [](std::int64_t n, std::int64_t d, std::int64_t rows) {
        return flash2Traffic(tileAttention(n, rows, rows), d, false).total();
    };
    CHECK(total(1024, 64, 64) == 2229248);
    CHECK(total(1024, 64, 128) == 1180672);
    const auto times = [&total](std::int64_t n, std::int64_t d, std::int64_t rows) {
        return static_cast<double>(standardTraffic(n, d).total()) /
               static_cast<double>(total(n, d, rows));
    };
    CHECK_THAT(times(1024, 64, 64), WithinAbs(2.00, 0.005));
    CHECK_THAT(times(1024, 64, 128), WithinAbs(3.77, 0.005));
    CHECK_THAT(times(4096, 128, 64), WithinAbs(1.02, 0.005));
    CHECK_THAT(times(4096, 128, 128), WithinAbs(2.00, 0.005));
}

TEST_CASE("what the tiles need on the chip is more than the rule for them assumes") {
    CHECK(onChipNeed(tileAttention({1024, 64, 49152}), 64).total() == 45056);
    const OnChipNeed need = onChipNeed(tileAttention({1024, 64, 16384}), 64);
    CHECK(need == OnChipNeed{8192, 8192, 4096});
    CHECK(need.total() == 20480);
}

TEST_CASE("the memory at which Algorithm 1 begins to win") {
    CHECK(crossoverMemory(64) == 12288);
    CHECK(crossoverMemory(128) == 49152);
    // The rule is of the leading term; counted, d = 128 is still just behind there.
    for (const std::int64_t tokens : {1024, 2048, 4096, 16384}) {
        CAPTURE(tokens);
        const MemoryTraffic flash = flash1Traffic(tileAttention({tokens, 128, 49152}), 128, false);
        const double ratio = static_cast<double>(standardTraffic(tokens, 128).total()) /
                             static_cast<double>(flash.total());
        CHECK(ratio > 0.9755);
        CHECK(ratio < 0.9905);
    }
}

TEST_CASE("of a square of tiles a causal mask leaves T (T + 1) / 2") {
    const std::int64_t computed[][2] = {{4, 10}, {8, 36}, {16, 136}, {32, 528}};
    const double bounds[] = {1.60, 1.78, 1.88, 1.94};
    for (std::size_t k = 0; k < 4; ++k) {
        const std::int64_t side = computed[k][0];
        const CausalTiles tiles = causalTiles(tileAttention(side * 64, 64, 64));
        CHECK(tiles.total == side * side);
        CHECK(tiles.computed == computed[k][1]);
        CHECK(tiles.masked == side);  // only the diagonal needs the elementwise mask
        CHECK_THAT(static_cast<double>(tiles.total) / static_cast<double>(tiles.computed),
                   WithinAbs(bounds[k], 0.005));
    }
}

TEST_CASE("the causal formulas equal a count over the tiles") {
    for (const std::int64_t n : {1, 5, 64, 100, 129}) {
        for (const std::int64_t queryRows : {1, 3, 16, 64}) {
            for (const std::int64_t keyRows : {1, 4, 16, 50, 200}) {
                const AttentionTiling tiling = tileAttention(n, queryRows, keyRows);
                std::int64_t rows = 0;
                std::int64_t keys = 0;
                for (std::int64_t i = 0; i < tiling.queryBlocks; ++i) {
                    for (std::int64_t j = 0; j < tiling.keyBlocks; ++j) {
                        rows += tiling.isNeeded(i, j) ? tiling.queriesOf(i) : 0;
                        keys += tiling.isNeeded(i, j) ? tiling.keysOf(j) : 0;
                    }
                }
                CAPTURE(n, queryRows, keyRows);
                const MemoryTraffic one = flash1Traffic(tiling, 8, true);
                CHECK(one.reads == 2 * n * 8 + rows * 18);
                CHECK(one.writes == n * 8 + 2 * n + rows * 10);
                const MemoryTraffic two = flash2Traffic(tiling, 8, true);
                CHECK(two.reads == n * 8 + keys * 16);
                CHECK(two.writes == n * 8 + n);
            }
        }
    }
}

TEST_CASE("the paper's figure, counted") {
    const PaperFigure figure = paperFigure(25600);
    CHECK(figure.heads == 1024);
    CHECK_THAT(figure.standardMatmulGflop, WithinAbs(824.6, 0.05));
    CHECK_THAT(figure.flashMatmulGflop, WithinAbs(962.1, 0.05));
    CHECK_THAT(figure.scorePassGigabytes, WithinAbs(2.147, 0.0005));
    CHECK_THAT(figure.standardForwardGigabytes, WithinAbs(9.13, 0.005));
    CHECK_THAT(figure.standardBackwardGigabytes, WithinAbs(16.1, 0.05));
    CHECK_THAT(figure.standardForwardGigabytes + figure.standardBackwardGigabytes,
               WithinAbs(25.2, 0.05));
    CHECK_THAT(figure.flashForwardGigabytes, WithinAbs(4.93, 0.005));
    CHECK_THAT(paperFigure(49152).flashForwardGigabytes, WithinAbs(2.87, 0.005));
    CHECK_THAT(paperFigure(98304).flashForwardGigabytes, WithinAbs(1.64, 0.005));
}
