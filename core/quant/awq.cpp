// SPDX-License-Identifier: Apache-2.0
// AWQ: W·s on asymmetric grids and X/s, where s = mean|X|^ratio; the ratio and how far groups are
// clipped are searched for.
#include "core/quant/awq.hpp"

#include "core/quant/board_numbers.hpp"
#include "core/quant/uniform_params.hpp"

namespace loupe {

namespace {

constexpr ParamSpec kParams[] = {
    uniform_params::kGroupBits,
    uniform_params::groupSize("128"),
    {.name = "grid",
     .type = ParamType::Integer,
     .defaultText = "20",
     .min = 1,
     .max = 1000,
     .label = "Ratios tried",
     .help = "s = mean|x|^ratio for ratio = 0, 1/grid, ... (grid-1)/grid; the least output error "
             "wins."},
    {.name = "clip",
     .type = ParamType::Flag,
     .defaultText = "true",
     .label = "Clip groups",
     .help = "Shrinks each group's range by 0 to 45 % where that lowers the output error."}};

constexpr std::string_view kLadder[] = {
    "awq:group=128", "awq:group=32", "awq:bits=3,group=128", "awq:group=128,clip=false"};

Result<StepOutput> applyAwq(const StepInput& input, const Params& params, const JobContext& ctx) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing, "awq needs activations: --activations FILE[:TENSOR]");
    }
    const Result<AwqResult> result = searchAwq(
        input, awqSpec(params), params.integer("grid"), params.flag("clip"), AwqCurve::Least, ctx);
    if (!result) {
        return fail(result.error());
    }
    StepOutput output;
    output.weights = std::make_shared<ScaledQuantized>(result->inner, result->scale);
    output.cost = input.cost;
    output.cost.valueBits = result->inner->codeBits();
    output.cost.overheadBits = result->inner->scaleBitsPerWeight();
    return output;
}

}  // namespace

UniformSpec awqSpec(const Params& params) {
    UniformSpec spec;
    spec.bits = static_cast<int>(params.integer("bits"));
    spec.asymmetric = true;
    spec.range = GridRange::Full;
    spec.per = ScalePer::Group;
    spec.group = params.integer("group");
    return spec;
}

extern const StepDefinition kStep_awq;
const StepDefinition kStep_awq{
    .id = "awq",
    .title = "AWQ",
    .summary =
        "Scales up the weights of inputs with large activations before rounding, and down again "
        "after: a search over one exponent decides how much.",
    .source = "Lin et al. 2024, AWQ, section 3 (arXiv:2306.00978)",
    .params = kParams,
    .apply = applyAwq,
    .needsActivations = true,
    .shortTitle =
        [](const Params& params) {
            return joined({"AWQ int",
                           params.text("bits"),
                           ", group ",
                           params.text("group"),
                           params.flag("clip") ? "" : ", no clipping"});
        },
    .family = StepFamily::WithActivations,
    .isSolver = true,
    .ladder = kLadder,
    .trace = traceAwq};

}  // namespace loupe
