// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/step.hpp"

#include <array>
#include <limits>
#include <span>
#include <string_view>

namespace loupe::uniform_params {

// Rows of the parameter tables that steps on integer grids share. Only constants: each step's file
// assembles its table.

inline constexpr std::string_view kPer[] = {"tensor", "row", "column", "group"};
inline constexpr std::string_view kClip[] = {"none", "value", "percentile", "mse", "entropy"};
inline constexpr std::string_view kRounding[] = {"nearest", "stochastic"};
inline constexpr std::string_view kActPer[] = {"token", "tensor"};
inline constexpr std::string_view kActRange[] = {"dynamic", "max", "percentile", "mse", "entropy"};

inline constexpr ParamSpec kBits{.name = "bits",
                                 .type = ParamType::Integer,
                                 .defaultText = "8",
                                 .min = 2,
                                 .max = 16,
                                 .label = "Bits",
                                 .help = "Width b of a code: 2^b integer levels at most.",
                                 .unit = "bit"};
inline constexpr ParamSpec kPerParam{
    .name = "per",
    .type = ParamType::Choice,
    .defaultText = "tensor",
    .choices = kPer,
    .label = "Scale per",
    .help =
        "Which weights share a scale: all, an output channel (row), an input channel "
        "(column), or a group of neighbours in a row."};
inline constexpr ParamSpec kGroup{
    .name = "group",
    .type = ParamType::Integer,
    .defaultText = "128",
    .min = 1,
    .max = 1 << 30,
    .label = "Group size",
    .help =
        "Neighbouring inputs of a row that share a scale; the last group of a row may be shorter.",
    .unit = "weights",
    .powersOfTwo = true,
    .onlyWith = "per=group",
    .implies = "per=group",
    .alwaysWritten = true};
inline constexpr ParamSpec kClipParam{
    .name = "clip",
    .type = ParamType::Choice,
    .defaultText = "none",
    .choices = kClip,
    .label = "Clip",
    .help =
        "How the bound a is found: the largest |w|, a fixed value, a quantile of |w|, the "
        "least squared error, or the least KL divergence of the histogram."};
inline constexpr ParamSpec kPercentile{
    .name = "percentile",
    .type = ParamType::Real,
    .defaultText = "99.9",
    .min = 0,
    .max = 100,
    .label = "Percentile",
    .help = "a = this quantile of |w| in the group, linear interpolation.",
    .unit = "%",
    .onlyWith = "clip=percentile",
    .implies = "clip=percentile"};
inline constexpr ParamSpec kRoundingParam{
    .name = "rounding",
    .type = ParamType::Choice,
    .defaultText = "nearest",
    .choices = kRounding,
    .label = "Rounding",
    .help =
        "nearest: ties to even. stochastic: up with probability equal to the fraction, "
        "unbiased but twice the squared error."};
inline constexpr ParamSpec kSeed{
    .name = "seed",
    .type = ParamType::Integer,
    .defaultText = "0",
    .min = 0,
    .max = 9007199254740991.0,
    .label = "Seed",
    .help = "Of the random numbers: each depends on the seed and the element's index alone.",
    .onlyWith = "rounding=stochastic"};
inline constexpr ParamSpec kActBits{
    .name = "act_bits",
    .type = ParamType::Integer,
    .defaultText = "",
    .min = 2,
    .max = 16,
    .label = "Activation bits",
    .help = "Quantize the activations too, to this many bits; absent: weights only.",
    .unit = "bit"};
inline constexpr ParamSpec kActPerParam{
    .name = "act_per",
    .type = ParamType::Choice,
    .defaultText = "token",
    .choices = kActPer,
    .label = "Activation scale per",
    .help = "One scale for each token (row of X, always from the live values), or one for all.",
    .onlyWith = "act_bits"};
inline constexpr ParamSpec kActRangeParam{
    .name = "act_range",
    .type = ParamType::Choice,
    .defaultText = "dynamic",
    .choices = kActRange,
    .label = "Activation range",
    .help =
        "dynamic: from the live tensor. max, percentile (99.9), mse, entropy: fixed from "
        "the calibration rows; values beyond clip.",
    .onlyWith = "act_per=tensor"};

// Of awq and hqq, whose groups have a zero point each.
inline constexpr ParamSpec kGroupBits{.name = "bits",
                                      .type = ParamType::Integer,
                                      .defaultText = "4",
                                      .min = 2,
                                      .max = 8,
                                      .label = "Bits",
                                      .help = "Width b of a code: 2^b integer levels.",
                                      .unit = "bit"};
constexpr ParamSpec groupSize(std::string_view defaultText) {
    return {.name = "group",
            .type = ParamType::Integer,
            .defaultText = defaultText,
            .min = 1,
            .max = 1 << 30,
            .label = "Group size",
            .help =
                "Neighbouring inputs of a row that share a scale and a zero point; the last "
                "group of a row may be shorter.",
            .unit = "weights",
            .powersOfTwo = true,
            .alwaysWritten = true};
}

}  // namespace loupe::uniform_params
