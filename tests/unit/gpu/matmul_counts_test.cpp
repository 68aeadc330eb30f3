// SPDX-License-Identifier: Apache-2.0
// What the matrix products move and do, counted by running them, equals what their tiling says.
#include "tests/support/catch.hpp"
#include "tests/unit/gpu/plan_support.hpp"

using namespace loupe;
using gpu::simt::LaunchOptions;
using gpu::simt::Mode;

namespace {

constexpr std::uint64_t kM = 256;
constexpr std::uint64_t kN = 128;
constexpr std::uint64_t kK = 256;

/// Tile of a block, bytes of an operand, and of what it reads besides its tiles.
struct Tiling {
    const char* kernel;
    std::uint64_t bm;
    std::uint64_t bn;
    std::uint64_t bytes;
    std::uint64_t barriersPerBlock;
    std::uint64_t moreBytesPerBlock = 0;
    bool integers = false;
};

gpu::CountRecord countsOf(std::string_view id) {
    const gpu::Kernel* kernel = gpu::findKernel(id);
    REQUIRE(kernel != nullptr);
    LaunchOptions options;
    options.mode = Mode::Checked;
    const test::PlanOutcome outcome =
        test::runMatmul(*kernel, {.m = kM, .n = kN, .k = kK}, options);
    CHECK(outcome.error == "");
    REQUIRE(outcome.counts.size() == 1);
    return outcome.counts.front();
}

}  // namespace

TEST_CASE("matrix products read each tile once a block and do 2mnk operations") {
    // Scales of a 64 x 64 block: dp4a 256 threads x (4 + 16) reads; mma 128 x 4 rows x (1 + 8);
    // of a 128 x 128 block: 128 x 8 rows x (1 + 16).
    const Tiling tilings[] = {
        {"gemm_f32_shared_32x32", 32, 32, 4, 2 * kK / 32},
        {"gemm_f32_registers_128x128x8", 128, 128, 4, 2 * kK / 8},
        {"gemm_f32_vectors_128x128x8", 128, 128, 4, 2 * kK / 8},
        {"gemm_f32_warps_128x128x16", 128, 128, 4, 2 * kK / 16},
        {"gemm_f16_wmma_64x64x32", 64, 64, 2, 2 * kK / 32 + 1},
        {"gemm_bf16_wmma_64x64x32", 64, 64, 2, 2 * kK / 32 + 1},
        {"gemm_f16_mma_64x64x32x3", 64, 64, 2, kK / 32},
        {"gemm_bf16_mma_64x64x32x3", 64, 64, 2, kK / 32},
        {"gemm_f16_mma_128x128x32x3", 128, 128, 2, kK / 32},
        {"gemm_bf16_mma_128x128x32x3", 128, 128, 2, kK / 32},
        {"gemm_s8_dp4a_64x64x32", 64, 64, 1, 2 * kK / 32, 256 * (4 + 16) * 4, true},
        {"gemm_s8_mma_64x64x64x3", 64, 64, 1, kK / 64, 128 * 4 * (1 + 8) * 4, true},
        {"gemm_s8_mma_128x128x64x3", 128, 128, 1, kK / 64, 128 * 8 * (1 + 16) * 4, true}};
    for (const Tiling& tiling : tilings) {
        CAPTURE(tiling.kernel);
        const gpu::CountRecord counts = countsOf(tiling.kernel);
        const std::uint64_t blocks = kM / tiling.bm * (kN / tiling.bn);
        const std::uint64_t tiles = blocks * kK * (tiling.bm + tiling.bn) * tiling.bytes;
        CHECK(counts.requestedBytes == tiles + kM * kN * 4 + blocks * tiling.moreBytesPerBlock);
        CHECK(counts.barriers == blocks * tiling.barriersPerBlock);
        CHECK((tiling.integers ? counts.integerOps : counts.flops) == 2 * kM * kN * kK);
        CHECK(counts.blocksCounted == 1);
    }
}

TEST_CASE("without tiles every product reads its own operands") {
    const gpu::CountRecord naive = countsOf("gemm_f32_naive");
    const gpu::CountRecord coalesced = countsOf("gemm_f32_coalesced");
    const std::uint64_t requested = kM * kN * kK * 8 + kM * kN * 4;
    CHECK(naive.requestedBytes == requested);
    CHECK(coalesced.requestedBytes == requested);
    // A warp of the naive kernel: 16 rows of x a sector each, two columns of w in one.
    CHECK(naive.sectorBytes == kM * kN / 32 * (kK * (16 + 1) + 16) * 32);
    // Side by side: one value of x in a sector, 32 of w in four, 32 of y in four.
    CHECK(coalesced.sectorBytes == kM * kN / 32 * (kK * (1 + 4) + 4) * 32);
}

TEST_CASE("the vector loads of the last rungs meet no bank conflict that the first ones have") {
    const gpu::CountRecord vectors = countsOf("gemm_f32_vectors_128x128x8");
    const gpu::CountRecord warps = countsOf("gemm_f32_warps_128x128x16");
    CHECK(warps.sharedWavefronts < vectors.sharedWavefronts);
    for (const gpu::LineRecord& line : warps.lines) {
        if (line.memory == "shared load") {
            CAPTURE(line.line);
            CHECK(line.cost == line.ideal);
        }
    }
    const gpu::CountRecord mma = countsOf("gemm_f16_mma_128x128x32x3");
    for (const gpu::LineRecord& line : mma.lines) {
        if (line.memory == "shared load") {
            CAPTURE(line.line);
            CHECK(line.cost == line.ideal);
        }
    }
}
