// SPDX-License-Identifier: Apache-2.0
// Symmetric uniform quantization. scale = a/(2^(b-1)-1), code = clamp(round(w/scale)), w^ =
// scale·code.
#include "core/quant/trace_vectorwise.hpp"
#include "core/quant/uniform.hpp"
#include "core/quant/uniform_params.hpp"

namespace loupe {

namespace {

using namespace uniform_params;

constexpr std::string_view kRange[] = {"restricted", "full", "power"};

constexpr ParamSpec kClipValue{.name = "clip_value",
                               .type = ParamType::Bound,
                               .defaultText = "",
                               .min = 0,
                               .max = 1e30,
                               .label = "Clip at",
                               .help = "a = this value: weights beyond it are clipped.",
                               .onlyWith = "clip=value",
                               .implies = "clip=value",
                               .requiredWith = "clip=value",
                               .startText = "1"};
constexpr ParamSpec kRangeParam{
    .name = "range",
    .type = ParamType::Choice,
    .defaultText = "restricted",
    .choices = kRange,
    .label = "Code range",
    .help =
        "restricted: scale = a/(2^(b-1)-1), codes +-(2^(b-1)-1). full: scale = 2a/(2^b-1), codes "
        "-2^(b-1)..2^(b-1)-1. power: scale = a/2^(b-1), so +a would be 2^(b-1) and is clamped."};

constexpr ParamSpec kParams[] = {kBits,
                                 kPerParam,
                                 kGroup,
                                 kClipParam,
                                 kClipValue,
                                 kPercentile,
                                 kRangeParam,
                                 kRoundingParam,
                                 kSeed,
                                 kActBits,
                                 kActPerParam,
                                 kActRangeParam};

constexpr std::string_view kLadder[] = {"absmax:bits=8,per=row",
                                        "absmax:bits=4,per=row",
                                        "absmax:bits=4,group=128",
                                        "absmax:bits=4,group=32",
                                        "absmax:bits=3,group=128",
                                        "absmax:bits=2,group=128",
                                        "absmax:bits=8,per=row,act_bits=8"};

}  // namespace

extern const StepDefinition kStep_absmax;
const StepDefinition kStep_absmax{
    .id = "absmax",
    .title = "Absmax, symmetric",
    .summary =
        "Divides by the largest magnitude of the group and rounds to integers; zero stays exactly "
        "zero.",
    .source = "Dettmers et al. 2022, LLM.int8(), section 2 (arXiv:2208.07339)",
    .params = kParams,
    .apply = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return applyUniform(input, params, false, ctx); },
    .shortTitle = [](const Params& params) { return uniformTitle("Absmax", params); },
    .family = StepFamily::Uniform,
    .ladder = kLadder,
    .trace =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return isIntegerProduct(params) ? traceVectorwise(input, params, false, ctx)
                                            : traceUniform(input, params, false, ctx);
        }};

}  // namespace loupe
