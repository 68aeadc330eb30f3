// SPDX-License-Identifier: Apache-2.0
// W8A8: activations quantized per token, weights per output channel, int32 sums, one product of two
// scales at the end (vector-wise quantization; Dettmers et al. 2022, LLM.int8(), section 2.1).
#include "gpu/kernels/matmul_plan.hpp"

namespace loupe::gpu {

namespace {

/// Sums of integers are exact. What remains are three roundings to FP32 of 2^-24 each: the sum's
/// conversion, the product of the scales, their product; and the same of the decoded operands.
constexpr double kTolerance = 5 * 0x1p-24;

KernelCost cost(const TimingRequest& request) {
    const auto m = static_cast<double>(request.matmul.m);
    const auto n = static_cast<double>(request.matmul.n);
    const auto k = static_cast<double>(request.matmul.k);
    KernelCost cost;
    cost.flops = 2 * m * n * k;
    cost.bytes = m * k + n * k + 4 * m + 4 * n + 4 * m * n;
    cost.arithmetic = "int8";
    return cost;
}

std::string refusesUnaligned(const TimingRequest& request, std::int64_t multiple) {
    if (request.matmul.k % multiple != 0) {
        return "k must be a multiple of " + std::to_string(multiple) + "; it is " +
               std::to_string(request.matmul.k);
    }
    // |sum| <= k·127²
    if (request.matmul.k > 2147483647 / (127 * 127)) {
        return "sums of k = " + std::to_string(request.matmul.k) +
               " products of int8 can leave int32; 133144 are safe";
    }
    return {};
}

/// Operands and arguments are the same for every rung.
LaunchPlan planFor(const MatmulProblem& problem,
                   const JobContext& ctx,
                   std::string entry,
                   unsigned tile,
                   unsigned threads,
                   std::size_t dynamicShared) {
    const MatmulShape& shape = problem.shape;
    Int8Rows x = quantizeRows(problem.x, shape.m, shape.k, ctx);
    Int8Rows w = quantizeRows(problem.w, shape.n, shape.k, ctx);
    LaunchPlan plan;
    plan.buffers.push_back(
        inputBuffer<std::int8_t>("x", ElementType::Int8, std::span<const std::int8_t>(x.codes)));
    plan.buffers.push_back(
        inputBuffer<std::int8_t>("w", ElementType::Int8, std::span<const std::int8_t>(w.codes)));
    plan.buffers.push_back(
        inputBuffer<float>("x scales", ElementType::Float32, std::span<const float>(x.scales)));
    plan.buffers.push_back(
        inputBuffer<float>("w scales", ElementType::Float32, std::span<const float>(w.scales)));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 4;
    LaunchStep step;
    step.entry = std::move(entry);
    step.grid = {blocksFor(shape.m, tile), blocksFor(shape.n, tile), 1};
    step.block = {threads, 1, 1};
    step.dynamicShared = dynamicShared;
    for (int i = 0; i < 5; ++i) {
        step.arguments.push_back(Argument::of(i));
    }
    for (const std::int64_t size : {shape.m, shape.n, shape.k}) {
        step.arguments.push_back(Argument::integral(size));
    }
    plan.steps.push_back(std::move(step));
    plan.x = std::move(x.decoded);
    plan.w = std::move(w.decoded);
    return plan;
}

/// Three stages of both tiles, rows of 64 codes and 16 bytes of padding.
constexpr int sharedBytes(int tile) {
    return 3 * 2 * tile * (64 + 16);
}

constexpr Kernel kKernels[] = {
    {.id = "gemm_s8_dp4a_64x64x32",
     .family = "gemm_s8",
     .title = "int8, four products an instruction (dp4a)",
     .summary = "Tiles of 64 x 64 in shared memory, a patch of 4 x 4 sums in every thread's "
                "registers; runs on CUDA cores.",
     .source = "CUDA C++ Programming Guide, __dp4a",
     .operation = Operation::Matmul,
     .what = "w8a8",
     .a = "int8",
     .b = "int8",
     .accumulator = "int32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 64,
     .sharedBudget = 8192,
     .refuses = [](const TimingRequest& request) { return refusesUnaligned(request, 4); },
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_s8_dp4a_64x64x32", 64, 256, 0);
         },
     .cost = cost},
    {.id = "gemm_s8_mma_64x64x64x3",
     .family = "gemm_s8",
     .title = "int8 tensor cores, three stages, 64 x 64",
     .summary = "One instruction multiplies 16 x 32 by 32 x 8 codes; copies run ahead (cp.async) "
                "and fragments come by ldmatrix.",
     .source = "PTX ISA, mma.m16n8k32, ldmatrix and cp.async",
     .operation = Operation::Matmul,
     .what = "w8a8",
     .a = "int8",
     .b = "int8",
     .accumulator = "int32",
     .output = "fp32",
     .rung = 1,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 128,
     .sharedBudget = 32768,
     .refuses = [](const TimingRequest& request) { return refusesUnaligned(request, 16); },
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_s8_mma_64x64x64x3", 64, 128, sharedBytes(64));
         },
     .cost = cost},
    {.id = "gemm_s8_mma_128x128x64x3",
     .family = "gemm_s8",
     .title = "int8 tensor cores, three stages, 128 x 128",
     .summary = "A tile four times as large does twice the products for every byte it reads.",
     .source = "PTX ISA, mma.m16n8k32, ldmatrix and cp.async",
     .operation = Operation::Matmul,
     .what = "w8a8",
     .a = "int8",
     .b = "int8",
     .accumulator = "int32",
     .output = "fp32",
     .rung = 2,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 240,
     .sharedBudget = 65536,
     .refuses = [](const TimingRequest& request) { return refusesUnaligned(request, 16); },
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planFor(problem, ctx, "gemm_s8_mma_128x128x64x3", 128, 128, sharedBytes(128));
         },
     .cost = cost},
};

}  // namespace

extern const KernelFamily kKernels_gemm_s8;
const KernelFamily kKernels_gemm_s8{
    .id = "gemm_s8",
    .title = "INT8 matrix product",
    .summary =
        "int8 activations and weights, exact int32 sums, one scale per token and one per "
        "output channel.",
    .kernels = kKernels};

}  // namespace loupe::gpu
