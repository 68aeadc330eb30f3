// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/step.hpp"

#include <string>
#include <string_view>

namespace loupe {

/// How codes in {-1, 0, 1} and their scale alpha are found from the weights of a row or tensor.
enum class LowBitRule : std::uint8_t {
    Binary,   ///< code = sign(w), alpha = mean|w|: the least-squares choice
    Twn,      ///< 0 where |w| <= 0.7·mean|w|, alpha = mean of the |w| above it
    AbsMean,  ///< code = clamp(round(w/alpha)), alpha = mean|w|
};

inline constexpr std::string_view kLowBitPer[] = {"row", "tensor"};
inline constexpr ParamSpec kLowBitPerParam{
    .name = "per",
    .type = ParamType::Choice,
    .defaultText = "row",
    .choices = kLowBitPer,
    .label = "Scale per",
    .help = "One scale for each output channel (row), or one for all."};

/// Applies binary or ternary. Weights that an earlier mask dropped count in no mean.
/// @errors Invalid: NaN or infinite weights naming row and column
/// @cost   one pass over the weights (two for Twn), on all threads; memory O(rows)
[[nodiscard]] Result<StepOutput> applyLowBit(const StepInput& input,
                                             const Params& params,
                                             LowBitRule rule,
                                             const JobContext& ctx);
/// The same told state by state.
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceLowBit(const StepInput& input,
                                                               const Params& params,
                                                               LowBitRule rule,
                                                               const JobContext& ctx);

}  // namespace loupe
