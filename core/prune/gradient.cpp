// SPDX-License-Identifier: Apache-2.0
// First-order Taylor pruning: score |w·dL/dw|.
#include "core/prune/pruner.hpp"

#include <cmath>

namespace loupe {

namespace {

using namespace pruner_params;

constexpr ParamSpec kParams[] = {kSparsity, kPattern, kScope};

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return pruneByScore(
        input,
        params,
        true,
        [&](const RowsToScore& rows) {
            for (std::size_t i = 0; i < rows.scores.size(); ++i) {
                rows.scores[i] = std::fabs(rows.weights[i] * rows.gradients[i]);
            }
        },
        ctx);
}

constexpr std::string_view kLadder[] = {"gradient"};

}  // namespace

extern const StepDefinition kStep_gradient;
const StepDefinition kStep_gradient{
    .id = "gradient",
    .title = "Gradient pruning",
    .summary = "Prunes the weights whose removal changes the loss least to first order: |w·dL/dw|.",
    .source =
        "Molchanov et al. 2017, Pruning Convolutional Neural Networks (arXiv:1611.06440), section "
        "2.2",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .needsGradients = true,
    .shortTitle = [](const Params& params) { return prunerTitle("Gradient", params); },
    .family = StepFamily::Pruning,
    .ladder = kLadder};

}  // namespace loupe
