// SPDX-License-Identifier: Apache-2.0
// Algorithm 0 of Dao et al. 2022: S = QK^T/√d, P = softmax(S), O = PV, each a kernel of its own.
// Counted: reads 2Nd + N² + (N² + Nd), writes N² + N² + Nd elements a head where the cache holds Q,
// K and V.
#include "gpu/kernels/attention_plan.hpp"

namespace loupe::gpu {

namespace {

/// Of the output's rms, with independent normal operands and u = 2^-24: a score's sum of d <= 128
/// products 8u; exp 2 ulp and the rounding of its argument, |x| <= 10: 14u together; the weights'
/// sum and the product with V are sums of up to N = 8192 terms in one thread: √(N/3) and √(N/2),
/// 83u together. √(8² + 14² + 83²)u = 85u; the next power of two is 2^-17.
constexpr double kTolerance = 0x1p-17;

LaunchPlan planStandard(const AttentionProblem& problem, const JobContext& /*ctx*/) {
    const AttentionShape& shape = problem.shape;
    const std::int64_t heads = shape.batch * shape.heads;
    const std::string suffix = "_d" + std::to_string(shape.dim);
    LaunchPlan plan;
    addOperands(plan, problem, false);
    const std::int64_t square = heads * shape.seq * shape.seq;
    const int s = addFloats(plan, "s", BufferRole::Scratch, square);
    const int p = addFloats(plan, "p", BufferRole::Scratch, square);
    plan.output = addFloats(plan, "o", BufferRole::Output, heads * shape.seq * shape.dim);
    const unsigned tiles = blocksFor(shape.seq, 64);
    const auto rows = static_cast<unsigned>(heads);
    const Argument causal = Argument::integral(shape.causal ? 1 : 0);
    const Argument seq = Argument::integral(shape.seq);

    LaunchStep scores;
    scores.entry = "attention_scores" + suffix;
    scores.grid = {tiles, tiles, rows};
    scores.block = {256, 1, 1};
    scores.arguments = {Argument::of(0), Argument::of(1), Argument::of(s)};
    addShape(scores, shape);

    LaunchStep softmax;
    softmax.entry = "attention_softmax";
    softmax.grid = {blocksFor(shape.seq, 4), rows, 1};
    softmax.block = {128, 1, 1};
    softmax.arguments = {Argument::of(s), Argument::of(p), seq, causal};

    LaunchStep values;
    values.entry = "attention_values" + suffix;
    values.grid = {tiles, rows, 1};
    values.block = {256, 1, 1};
    values.arguments = {Argument::of(p),
                        Argument::of(2),
                        Argument::of(plan.output),
                        Argument::integral(shape.heads),
                        Argument::integral(shape.kvHeads),
                        seq,
                        causal};
    plan.steps = {std::move(scores), std::move(softmax), std::move(values)};
    return plan;
}

std::string refuses(const TimingRequest& request) {
    if (std::string reason = refusesAttention(request, false); !reason.empty()) {
        return reason;
    }
    const AttentionShape& shape = request.attention;
    const double bytes = 8.0 * static_cast<double>(shape.batch * shape.heads) *
                         static_cast<double>(shape.seq) * static_cast<double>(shape.seq);
    if (bytes > 32e9) {
        return "S and P of all heads would take " + std::to_string(static_cast<int>(bytes / 1e9)) +
               " GB; 32 are allowed";
    }
    return {};
}

constexpr Kernel kKernels[] = {
    {.id = "attention_standard",
     .family = "attention_standard",
     .title = "Standard attention, three kernels",
     .summary =
         "Scores, softmax and the product with V one after another; the N x N matrices S and "
         "P go through global memory.",
     .source = "Dao et al. 2022, FlashAttention, Algorithm 0 (arXiv:2205.14135)",
     .operation = Operation::Attention,
     .what = "standard",
     .a = "fp32",
     .b = "fp32",
     .accumulator = "fp32",
     .output = "fp32",
     .rung = 0,
     .leastCapability = 75,
     .tolerance = kTolerance,
     .registerBudget = 128,
     .sharedBudget = 25600,
     .refuses = refuses,
     .planAttention = planStandard,
     .cost = [](const TimingRequest& request) { return attentionCost(request, 4, "fp32"); }},
};

}  // namespace

extern const KernelFamily kKernels_attention_standard;
const KernelFamily kKernels_attention_standard{
    .id = "attention_standard",
    .title = "Standard attention",
    .summary =
        "The textbook's three steps as three kernels: what the tiled kernels are measured "
        "against.",
    .kernels = kKernels};

}  // namespace loupe::gpu
