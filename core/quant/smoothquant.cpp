// SPDX-License-Identifier: Apache-2.0
// SmoothQuant: Y = (X/s)(W·s)', s_j = max|X_j|^alpha / max|W_j|^(1-alpha); both sides quantized.
#include "core/base/text.hpp"
#include "core/quant/scaled_rows.hpp"
#include "core/quant/uniform_params.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

using namespace uniform_params;

constexpr std::string_view kRowTensor[] = {"row", "tensor"};
constexpr ParamSpec kAlpha{
    .name = "alpha",
    .type = ParamType::Real,
    .defaultText = "0.5",
    .min = 0,
    .max = 1,
    .label = "Alpha",
    .help = "s = max|x|^alpha / max|w|^(1-alpha): how much of the outliers moves to the weights."};
constexpr ParamSpec kPer2{.name = "per",
                          .type = ParamType::Choice,
                          .defaultText = "row",
                          .choices = kRowTensor,
                          .label = "Scale per",
                          .help = "One scale for each output channel (row), or one for all."};
constexpr ParamSpec kActBits2{.name = "act_bits",
                              .type = ParamType::Integer,
                              .defaultText = "",
                              .min = 2,
                              .max = 16,
                              .label = "Activation bits",
                              .help = "Of the smoothed activations; absent: as the weights.",
                              .unit = "bit"};
constexpr ParamSpec kActPer2{.name = "act_per",
                             .type = ParamType::Choice,
                             .defaultText = "token",
                             .choices = kActPer,
                             .label = "Activation scale per",
                             .help = "One scale for each token (row of X), or one for all."};
constexpr ParamSpec kParams[] = {kAlpha, kBits, kPer2, kActBits2, kActPer2, kActRangeParam};

UniformSpec gridSpec(std::int64_t bits, bool perRow) {
    UniformSpec spec;
    spec.bits = static_cast<int>(bits);
    spec.per = perRow ? ScalePer::Row : ScalePer::Tensor;
    return spec;
}

ClipRule rangeRule(std::string_view text) {
    if (text == "percentile") {
        return ClipRule::Percentile;
    }
    return text == "mse" ? ClipRule::Mse : (text == "entropy" ? ClipRule::Entropy : ClipRule::None);
}

Result<ChannelScale> smoothingScale(const StepInput& input, double alpha, const JobContext& ctx) {
    const RowSource& x = *input.activations;
    const std::int64_t tokens =
        input.calibrationRows > 0 ? std::min(input.calibrationRows, x.rows()) : x.rows();
    const auto xMost = columnAbsmax(x, tokens, ctx);
    if (!xMost) {
        return fail(xMost.error());
    }
    const auto wMost = columnAbsmax(*input.weights, input.weights->rows(), ctx);
    if (!wMost) {
        return fail(wMost.error());
    }
    constexpr double kLeast = 1e-5;  // of both maxima, as the authors' code: dead channels
    auto scale = std::make_shared<std::vector<double>>(xMost->size());
    for (std::size_t j = 0; j < scale->size(); ++j) {
        const double s = std::pow(std::max((*xMost)[j], kLeast), alpha) /
                         std::pow(std::max((*wMost)[j], kLeast), 1 - alpha);
        (*scale)[j] = input.weights->isDouble() ? s : static_cast<double>(static_cast<float>(s));
    }
    return ChannelScale(std::move(scale));
}

Result<StepOutput> applySmoothQuant(const StepInput& input,
                                    const Params& params,
                                    const JobContext& ctx) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing,
                    "smoothquant needs activations: --activations FILE[:TENSOR]");
    }
    const auto scale = smoothingScale(input, params.real("alpha"), ctx);
    if (!scale) {
        return fail(scale.error());
    }
    const auto weights = makeUniform(std::make_shared<ScaledRows>(input.weights, *scale, false),
                                     gridSpec(params.integer("bits"), params.is("per", "row")),
                                     ctx,
                                     false);
    if (!weights) {
        return fail(weights.error());
    }
    UniformSpec actSpec = gridSpec(params.integer(params.has("act_bits") ? "act_bits" : "bits"),
                                   params.is("act_per", "token"));
    actSpec.clip = rangeRule(params.text("act_range"));
    const auto activations =
        makeUniformActivations(std::make_shared<ScaledRows>(input.activations, *scale, true),
                               actSpec,
                               params.is("act_range", "dynamic") ? 0 : input.calibrationRows,
                               ctx);
    if (!activations) {
        return fail(activations.error());
    }
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = (*weights)->codeBits();
    output.cost.overheadBits = (*weights)->scaleBitsPerWeight();
    output.weights = std::make_shared<ScaledQuantized>(*weights, *scale);
    output.activations = std::make_shared<ScaledRows>(*activations, *scale, false);
    return output;
}

constexpr std::string_view kLadder[] = {"smoothquant"};

}  // namespace

extern const StepDefinition kStep_smoothquant;
const StepDefinition kStep_smoothquant{
    .id = "smoothquant",
    .title = "SmoothQuant",
    .summary =
        "Moves outliers of the activations into the weights, channel by channel, before "
        "both are rounded to integers.",
    .source = "Xiao et al. 2023, SmoothQuant, section 4 (arXiv:2211.10438)",
    .params = kParams,
    .apply = applySmoothQuant,
    .needsActivations = true,
    .family = StepFamily::WithActivations,
    .ladder = kLadder};

}  // namespace loupe
