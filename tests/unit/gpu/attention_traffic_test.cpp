// SPDX-License-Identifier: Apache-2.0
// What the attention kernels move, counted by running them, against the closed formulas, to the
// element.
#include "tests/support/catch.hpp"
#include "tests/unit/gpu/plan_support.hpp"

#include <string>

using namespace loupe;
using gpu::AttentionShape;
using gpu::simt::LaunchOptions;
using gpu::simt::Mode;

namespace {

struct Moved {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t total = 0;
    std::uint64_t dram = 0;
};

/// FP32 elements of global memory that the threads ask for, and that a cache of cacheBytes lets
/// through.
Moved count(const std::string& id, const AttentionShape& shape, std::size_t cacheBytes = 0) {
    const JobContext ctx;
    const gpu::Kernel& kernel = *gpu::findKernel(id);
    const gpu::LaunchPlan plan =
        kernel.planAttention(gpu::makeAttentionProblem(shape, 1, ctx), ctx);
    LaunchOptions options;
    options.mode = Mode::Checked;
    options.cacheBytes = cacheBytes;
    options.workers = cacheBytes == 0 ? 0 : 1;
    const test::PlanOutcome outcome = test::runPlan(plan, options);
    REQUIRE(outcome.error == "");
    Moved moved;
    for (const gpu::CountRecord& step : outcome.counts) {
        moved.total += step.requestedBytes / 4;
        moved.dram += step.dramBytes / 4;
        for (const gpu::LineRecord& line : step.lines) {
            moved.reads += line.memory == "global load" ? line.bytes / 4 : 0;
            moved.writes += line.memory == "global store" ? line.bytes / 4 : 0;
        }
    }
    return moved;
}

std::uint64_t standardElements(std::uint64_t n, std::uint64_t d) {
    return 4 * n * n + 4 * n * d;
}

std::uint64_t flash1Elements(std::uint64_t n, std::uint64_t d, std::uint64_t onChip) {
    const std::uint64_t keys = (onChip + 4 * d - 1) / (4 * d);
    const std::uint64_t blocks = (n + keys - 1) / keys;
    return 3 * n * d + 2 * n + blocks * (3 * n * d + 4 * n);
}

std::uint64_t flash2Elements(std::uint64_t n, std::uint64_t d, std::uint64_t rows) {
    return 2 * n * d + n + (n + rows - 1) / rows * 2 * n * d;
}

struct TableRow {
    std::int64_t n;
    std::int64_t dim;
    std::int64_t onChip;
    std::uint64_t reads;
    std::uint64_t writes;
};

void checkRow(const TableRow& row) {
    const Moved moved =
        count("flash1_m" + std::to_string(row.onChip), {.seq = row.n, .dim = row.dim});
    CAPTURE(row.n, row.dim, row.onChip);
    CHECK(moved.reads == row.reads);
    CHECK(moved.writes == row.writes);
    CHECK(moved.total == row.reads + row.writes);
}

}  // namespace

// The table of the reference for Algorithm 1. The last two rows take a minute: not by default.
TEST_CASE("FlashAttention-1 moves what Algorithm 1 says") {
    checkRow({1024, 64, 16384, 2260992, 1148928});
    checkRow({1024, 64, 25600, 1595392, 811008});
    checkRow({1024, 64, 49152, 929792, 473088});
}

TEST_CASE("FlashAttention-1 moves what Algorithm 1 says, long", "[.][slow]") {
    checkRow({2048, 64, 50000, 3190784, 1622016});
    checkRow({4096, 128, 50000, 45432832, 22896640});
}

TEST_CASE("the formulas hold for ragged lengths, several heads and both dimensions") {
    for (const std::int64_t n : {70, 200}) {
        for (const std::int64_t dim : {64, 128}) {
            const AttentionShape shape{.seq = n, .dim = dim, .heads = 2, .kvHeads = 2};
            const auto un = static_cast<std::uint64_t>(n);
            const auto ud = static_cast<std::uint64_t>(dim);
            CAPTURE(n, dim);
            CHECK(count("flash1_m16384", shape).total == 2 * flash1Elements(un, ud, 16384));
            CHECK(count("flash1_m49152", shape).total == 2 * flash1Elements(un, ud, 49152));
            CHECK(count("flash2_64x32", shape).total == 2 * flash2Elements(un, ud, 64));
        }
    }
}

TEST_CASE("FlashAttention-2 moves what its loop order says") {
    const Moved moved = count("flash2_64x32", {.seq = 1024, .dim = 64});
    CHECK(moved.total == 2229248);
    CHECK(moved.total == flash2Elements(1024, 64, 64));
    CHECK(moved.writes == 1024 * 64 + 1024);
}

// The formula counts every matrix once a kernel: the cache must hold K (or V) and what is between
// two uses of it, 64 rows of S, but not S.
TEST_CASE("standard attention moves 4N^2 + 4Nd elements of DRAM") {
    for (const std::int64_t n : {512, 1024}) {
        const Moved moved =
            count("attention_standard", {.seq = n, .dim = 64}, n == 512 ? 512 << 10 : 1 << 20);
        CAPTURE(n);
        CHECK(moved.dram == standardElements(static_cast<std::uint64_t>(n), 64));
    }
}

TEST_CASE("FlashAttention-1 wins only when M is above 3d^2") {
    const AttentionShape shape{.seq = 1024, .dim = 64};
    const std::uint64_t standard = standardElements(1024, 64);
    const Moved below = count("flash1_m8192", shape);
    const Moved equal = count("flash1_m12288", shape);
    const Moved above = count("flash1_m16384", shape);
    CHECK(below.total == flash1Elements(1024, 64, 8192));
    CHECK(equal.total == flash1Elements(1024, 64, 12288));
    CHECK(below.total > standard);
    CHECK(equal.total > standard);
    CHECK(above.total < standard);
    const AttentionShape wide{.seq = 256, .dim = 128};
    CHECK(count("flash1_m16384", wide).total > standardElements(256, 128));
}

TEST_CASE("a causal mask skips the tiles above the diagonal") {
    const Moved all = count("flash2_64x32", {.seq = 512, .dim = 64});
    const Moved causal = count("flash2_64x32", {.seq = 512, .dim = 64, .causal = true});
    // K and V of 64(i + 1) keys for tile i of queries, of 8 tiles.
    CHECK(all.total - causal.total == 2 * 64 * (8 * 512 - 64 * 36));
}

TEST_CASE("decode reads keys and values once") {
    const AttentionShape shape{
        .seq = 1000, .dim = 128, .heads = 8, .kvHeads = 2, .batch = 2, .decode = true};
    const JobContext ctx;
    const gpu::Kernel& kernel = *gpu::findKernel("decode_split");
    const gpu::LaunchPlan plan =
        kernel.planAttention(gpu::makeAttentionProblem(shape, 1, ctx), ctx);
    LaunchOptions options;
    options.mode = Mode::Checked;
    const test::PlanOutcome outcome = test::runPlan(plan, options);
    REQUIRE(outcome.error == "");
    std::uint64_t reads = 0;
    for (const gpu::LineRecord& line : outcome.counts[0].lines) {
        reads += line.memory == "global load" ? line.bytes : 0;
    }
    // Each of the 128 threads of a block takes 16 bytes of 4 queries.
    const gpu::simt::Dim3 grid = plan.steps[0].grid;
    const std::uint64_t queries = std::uint64_t{grid.x} * grid.y * grid.z * 128 * 16 * 4;
    CHECK(reads - queries == 2ULL * 2 * 1000 * 128 * 2 * 2);
}
