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
    const auto m = static_cast<double>(request.matmul.m);
    const auto n = static_cast<double>(request.matmul.n);
    const auto k = static_cast<double>(request.matmul.k);
    KernelCost cost;
    cost.flops = 2 * m * n * k;
    cost.bytes = 4 * (m * k + n * k + m * n);
    cost.arithmetic = "fp32";
    return cost;
}

std::string takesAll(const TimingRequest&) {
    return {};
}

std::string refusesUnaligned(const TimingRequest& request) {
    if (request.matmul.k % 4 != 0) {
        return "k must be a multiple of 4; it is " + std::to_string(request.matmul.k);
    }
    return {};
}

LaunchPlan planFor(const MatmulProblem& problem,
                   const JobContext& ctx,
                   std::string entry,
                   std::int64_t tileM,
                   std::int64_t tileN,
                   unsigned threads) {
    const MatmulShape& shape = problem.shape;
    const TurnedWeights w = turn(problem, ctx);
    LaunchPlan plan;
    plan.buffers.push_back(
        inputBuffer("x", ElementType::Float32, std::span<const float>(problem.x)));
    plan.buffers.push_back(
        inputBuffer("w", ElementType::Float32, std::span<const float>(w.values)));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 2;
    LaunchStep step;
    step.entry = std::move(entry);
    step.grid = {blocksFor(shape.m, tileM), blocksFor(shape.n, tileN), 1};
    step.block = {threads, 1, 1};
    for (int i = 0; i < 3; ++i) {
        step.arguments.push_back(Argument::of(i));
    }
    for (const std::int64_t size : {shape.m, shape.n, shape.k, w.pitch}) {
        step.arguments.push_back(Argument::integral(size));
    }
    plan.steps.push_back(std::move(step));
    return plan;
}

constexpr std::string_view kSource =
    "S. Boehm 2022, How to Optimize a CUDA Matmul Kernel for cuBLAS-like Performance";

constexpr Kernel kKernels[] = {
    {.id = "gemm_f32_naive",
     .family = "gemm_f32",
     .title = "one output a thread, down the columns",
     .summary = "Every load of x and every store of a warp goes to 16 different rows: 32 bytes "
                "move for 4.",
     .source = kSource,
     .operation = Operation::Matmul,
     .what = "fp32",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 56,  // 32 on 8.0 and 9.0, 50 on 7.5
     .sharedBudget = 0,
     .teaching = true,
     .refuses = takesAll,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_f32_naive", 16, 16, 256);
         },
     .cost = cost},
    {.id = "gemm_f32_coalesced",
     .family = "gemm_f32",
     .title = "one output a thread, along the rows",
     .summary = "Neighbours in a warp read neighbouring weights and write neighbouring outputs: "
                "whole sectors move.",
     .source = kSource,
     .operation = Operation::Matmul,
     .what = "fp32",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 1,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 56,
     .sharedBudget = 0,
     .teaching = true,
     .refuses = takesAll,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_f32_coalesced", 8, 32, 256);
         },
     .cost = cost},
    {.id = "gemm_f32_shared_32x32",
     .family = "gemm_f32",
     .title = "tiles in shared memory",
     .summary = "Every value is read from global memory once a block, not once a thread.",
     .source = kSource,
     .operation = Operation::Matmul,
     .what = "fp32",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 2,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 48,
     .sharedBudget = 8192,
     .teaching = true,
     .refuses = takesAll,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_f32_shared_32x32", 32, 32, 1024);
         },
     .cost = cost},
    {.id = "gemm_f32_registers_128x128x8",
     .family = "gemm_f32",
     .title = "8 x 8 sums in registers",
     .summary =
         "16 values from shared memory feed 64 products, where one sum a thread needs 2 for 1.",
     .source = kSource,
     .operation = Operation::Matmul,
     .what = "fp32",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 3,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 168,
     .sharedBudget = 8192,
     .teaching = true,
     .refuses = takesAll,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_f32_registers_128x128x8", 128, 128, 256);
         },
     .cost = cost},
    {.id = "gemm_f32_vectors_128x128x8",
     .family = "gemm_f32",
     .title = "16 bytes an instruction",
     .summary = "Loads from global and shared memory move four values at once.",
     .source = kSource,
     .operation = Operation::Matmul,
     .what = "fp32",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 4,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 136,
     .sharedBudget = 9216,
     .teaching = true,
     .refuses = refusesUnaligned,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_f32_vectors_128x128x8", 128, 128, 256);
         },
     .cost = cost},
    {.id = "gemm_f32_warps_128x128x16",
     .family = "gemm_f32",
     .title = "a tile for every warp",
     .summary = "The lanes of a warp read neighbouring 16 bytes, so that shared memory serves them "
                "without a conflict.",
     .source = kSource,
     .operation = Operation::Matmul,
     .what = "fp32",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 5,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 136,
     .sharedBudget = 17408,
     .teaching = false,
     .refuses = refusesUnaligned,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_f32_warps_128x128x16", 128, 128, 256);
         },
     .cost = cost},
};

}  // namespace

extern const KernelFamily kKernels_gemm_f32;
const KernelFamily kKernels_gemm_f32{
    .id = "gemm_f32",
    .title = "FP32 matrix product",
    .summary = "The same product six times, each rung with less traffic than the one before.",
    .kernels = kKernels};

}  // namespace loupe::gpu
