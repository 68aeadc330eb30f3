// SPDX-License-Identifier: Apache-2.0
// The ladder of FP32 matrix products (after S. Boehm, "How to optimize a CUDA matmul kernel", 2022,
// siboehm.com/articles/22/CUDA-MMM): no tensor cores, the same sum in the same order, only its
// traffic differs.
#include "core/base/worker_pool.hpp"
#include "gpu/kernels/matmul_plan.hpp"

#include <cmath>

namespace loupe::gpu {

namespace {

/// Each of k additions rounds a sum that grows like a random walk, each product once (the GPU not
/// even that): u·sqrt(2·k/6) of the result for u = 2^-24, k up to 32768, and a factor 2.
constexpr double kTolerance = 2 * 104.6 * 0x1p-24;

/// Weights as the kernels read them: [k, pitch], rows padded with zeros to whole 16 bytes.
struct TurnedWeights {
    std::vector<float> values;
    std::int64_t pitch = 0;
};

TurnedWeights turn(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    TurnedWeights out;
    out.pitch = (shape.n + 3) / 4 * 4;
    out.values.resize(static_cast<std::size_t>(shape.k * out.pitch));
    parallelFor(shape.k, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t col = 0; col < shape.n; ++col) {
            for (std::int64_t row = begin; row < end; ++row) {
                out.values[static_cast<std::size_t>(row * out.pitch + col)] =
                    problem.w[static_cast<std::size_t>(col * shape.k + row)];
            }
        }
    });
    return out;
}

KernelCost cost(const TimingRequest& request) {
    const MatmulShape& shape = request.matmul;
    return productCost(
        shape, 4.0 * static_cast<double>(shape.m * shape.k + shape.n * shape.k), "fp32");
}

LaunchPlan planFor(const MatmulProblem& problem, const JobContext& ctx, const TiledRung& rung) {
    const MatmulShape& shape = problem.shape;
    const TurnedWeights w = turn(problem, ctx);
    LaunchPlan plan;
    plan.buffers.push_back(inputBuffer("x", ElementType::Float32, problem.x));
    plan.buffers.push_back(inputBuffer("w", ElementType::Float32, w.values));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 2;
    addTiles(plan, shape, rung, {w.pitch});
    return plan;
}

constexpr std::string_view kSource =
    "S. Boehm 2022, How to Optimize a CUDA Matmul Kernel for cuBLAS-like Performance";

constexpr TiledRung kNaive{
    .id = "gemm_f32_naive",
    .title = "one output a thread, down the columns",
    .summary =
        "Every load of x and every store of a warp goes to 16 different rows: 32 bytes move "
        "for 4.",
    .source = kSource,
    .rung = 0,
    .tileM = 16,
    .tileN = 16,
    .threads = 256,
    .registerBudget = 56,  // 32 on 8.0 and 9.0, 50 on 7.5
    .teaching = true};
constexpr TiledRung kCoalesced{
    .id = "gemm_f32_coalesced",
    .title = "one output a thread, along the rows",
    .summary =
        "Neighbours in a warp read neighbouring weights and write neighbouring outputs: "
        "whole sectors move.",
    .source = kSource,
    .rung = 1,
    .tileM = 8,
    .tileN = 32,
    .threads = 256,
    .registerBudget = 56,
    .teaching = true};
constexpr TiledRung kShared{
    .id = "gemm_f32_shared_32x32",
    .title = "tiles in shared memory",
    .summary = "Every value is read from global memory once a block, not once a thread.",
    .source = kSource,
    .rung = 2,
    .tileM = 32,
    .tileN = 32,
    .threads = 1024,
    .registerBudget = 48,
    .sharedBudget = 8192,
    .teaching = true};
constexpr TiledRung kRegisters{
    .id = "gemm_f32_registers_128x128x8",
    .title = "8 x 8 sums in registers",
    .summary =
        "16 values from shared memory feed 64 products, where one sum a thread needs 2 for 1.",
    .source = kSource,
    .rung = 3,
    .tileM = 128,
    .tileN = 128,
    .threads = 256,
    .registerBudget = 168,
    .sharedBudget = 8192,
    .teaching = true};
constexpr TiledRung kVectors{
    .id = "gemm_f32_vectors_128x128x8",
    .title = "16 bytes an instruction",
    .summary = "Loads from global and shared memory move four values at once.",
    .source = kSource,
    .rung = 4,
    .tileM = 128,
    .tileN = 128,
    .threads = 256,
    .registerBudget = 136,
    .sharedBudget = 9216,
    .teaching = true};
constexpr TiledRung kWarps{
    .id = "gemm_f32_warps_128x128x16",
    .title = "a tile for every warp",
    .summary =
        "The lanes of a warp read neighbouring 16 bytes, so that shared memory serves them "
        "without a conflict.",
    .source = kSource,
    .rung = 5,
    .tileM = 128,
    .tileN = 128,
    .threads = 256,
    .registerBudget = 136,
    .sharedBudget = 17408};

/// Inputs that an instruction of the rung reads at once: k must be a multiple.
template <const TiledRung& Rung, std::int64_t AtOnce>
constexpr Kernel gemm() {
    return onRung(
        {.family = "gemm_f32",
         .what = "fp32",
         .a = "fp32",
         .b = "fp32",
         .accumulator = "fp32",
         .output = "fp32",
         .tolerance = kTolerance,
         .refuses =
             [](const TimingRequest& request) { return refusesUnaligned(request.matmul, AtOnce); },
         .planMatmul = [](const MatmulProblem& problem,
                          const JobContext& ctx) { return planFor(problem, ctx, Rung); },
         .cost = cost},
        Rung);
}

constexpr Kernel kKernels[] = {
    gemm<kNaive, 1>(),
    gemm<kCoalesced, 1>(),
    gemm<kShared, 1>(),
    gemm<kRegisters, 1>(),
    gemm<kVectors, 4>(),
    gemm<kWarps, 4>(),
};

}  // namespace

extern const KernelFamily kKernels_gemm_f32;
const KernelFamily kKernels_gemm_f32{
    .id = "gemm_f32",
    .title = "FP32 matrix product",
    .summary = "The same product six times, each rung with less traffic than the one before.",
    .kernels = kKernels};

}  // namespace loupe::gpu
