// SPDX-License-Identifier: Apache-2.0
// w^ = alpha·sign(w), alpha = mean|w|.
#include "core/quant/low_bit.hpp"

namespace loupe {

namespace {

constexpr ParamSpec kParams[] = {kLowBitPerParam};

constexpr std::string_view kLadder[] = {"binary"};

}  // namespace

extern const StepDefinition kStep_binary;
const StepDefinition kStep_binary{
    .id = "binary",
    .title = "Binary",
    .summary = "Keeps the sign of each weight, times the mean magnitude.",
    .source = "Rastegari et al. 2016, XNOR-Net, eq. 6 (arXiv:1603.05279)",
    .params = kParams,
    .apply =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return applyLowBit(input, params, LowBitRule::Binary, ctx);
        },
    .family = StepFamily::LowBit,
    .ladder = kLadder,
    .trace =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return traceLowBit(input, params, LowBitRule::Binary, ctx);
        }};

}  // namespace loupe
