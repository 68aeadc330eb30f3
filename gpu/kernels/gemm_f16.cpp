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

template <class Number, Number (*Convert)(float), float (*Decode)(Number)>
std::vector<Number> converted(std::span<const float> values,
                              std::vector<float>& decoded,
                              const JobContext& ctx) {
    constexpr std::int64_t kChunk = 1 << 16;
    std::vector<Number> out(values.size());
    decoded.resize(values.size());
    parallelFor(
        static_cast<std::int64_t>(values.size()),
        kChunk,
        ctx,
        [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
                out[i] = Convert(values[i]);
                decoded[i] = Decode(out[i]);
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
    cost.bytes = 2 * m * k + 2 * n * k + 4 * m * n;
    cost.arithmetic = "fp16";
    return cost;
}

KernelCost costBfloat16(const TimingRequest& request) {
    KernelCost result = cost(request);
    result.arithmetic = "bf16";
    return result;
}

std::string refuses(const TimingRequest& request) {
    if (request.matmul.k % 8 != 0) {
        return "k must be a multiple of 8; it is " + std::to_string(request.matmul.k);
    }
    return {};
}

template <class Number, Number (*Convert)(float), float (*Decode)(Number)>
LaunchPlan planFor(const MatmulProblem& problem,
                   const JobContext& ctx,
                   ElementType type,
                   std::string entry,
                   unsigned tile,
                   std::size_t dynamicShared) {
    const MatmulShape& shape = problem.shape;
    LaunchPlan plan;
    const std::vector<Number> x = converted<Number, Convert, Decode>(problem.x, plan.x, ctx);
    const std::vector<Number> w = converted<Number, Convert, Decode>(problem.w, plan.w, ctx);
    plan.buffers.push_back(inputBuffer("x", type, std::span<const Number>(x)));
    plan.buffers.push_back(inputBuffer("w", type, std::span<const Number>(w)));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 2;
    LaunchStep step;
    step.entry = std::move(entry);
    step.grid = {blocksFor(shape.m, tile), blocksFor(shape.n, tile), 1};
    step.block = {128, 1, 1};
    step.dynamicShared = dynamicShared;
    for (int i = 0; i < 3; ++i) {
        step.arguments.push_back(Argument::of(i));
    }
    for (const std::int64_t size : {shape.m, shape.n, shape.k}) {
        step.arguments.push_back(Argument::integral(size));
    }
    plan.steps.push_back(std::move(step));
    return plan;
}

constexpr auto planHalf = planFor<simt::Half, simt::floatToHalf, simt::halfToFloat>;
constexpr auto planBfloat16 = planFor<simt::Bfloat16, simt::floatToBfloat16, simt::bfloat16ToFloat>;

/// Three stages of both tiles, rows of 32 elements and 8 of padding.
constexpr int sharedBytes(int tile) {
    return 3 * 2 * tile * (32 + 8) * 2;
}

constexpr std::string_view kWmmaTitle = "warp matrices (wmma)";
constexpr std::string_view kWmmaSummary =
    "CUDA's own warp matrices on tiles of 64 x 64: tensor cores in the fewest lines.";
constexpr std::string_view kMmaTitle = "mma.sync, three stages, 64 x 64";
constexpr std::string_view kMmaSummary =
    "Copies run ahead of the products (cp.async), fragments come by ldmatrix and sums never leave "
    "the registers.";
constexpr std::string_view kLargeTitle = "mma.sync, three stages, 128 x 128";
constexpr std::string_view kLargeSummary =
    "A tile four times as large does twice the products for every byte it reads.";
constexpr std::string_view kWmmaSource = "CUDA C++ Programming Guide, warp matrix functions";
constexpr std::string_view kMmaSource = "PTX ISA, mma.m16n8k16, ldmatrix and cp.async";

constexpr Kernel kKernels[] = {
    {.id = "gemm_f16_wmma_64x64x32",
     .family = "gemm_f16",
     .title = kWmmaTitle,
     .summary = kWmmaSummary,
     .source = kWmmaSource,
     .operation = Operation::Matmul,
     .what = "fp16",
     .a = "fp16",
     .b = "fp16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 128,
     .sharedBudget = 32768,
     .refuses = refuses,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planHalf(problem, ctx, ElementType::Float16, "gemm_f16_wmma_64x64x32", 64, 0);
         },
     .cost = cost},
    {.id = "gemm_bf16_wmma_64x64x32",
     .family = "gemm_f16",
     .title = kWmmaTitle,
     .summary = kWmmaSummary,
     .source = kWmmaSource,
     .operation = Operation::Matmul,
     .what = "bf16",
     .a = "bf16",
     .b = "bf16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 128,
     .sharedBudget = 32768,
     .refuses = refuses,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planBfloat16(
                 problem, ctx, ElementType::BFloat16, "gemm_bf16_wmma_64x64x32", 64, 0);
         },
     .cost = costBfloat16},
    {.id = "gemm_f16_mma_64x64x32x3",
     .family = "gemm_f16",
     .title = kMmaTitle,
     .summary = kMmaSummary,
     .source = kMmaSource,
     .operation = Operation::Matmul,
     .what = "fp16",
     .a = "fp16",
     .b = "fp16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 1,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 128,
     .sharedBudget = 32768,
     .refuses = refuses,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planHalf(problem,
                             ctx,
                             ElementType::Float16,
                             "gemm_f16_mma_64x64x32x3",
                             64,
                             sharedBytes(64));
         },
     .cost = cost},
    {.id = "gemm_bf16_mma_64x64x32x3",
     .family = "gemm_f16",
     .title = kMmaTitle,
     .summary = kMmaSummary,
     .source = kMmaSource,
     .operation = Operation::Matmul,
     .what = "bf16",
     .a = "bf16",
     .b = "bf16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 1,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 128,
     .sharedBudget = 32768,
     .refuses = refuses,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planBfloat16(problem,
                                 ctx,
                                 ElementType::BFloat16,
                                 "gemm_bf16_mma_64x64x32x3",
                                 64,
                                 sharedBytes(64));
         },
     .cost = costBfloat16},
    {.id = "gemm_f16_mma_128x128x32x3",
     .family = "gemm_f16",
     .title = kLargeTitle,
     .summary = kLargeSummary,
     .source = kMmaSource,
     .operation = Operation::Matmul,
     .what = "fp16",
     .a = "fp16",
     .b = "fp16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 2,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 240,
     .sharedBudget = 65536,
     .refuses = refuses,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planHalf(problem,
                             ctx,
                             ElementType::Float16,
                             "gemm_f16_mma_128x128x32x3",
                             128,
                             sharedBytes(128));
         },
     .cost = cost},
    {.id = "gemm_bf16_mma_128x128x32x3",
     .family = "gemm_f16",
     .title = kLargeTitle,
     .summary = kLargeSummary,
     .source = kMmaSource,
     .operation = Operation::Matmul,
     .what = "bf16",
     .a = "bf16",
     .b = "bf16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 2,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 240,
     .sharedBudget = 65536,
     .refuses = refuses,
     .planMatmul =
         [](const MatmulProblem& problem, const JobContext& ctx) {
             return planBfloat16(problem,
                                 ctx,
                                 ElementType::BFloat16,
                                 "gemm_bf16_mma_128x128x32x3",
                                 128,
                                 sharedBytes(128));
         },
     .cost = costBfloat16},
};

}  // namespace

extern const KernelFamily kKernels_gemm_f16;
const KernelFamily kKernels_gemm_f16{.id = "gemm_f16",
                                     .title = "FP16 and BF16 matrix product",
                                     .summary = "16-bit operands on tensor cores, FP32 sums.",
                                     .kernels = kKernels};

}  // namespace loupe::gpu
