// SPDX-License-Identifier: Apache-2.0
#include "core/quant/blockwise.hpp"

namespace loupe {

namespace {
constexpr std::string_view kLadder[] = {"nf4", "nf4:double=true"};
}  // namespace

extern const StepDefinition kStep_nf4;
const StepDefinition kStep_nf4{
    .id = "nf4",
    .title = "NF4",
    .summary =
        "Divides by the block's largest magnitude and takes the nearest of 16 normal quantiles.",
    .source = "Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3",
    .params = blockwiseParams(),
    .apply = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return applyBlockwise(input, params, "nf4", ctx); },
    .shortTitle = [](const Params& params) { return blockwiseTitle("NF4", params); },
    .family = StepFamily::Codebook,
    .ladder = kLadder,
    .trace = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return traceBlockwise(input, params, "nf4", ctx); }};

}  // namespace loupe
