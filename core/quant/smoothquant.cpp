// SPDX-License-Identifier: Apache-2.0
// SmoothQuant: Y = (X/s)(W·s)', s_j = max|X_j|^alpha / max|W_j|^(1-alpha); both sides quantized.
#include "core/quant/smoothquant.hpp"

#include "core/quant/board_numbers.hpp"
#include "core/quant/uniform_params.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

using uniform_params::kActBits;
using uniform_params::kActPerParam;
using uniform_params::kActRangeParam;
using uniform_params::kBits;
using uniform_params::kPerParam;

constexpr std::string_view kRowTensor[] = {"row", "tensor"};
constexpr ParamSpec kAlpha{
    .name = "alpha",
    .type = ParamType::Real,
    .defaultText = "0.5",
    .min = 0,
    .max = 1,
    .label = "Alpha",
    .help = "s = max|x|^alpha / max|w|^(1-alpha): how much of the outliers moves to the weights."};
/// A shared row of the parameter tables, changed where SmoothQuant differs.
constexpr ParamSpec weightScale() {
    ParamSpec spec = kPerParam;
    spec.defaultText = "row";
    spec.choices = kRowTensor;
    spec.help = "One scale for each output channel (row), or one for all.";
    return spec;
}
constexpr ParamSpec activationBits() {
    ParamSpec spec = kActBits;
    spec.help = "Of the smoothed activations; absent: as the weights.";
    return spec;
}
constexpr ParamSpec activationScale() {
    ParamSpec spec = kActPerParam;
    spec.onlyWith = {};  // activations are always quantized
    return spec;
}
constexpr ParamSpec kParams[] = {
    kAlpha, kBits, weightScale(), activationBits(), activationScale(), kActRangeParam};

/// s of both maxima, in the weights' precision.
ChannelScale scaleOf(const SmoothQuantResult& result, double alpha, bool isDouble) {
    auto scale = std::make_shared<std::vector<double>>(result.xMost.size());
    for (std::size_t j = 0; j < scale->size(); ++j) {
        const double s = std::pow(std::max(result.xMost[j], kLeastMaximum), alpha) /
                         std::pow(std::max(result.wMost[j], kLeastMaximum), 1 - alpha);
        (*scale)[j] = isDouble ? s : static_cast<double>(static_cast<float>(s));
    }
    return scale;
}

constexpr std::string_view kLadder[] = {"smoothquant", "smoothquant:bits=4"};

}  // namespace

UniformSpec smoothQuantSpec(std::int64_t bits, bool perRow) {
    UniformSpec spec;
    spec.bits = static_cast<int>(bits);
    spec.per = perRow ? ScalePer::Row : ScalePer::Tensor;
    return spec;
}

Result<SmoothQuantResult> smoothAndQuantize(const StepInput& input,
                                            const Params& params,
                                            const JobContext& ctx) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing,
                    "smoothquant needs activations: --activations FILE[:TENSOR]");
    }
    const RowSource& x = *input.activations;
    const std::int64_t tokens =
        input.calibrationRows > 0 ? std::min(input.calibrationRows, x.rows()) : x.rows();
    Result<std::vector<double>> xMost = columnAbsmax(x, tokens, ctx);
    if (!xMost) {
        return fail(xMost.error());
    }
    Result<std::vector<double>> wMost = columnAbsmax(*input.weights, input.weights->rows(), ctx);
    if (!wMost) {
        return fail(wMost.error());
    }
    SmoothQuantResult result;
    result.xMost = std::move(*xMost);
    result.wMost = std::move(*wMost);
    result.scale = scaleOf(result, params.real("alpha"), input.weights->isDouble());
    auto weights = makeUniform(std::make_shared<ScaledRows>(input.weights, result.scale, false),
                               smoothQuantSpec(params.integer("bits"), params.is("per", "row")),
                               ctx,
                               false);
    if (!weights) {
        return fail(weights.error());
    }
    UniformSpec spec = smoothQuantSpec(params.integer(params.has("act_bits") ? "act_bits" : "bits"),
                                       params.is("act_per", "token"));
    spec.clip = clipRuleOf(params.text("act_range"));
    auto activations =
        makeUniformActivations(std::make_shared<ScaledRows>(input.activations, result.scale, true),
                               spec,
                               params.is("act_range", "dynamic") ? 0 : input.calibrationRows,
                               ctx);
    if (!activations) {
        return fail(activations.error());
    }
    result.weights = std::move(*weights);
    result.activations = std::move(*activations);
    return result;
}

StepOutput smoothQuantOutput(const StepInput& input, const SmoothQuantResult& result) {
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = result.weights->codeBits();
    output.cost.overheadBits = result.weights->scaleBitsPerWeight();
    output.weights = std::make_shared<ScaledQuantized>(result.weights, result.scale);
    output.activations = std::make_shared<ScaledRows>(result.activations, result.scale, false);
    return output;
}

extern const StepDefinition kStep_smoothquant;
const StepDefinition kStep_smoothquant{
    .id = "smoothquant",
    .title = "SmoothQuant",
    .summary =
        "Moves outliers of the activations into the weights, channel by channel, before "
        "both are rounded to integers.",
    .source = "Xiao et al. 2023, SmoothQuant, section 4 (arXiv:2211.10438)",
    .params = kParams,
    .apply = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) -> Result<StepOutput> {
        const Result<SmoothQuantResult> result = smoothAndQuantize(input, params, ctx);
        if (!result) {
            return fail(result.error());
        }
        return smoothQuantOutput(input, *result);
    },
    .needsActivations = true,
    .shortTitle =
        [](const Params& params) {
            const bool same = !params.has("act_bits");
            return joined({"SmoothQuant int",
                           params.text("bits"),
                           same ? "" : ", activations int",
                           same ? "" : params.text("act_bits"),
                           ", alpha ",
                           params.text("alpha")});
        },
    .family = StepFamily::WithActivations,
    .ladder = kLadder,
    .trace = traceSmoothQuant};

}  // namespace loupe
