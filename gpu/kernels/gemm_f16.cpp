// SPDX-License-Identifier: Apache-2.0
// FP16 and BF16 matrix products on tensor cores.
#include "core/base/worker_pool.hpp"
#include "gpu/kernels/matmul_plan.hpp"
#include "gpu/simt/narrow_float.hpp"

namespace loupe::gpu {

namespace {

/// Tensor cores cut off what does not fit FP32 after every 8 products, toward zero: at most 2^-23
/// of the sum each, which grows to its end. k/8 such cuts of half a unit on average, over a sum
/// that averages two thirds of its last value, for k up to 32768, and a factor 2.
constexpr double kTolerance = 2 * (32768.0 / 8) * (2.0 / 3) * 0x1p-24;

/// Three stages of both tiles, rows of 32 elements and 8 of padding.
constexpr int sharedBytes(int tile) {
    return 3 * 2 * tile * (32 + 8) * 2;
}

/// How one of the two formats is stored.
struct HalfFormat {
    using Number = simt::Half;
    static constexpr std::string_view kName = "fp16";
    static constexpr ElementType kType = ElementType::Float16;
    static Number encode(float value) { return simt::floatToHalf(value); }
    static float decode(Number number) { return simt::halfToFloat(number); }
};
struct BrainFormat {
    using Number = simt::Bfloat16;
    static constexpr std::string_view kName = "bf16";
    static constexpr ElementType kType = ElementType::BFloat16;
    static Number encode(float value) { return simt::floatToBfloat16(value); }
    static float decode(Number number) { return simt::bfloat16ToFloat(number); }
};

template <class Format>
Buffer converted(std::string name,
                 std::span<const float> values,
                 std::vector<float>& decoded,
                 const JobContext& ctx) {
    constexpr std::int64_t kChunk = 1 << 16;
    std::vector<typename Format::Number> out(values.size());
    decoded.resize(values.size());
    parallelFor(
        static_cast<std::int64_t>(values.size()),
        kChunk,
        ctx,
        [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
                out[i] = Format::encode(values[i]);
                decoded[i] = Format::decode(out[i]);
            }
        });
    return inputBuffer(std::move(name), Format::kType, out);
}

template <class Format>
KernelCost cost(const TimingRequest& request) {
    const MatmulShape& shape = request.matmul;
    return productCost(
        shape, 2.0 * static_cast<double>(shape.m * shape.k + shape.n * shape.k), Format::kName);
}

template <class Format>
LaunchPlan planFor(const MatmulProblem& problem, const JobContext& ctx, const TiledRung& rung) {
    const MatmulShape& shape = problem.shape;
    LaunchPlan plan;
    plan.buffers.push_back(converted<Format>("x", problem.x, plan.x, ctx));
    plan.buffers.push_back(converted<Format>("w", problem.w, plan.w, ctx));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 2;
    addTiles(plan, shape, rung);
    return plan;
}

constexpr TiledRung wmma(std::string_view id, int leastCapability) {
    return {.id = id,
            .title = "warp matrices (wmma)",
            .summary =
                "CUDA's own warp matrices on tiles of 64 x 64: tensor cores in the fewest lines.",
            .source = "CUDA C++ Programming Guide, warp matrix functions",
            .rung = 0,
            .leastCapability = leastCapability,
            .tileM = 64,
            .tileN = 64,
            .threads = 128,
            .registerBudget = 128,
            .sharedBudget = 32768};
}

constexpr TiledRung mma(std::string_view id) {
    return {.id = id,
            .title = "mma.sync, three stages, 64 x 64",
            .summary =
                "Copies run ahead of the products (cp.async), fragments come by ldmatrix "
                "and sums never leave the registers.",
            .source = "PTX ISA, mma.m16n8k16, ldmatrix and cp.async",
            .rung = 1,
            .leastCapability = 80,
            .tileM = 64,
            .tileN = 64,
            .threads = 128,
            .dynamicShared = sharedBytes(64),
            .registerBudget = 128,
            .sharedBudget = 32768};
}

constexpr TiledRung largeMma(std::string_view id) {
    TiledRung rung = mma(id);
    rung.title = "mma.sync, three stages, 128 x 128";
    rung.summary = "A tile four times as large does twice the products for every byte it reads.";
    rung.rung = 2;
    rung.tileM = 128;
    rung.tileN = 128;
    rung.dynamicShared = sharedBytes(128);
    rung.registerBudget = 240;
    rung.sharedBudget = 65536;
    return rung;
}

constexpr TiledRung kHalfWmma = wmma("gemm_f16_wmma_64x64x32", 75);
constexpr TiledRung kBrainWmma = wmma("gemm_bf16_wmma_64x64x32", 80);
constexpr TiledRung kHalfMma = mma("gemm_f16_mma_64x64x32x3");
constexpr TiledRung kBrainMma = mma("gemm_bf16_mma_64x64x32x3");
constexpr TiledRung kHalfLarge = largeMma("gemm_f16_mma_128x128x32x3");
constexpr TiledRung kBrainLarge = largeMma("gemm_bf16_mma_128x128x32x3");

template <class Format, const TiledRung& Rung>
constexpr Kernel gemm() {
    return onRung(
        {.family = "gemm_f16",
         .what = Format::kName,
         .a = Format::kName,
         .b = Format::kName,
         .accumulator = "fp32",
         .output = "fp32",
         .tolerance = kTolerance,
         .refuses =
             [](const TimingRequest& request) { return refusesUnaligned(request.matmul, 8); },
         .planMatmul = [](const MatmulProblem& problem,
                          const JobContext& ctx) { return planFor<Format>(problem, ctx, Rung); },
         .cost = cost<Format>},
        Rung);
}

constexpr Kernel kKernels[] = {
    gemm<HalfFormat, kHalfWmma>(),
    gemm<BrainFormat, kBrainWmma>(),
    gemm<HalfFormat, kHalfMma>(),
    gemm<BrainFormat, kBrainMma>(),
    gemm<HalfFormat, kHalfLarge>(),
    gemm<BrainFormat, kBrainLarge>(),
};

}  // namespace

extern const KernelFamily kKernels_gemm_f16;
const KernelFamily kKernels_gemm_f16{.id = "gemm_f16",
                                     .title = "FP16 and BF16 matrix product",
                                     .summary = "16-bit operands on tensor cores, FP32 sums.",
                                     .kernels = kKernels};

}  // namespace loupe::gpu
