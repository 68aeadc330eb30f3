// SPDX-License-Identifier: Apache-2.0
// Asymmetric uniform quantization. scale = (max-min)/(2^b-1), z = -2^(b-1) - round(min/scale),
// code = clamp(round(w/scale) + z), w^ = scale·(code - z).
#include "core/quant/trace_vectorwise.hpp"
#include "core/quant/uniform.hpp"
#include "core/quant/uniform_params.hpp"

namespace loupe {

namespace {

using namespace uniform_params;

constexpr std::string_view kRange[] = {"full", "restricted"};

constexpr ParamSpec kClipValue{
    .name = "clip_value",
    .type = ParamType::Bound,
    .defaultText = "",
    .min = 0,
    .max = 1e30,
    .label = "Clip at",
    .help = "The range is -value..value, or LOW..HIGH: weights beyond it are clipped.",
    .onlyWith = "clip=value",
    .implies = "clip=value",
    .requiredWith = "clip=value",
    .startText = "1",
    .allowsInterval = true};
constexpr ParamSpec kRangeParam{
    .name = "range",
    .type = ParamType::Choice,
    .defaultText = "full",
    .choices = kRange,
    .label = "Code range",
    .help =
        "full: codes -2^(b-1)..2^(b-1)-1, scale = (max-min)/(2^b-1). restricted: codes "
        "+-(2^(b-1)-1), scale = (max-min)/(2^b-2)."};
constexpr ParamSpec kForceZero{
    .name = "force_zero",
    .type = ParamType::Flag,
    .defaultText = "true",
    .label = "Zero exact",
    .help = "Extends the range to contain 0, so that 0 is a level and the zero point is a code."};

constexpr ParamSpec kParams[] = {kBits,
                                 kPerParam,
                                 kGroup,
                                 kClipParam,
                                 kClipValue,
                                 kPercentile,
                                 kRangeParam,
                                 kForceZero,
                                 kRoundingParam,
                                 kSeed,
                                 kActBits,
                                 kActPerParam,
                                 kActRangeParam};

constexpr std::string_view kLadder[] = {"zeropoint:bits=8,per=row",
                                        "zeropoint:bits=4,group=128",
                                        "zeropoint:bits=4,group=32",
                                        "zeropoint:bits=3,group=128",
                                        "zeropoint:bits=2,group=128"};

}  // namespace

extern const StepDefinition kStep_zeropoint;
const StepDefinition kStep_zeropoint{
    .id = "zeropoint",
    .title = "Zero-point, asymmetric",
    .summary =
        "Spreads all codes between the smallest and the largest weight of the group; an integer "
        "zero point shifts them.",
    .source = "Jacob et al. 2018, eq. 1 (arXiv:1712.05877)",
    .params = kParams,
    .apply = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return applyUniform(input, params, true, ctx); },
    .shortTitle = [](const Params& params) { return uniformTitle("Zero-point", params); },
    .family = StepFamily::Uniform,
    .ladder = kLadder,
    .trace =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return isIntegerProduct(params) ? traceVectorwise(input, params, true, ctx)
                                            : traceUniform(input, params, true, ctx);
        }};

}  // namespace loupe
