// SPDX-License-Identifier: Apache-2.0
// One query a sequence against its cache, split over the keys. Compulsory bytes: K and V once.
#include "gpu/kernels/attention_plan.hpp"

#include <algorithm>

namespace loupe::gpu {

namespace {

/// As of standard attention, with FP16 operands that both sides share: scores 8u, exp 14u, sums of
/// at most 4096 keys in one thread 58u, merging of ranges 8u. The next power of two above 61u.
constexpr double kTolerance = 0x1p-17;

/// Query heads that one block serves: instances of 1, 4 and 8.
std::int64_t groupOf(const AttentionShape& shape) {
    const std::int64_t sharing = shape.heads / shape.kvHeads;
    return sharing == 1 ? 1 : (sharing <= 4 ? 4 : 8);
}

/// Keys of a range: enough ranges for 8 blocks on each of 132 multiprocessors, 128 keys at least.
std::int64_t keysPerSplit(const AttentionShape& shape) {
    constexpr std::int64_t kBlocks = std::int64_t{8} * 132;
    const std::int64_t sequences = shape.batch * shape.kvHeads;
    const std::int64_t splits = std::max<std::int64_t>(1, kBlocks / sequences);
    const std::int64_t keys = (shape.seq + splits - 1) / splits;
    return std::clamp<std::int64_t>((keys + 63) / 64 * 64, 128, 65536);
}

LaunchPlan planDecode(const AttentionProblem& problem, const JobContext& /*ctx*/) {
    const AttentionShape& shape = problem.shape;
    const std::int64_t heads = shape.batch * shape.heads;
    const std::int64_t perSplit = keysPerSplit(shape);
    const std::int64_t splits = (shape.seq + perSplit - 1) / perSplit;
    const std::int64_t group = groupOf(shape);
    const std::string dim = std::to_string(shape.dim);
    LaunchPlan plan;
    addOperands(plan, problem, true);
    const int partial = addFloats(plan, "partial", BufferRole::Scratch, heads * splits * shape.dim);
    const int stats = addFloats(plan, "stats", BufferRole::Scratch, heads * splits * 2);
    plan.output = addFloats(plan, "o", BufferRole::Output, heads * shape.dim);

    LaunchStep ranges;
    ranges.entry = "decode_d" + dim + "_g" + std::to_string(group);
    ranges.grid = {static_cast<unsigned>(splits),
                   static_cast<unsigned>(shape.batch * shape.kvHeads),
                   blocksFor(shape.heads / shape.kvHeads, group)};
    ranges.block = {128, 1, 1};
    ranges.arguments = {Argument::of(0),
                        Argument::of(1),
                        Argument::of(2),
                        Argument::of(partial),
                        Argument::of(stats),
                        Argument::integral(shape.heads),
                        Argument::integral(shape.kvHeads),
                        Argument::integral(shape.seq),
                        Argument::integral(perSplit),
                        Argument::floating(attentionScale(shape))};

    LaunchStep merge;
    merge.entry = "decode_merge_d" + dim;
    merge.grid = {static_cast<unsigned>(heads), 1, 1};
    merge.block = {static_cast<unsigned>(shape.dim), 1, 1};
    merge.arguments = {Argument::of(partial),
                       Argument::of(stats),
                       Argument::of(plan.output),
                       Argument::integral(splits)};
    plan.steps = {std::move(ranges), std::move(merge)};
    return plan;
}

constexpr Kernel kKernels[] = {
    {.id = "decode_split",
     .family = "decode",
     .title = "Decode attention, split over the keys",
     .summary = "Every block reads one range of keys for all query heads that share them; a second "
                "kernel merges the ranges.",
     .source = "Dao et al. 2023, Flash-Decoding; merging: FlashAttention-2, section 2.3.1",
     .operation = Operation::Attention,
     .what = "decode",
     .a = "fp16",
     .b = "fp16",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 255,
     .sharedBudget = 16640,
     .refuses = [](const TimingRequest& request) { return refusesAttention(request, true); },
     .planAttention = planDecode,
     .cost = [](const TimingRequest& request) { return attentionCost(request, 2, "fp16"); }},
};

}  // namespace

extern const KernelFamily kKernels_decode;
const KernelFamily kKernels_decode{
    .id = "decode",
    .title = "Decode attention",
    .summary = "One new token a sequence: all time goes into reading the cache once.",
    .kernels = kKernels};

}  // namespace loupe::gpu
