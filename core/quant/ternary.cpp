// SPDX-License-Identifier: Apache-2.0
// w^ = alpha·{-1, 0, 1}: by a threshold (TWN) or by rounding (absmean).
#include "core/quant/low_bit.hpp"

namespace loupe {

namespace {

constexpr std::string_view kRules[] = {"twn", "absmean"};
constexpr ParamSpec kParams[] = {
    kLowBitPerParam,
    {.name = "rule",
     .type = ParamType::Choice,
     .defaultText = "twn",
     .choices = kRules,
     .label = "Rule",
     .help = "twn: zero where |w| <= 0.7·mean|w|, scale = mean of the rest. absmean: scale = "
             "mean|w|, code = round(w/scale) clamped to -1..1."}};

constexpr std::string_view kLadder[] = {"ternary", "ternary:rule=absmean"};

}  // namespace

extern const StepDefinition kStep_ternary;
const StepDefinition kStep_ternary{
    .id = "ternary",
    .title = "Ternary",
    .summary = "Three values per scale: minus, zero, plus.",
    .source =
        "Li et al. 2016, Ternary Weight Networks, section 2 (arXiv:1605.04711); Ma et al. "
        "2024, BitNet b1.58 (arXiv:2402.17764)",
    .params = kParams,
    .apply =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return applyLowBit(input,
                               params,
                               params.is("rule", "twn") ? LowBitRule::Twn : LowBitRule::AbsMean,
                               ctx);
        },
    .family = StepFamily::LowBit,
    .ladder = kLadder,
    .trace =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return traceLowBit(input,
                               params,
                               params.is("rule", "twn") ? LowBitRule::Twn : LowBitRule::AbsMean,
                               ctx);
        }};

}  // namespace loupe
