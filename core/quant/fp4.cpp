// SPDX-License-Identifier: Apache-2.0
#include "core/quant/blockwise.hpp"

namespace loupe {

namespace {
constexpr std::string_view kLadder[] = {"fp4"};
}  // namespace

extern const StepDefinition kStep_fp4;
const StepDefinition kStep_fp4{
    .id = "fp4",
    .title = "FP4",
    .summary =
        "Divides by the block's largest magnitude and takes the nearest value of a 4-bit float.",
    .source = "bitsandbytes 0.50.2, functional.py",
    .params = blockwiseParams(),
    .apply = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return applyBlockwise(input, params, "fp4_bnb", ctx); },
    .shortTitle = [](const Params& params) { return blockwiseTitle("FP4", params); },
    .family = StepFamily::Codebook,
    .ladder = kLadder,
    .trace = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return traceBlockwise(input, params, "fp4_bnb", ctx); }};

}  // namespace loupe
