// SPDX-License-Identifier: Apache-2.0
// FlashAttention, Algorithm 1, for some sizes M of on-chip memory: B_c = ⌈M/4d⌉, B_r = min(B_c, d).
// Counted elements a head: 3Nd + 2N + T_c(3Nd + 4N), T_c = ⌈N/B_c⌉, against 4N² + 4Nd of standard
// attention: fewer only where M > 3d².
#include "gpu/kernels/attention_plan.hpp"

namespace loupe::gpu {

namespace {

/// As of standard attention (85u, u = 2^-24: attention_standard.cpp); the sums are at most B_c long
/// here, but O is renormalised once a block of keys with 4 roundings: √(4·256)u = 32u for 256
/// blocks.
constexpr double kTolerance = 0x1p-17;

struct Instance {
    std::int64_t onChip;  ///< M in elements
    std::int64_t dim;
};

/// The instances of flash1.cuh.
constexpr Instance kInstances[] = {{8192, 64},
                                   {12288, 64},
                                   {16384, 64},
                                   {25600, 64},
                                   {49152, 64},
                                   {50000, 64},
                                   {16384, 128},
                                   {49152, 128},
                                   {50000, 128}};

constexpr std::int64_t keysOf(std::int64_t onChip, std::int64_t dim) {
    return (onChip + 4 * dim - 1) / (4 * dim);
}

constexpr std::int64_t roundUp(std::int64_t x) {
    return (x + 15) / 16 * 16;
}

/// The sum of flash1.cuh's Layout.
constexpr std::int64_t sharedBytes(std::int64_t onChip, std::int64_t dim) {
    const std::int64_t keys = keysOf(onChip, dim);
    const std::int64_t rows = roundUp(keys < dim ? keys : dim);
    const std::int64_t cols = roundUp(keys);
    return 4 * (rows * (dim + 4) + cols * (2 * dim + 4) + rows * (cols + 4));
}

template <std::int64_t M>
LaunchPlan planFlash1(const AttentionProblem& problem, const JobContext& /*ctx*/) {
    const AttentionShape& shape = problem.shape;
    const std::int64_t heads = shape.batch * shape.heads;
    LaunchPlan plan;
    addOperands(plan, problem, false);
    plan.output = addFloats(plan, "o", BufferRole::Output, heads * shape.seq * shape.dim);
    const int l = addFloats(plan, "l", BufferRole::Scratch, heads * shape.seq);
    const int m = addFloats(plan, "m", BufferRole::Scratch, heads * shape.seq);
    LaunchStep step;
    step.entry =
        "flash1_d" + std::to_string(shape.dim) + "_bc" + std::to_string(keysOf(M, shape.dim));
    step.grid = {static_cast<unsigned>(heads), 1, 1};
    step.block = {256, 1, 1};
    step.dynamicShared = static_cast<std::size_t>(sharedBytes(M, shape.dim));
    step.arguments = {Argument::of(0),
                      Argument::of(1),
                      Argument::of(2),
                      Argument::of(plan.output),
                      Argument::of(l),
                      Argument::of(m)};
    addShape(step, shape);
    plan.steps.push_back(std::move(step));
    return plan;
}

template <std::int64_t M>
std::string refuses(const TimingRequest& request) {
    if (std::string reason = refusesAttention(request, false); !reason.empty()) {
        return reason;
    }
    for (const Instance& instance : kInstances) {
        if (instance.onChip == M && instance.dim == request.attention.dim) {
            return {};
        }
    }
    return "is not built for head dimension " + std::to_string(request.attention.dim);
}

template <std::int64_t M>
constexpr int largestShared() {
    std::int64_t most = 0;
    for (const Instance& instance : kInstances) {
        if (instance.onChip == M) {
            const std::int64_t bytes = sharedBytes(M, instance.dim);
            most = bytes > most ? bytes : most;
        }
    }
    return static_cast<int>(most);
}

template <std::int64_t M>
constexpr Kernel flash1(std::string_view id, std::string_view title, int rung, int capability) {
    return {.id = id,
            .family = "flash1",
            .title = title,
            .summary =
                "Blocks of keys outside, blocks of queries inside; O, l and m are read and "
                "written again in every step. One thread block a head.",
            .source = "Dao et al. 2022, FlashAttention, Algorithm 1 (arXiv:2205.14135)",
            .operation = Operation::Attention,
            .what = "flash1",
            .a = "fp32",
            .b = "fp32",
            .accumulator = "fp32",
            .output = "fp32",
            .rung = rung,
            .leastCapability = capability,
            .tolerance = kTolerance,
            .registerBudget = 168,
            .sharedBudget = largestShared<M>(),
            .teaching = true,
            .refuses = refuses<M>,
            .planAttention = planFlash1<M>,
            .cost = [](const TimingRequest& request) { return attentionCost(request, 4, "fp32"); }};
}

constexpr Kernel kKernels[] = {
    flash1<8192>("flash1_m8192", "FlashAttention-1, M = 8192 elements", 0, 75),
    flash1<12288>("flash1_m12288", "FlashAttention-1, M = 12288 elements", 1, 75),
    flash1<16384>("flash1_m16384", "FlashAttention-1, M = 16384 elements", 2, 80),
    flash1<25600>("flash1_m25600", "FlashAttention-1, M = 25600 elements", 3, 80),
    flash1<49152>("flash1_m49152", "FlashAttention-1, M = 49152 elements", 4, 90),
    flash1<50000>("flash1_m50000", "FlashAttention-1, M = 50000 elements", 5, 90),
};

}  // namespace

extern const KernelFamily kKernels_flash1;
const KernelFamily kKernels_flash1{
    .id = "flash1",
    .title = "FlashAttention-1",
    .summary =
        "Algorithm 1 to the letter, for several sizes of on-chip memory: it moves less than "
        "standard attention only where M > 3d².",
    .kernels = kKernels};

}  // namespace loupe::gpu
