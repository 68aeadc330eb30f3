// SPDX-License-Identifier: Apache-2.0
// FlashAttention-2 on FP16 tensor cores. Counted bytes a head: (1 + 2⌈N/B_r⌉)·2Nd in FP16, 4Nd + 4N
// out.
#include "gpu/kernels/attention_plan.hpp"

namespace loupe::gpu {

namespace {

/// P is rounded to FP16 before P·V: each weight is off by at most 2^-11 of itself, independently,
/// and so is O, which is their sum with independent V. Tensor cores cut FP32 sums off below 2^-23:
/// 512 steps of 16 keys add (512/3)·2^-23 = 2^-15.6, the scores' and exp's errors are below 2^-19.
constexpr double kTolerance = 0x1p-11 + 0x1p-15;

constexpr std::int64_t kKeys = 64;

constexpr std::int64_t sharedBytes(std::int64_t rows, std::int64_t dim) {
    return 2 * (rows + 2 * kKeys) * (dim + 8);
}

template <std::int64_t Rows>
LaunchPlan planMma(const AttentionProblem& problem, const JobContext& /*ctx*/) {
    const AttentionShape& shape = problem.shape;
    const std::int64_t heads = shape.batch * shape.heads;
    LaunchPlan plan;
    addOperands(plan, problem, true);
    plan.output = addFloats(plan, "o", BufferRole::Output, heads * shape.seq * shape.dim);
    const int logSum = addFloats(plan, "log sum", BufferRole::Output, heads * shape.seq);
    LaunchStep step;
    step.entry = "flash2_mma_d" + std::to_string(shape.dim) + "_" + std::to_string(Rows) + "x64";
    step.grid = {blocksFor(shape.seq, Rows), static_cast<unsigned>(heads), 1};
    step.block = {Rows == 128 && shape.dim == 128 ? 256U : 128U, 1, 1};
    step.dynamicShared = static_cast<std::size_t>(sharedBytes(Rows, shape.dim));
    step.arguments = {Argument::of(0),
                      Argument::of(1),
                      Argument::of(2),
                      Argument::of(plan.output),
                      Argument::of(logSum)};
    addShape(step, shape);
    plan.steps.push_back(std::move(step));
    return plan;
}

template <std::int64_t Rows>
constexpr Kernel flash2Mma(std::string_view id,
                           std::string_view title,
                           std::string_view summary,
                           int rung) {
    return {
        .id = id,
        .family = "flash2_mma",
        .title = title,
        .summary = summary,
        .source = "Dao 2023, FlashAttention-2 (arXiv:2307.08691)",
        .operation = Operation::Attention,
        .what = "flash2_mma",
        .a = "fp16",
        .b = "fp16",
        .accumulator = "fp32",
        .output = "fp32",
        .rung = rung,
        .leastCapability = 80,
        .tolerance = kTolerance,
        .registerBudget = 255,
        .sharedBudget = static_cast<int>(sharedBytes(Rows, 128)),
        .refuses = [](const TimingRequest& request) { return refusesAttention(request, false); },
        .planAttention = planMma<Rows>,
        .cost = [](const TimingRequest& request) { return attentionCost(request, 2, "fp16"); }};
}

constexpr Kernel kKernels[] = {
    flash2Mma<64>("flash2_mma_64x64",
                  "FlashAttention-2, tensor cores, 64 queries a block",
                  "S and P stay in registers between two chains of mma; K and V arrive by cp.async "
                  "while the other is used.",
                  0),
    flash2Mma<128>("flash2_mma_128x64",
                   "FlashAttention-2, tensor cores, 128 queries a block",
                   "Twice the queries a block: K and V are read half as often, and with d = 64 a "
                   "fragment of K serves two products.",
                   1),
};

}  // namespace

extern const KernelFamily kKernels_flash2_mma;
const KernelFamily kKernels_flash2_mma{
    .id = "flash2_mma",
    .title = "FlashAttention-2, tensor cores",
    .summary =
        "FP16 products with FP32 sums and softmax. Teaching code by today's measure: mma.sync, "
        "no wgmma and no TMA.",
    .kernels = kKernels};

}  // namespace loupe::gpu
