// SPDX-License-Identifier: Apache-2.0
// FlashAttention-2 on the FP32 units. Counted elements a head: 2Nd + N + ⌈N/64⌉·2Nd.
#include "gpu/kernels/attention_plan.hpp"

namespace loupe::gpu {

namespace {

/// As of standard attention (85u, u = 2^-24: attention_standard.cpp); O and l are rescaled once a
/// tile of 32 keys with one rounding each: √(8192/32)u = 16u more.
constexpr double kTolerance = 0x1p-17;

constexpr std::int64_t kRows = 64;
constexpr std::int64_t kKeys = 32;

/// The sum of flash2.cuh's Layout.
constexpr std::int64_t sharedBytes(std::int64_t dim) {
    return 4 * (kRows * (dim + 4) + kKeys * (dim + 4) + kKeys * dim + kRows * (kKeys + 4));
}

LaunchPlan planFlash2(const AttentionProblem& problem, const JobContext& /*ctx*/) {
    const AttentionShape& shape = problem.shape;
    const std::int64_t heads = shape.batch * shape.heads;
    LaunchPlan plan;
    addOperands(plan, problem, false);
    plan.output = addFloats(plan, "o", BufferRole::Output, heads * shape.seq * shape.dim);
    const int logSum = addFloats(plan, "log sum", BufferRole::Output, heads * shape.seq);
    LaunchStep step;
    step.entry = "flash2_d" + std::to_string(shape.dim) + "_64x32";
    step.grid = {blocksFor(shape.seq, kRows), static_cast<unsigned>(heads), 1};
    step.block = {128, 1, 1};
    step.dynamicShared = static_cast<std::size_t>(sharedBytes(shape.dim));
    step.arguments = {Argument::of(0),
                      Argument::of(1),
                      Argument::of(2),
                      Argument::of(plan.output),
                      Argument::of(logSum)};
    addShape(step, shape);
    plan.steps.push_back(std::move(step));
    return plan;
}

constexpr Kernel kKernels[] = {
    {.id = "flash2_64x32",
     .family = "flash2",
     .title = "FlashAttention-2, FP32",
     .summary = "Blocks of queries outside: O stays in registers, and every tile of queries is a "
                "thread block of its own.",
     .source = "Dao 2023, FlashAttention-2, Algorithm 1 (arXiv:2307.08691)",
     .operation = Operation::Attention,
     .what = "flash2",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 80,
     .tolerance = kTolerance,
     .registerBudget = 168,
     .sharedBudget = static_cast<int>(sharedBytes(128)),
     .refuses = [](const TimingRequest& request) { return refusesAttention(request, false); },
     .planAttention = planFlash2,
     .cost = [](const TimingRequest& request) { return attentionCost(request, 4, "fp32"); }},
};

}  // namespace

extern const KernelFamily kKernels_flash2;
const KernelFamily kKernels_flash2{
    .id = "flash2",
    .title = "FlashAttention-2, FP32",
    .summary = "The loops exchanged: nothing but Q, K, V and O moves, and L for the backward pass.",
    .kernels = kKernels};

}  // namespace loupe::gpu
