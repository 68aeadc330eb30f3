// SPDX-License-Identifier: Apache-2.0
// First-order Taylor pruning: score |w·dL/dw|.
#include "core/prune/pruner.hpp"
#include "core/prune/trace_parts.hpp"

#include <cmath>

namespace loupe {

namespace {

using pruner_params::kPattern;
using pruner_params::kScope;
using pruner_params::kSparsity;

constexpr ParamSpec kParams[] = {kSparsity, kPattern, kScope};

Result<ScoreRule> ruleOf(const StepInput&, const Params&, const JobContext&) {
    ScoreRule rule;
    rule.score = [](const RowsToScore& rows) {
        for (std::size_t i = 0; i < rows.scores.size(); ++i) {
            rows.scores[i] = std::fabs(rows.weights[i] * rows.gradients[i]);
        }
    };
    return rule;
}

}  // namespace

extern const ScorePruner kPruner_gradient;
const ScorePruner kPruner_gradient{
    .rule = ruleOf,
    .useGradients = true,
    .formula = "|w·dL/dw|",
    .idea = "To first order the loss changes by w·dL/dw if the weight becomes 0.",
    .caution =
        "It is the product that counts, not a large magnitude and a large gradient each: a "
        "large weight with no gradient costs nothing.",
    .lesson =
        "The sum of |w·g| over pruned weights is an upper bound of the first-order change; "
        "near a minimum the gradients are small and noisy, and the second order decides.",
    .worked = [](double weight, double gradient, double) {
        return joined(
            {"|", trace_parts::number(weight), " · ", trace_parts::factorText(gradient), "|"});
    }};

namespace {

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return pruneByScore(kPruner_gradient, input, params, ctx);
}

Result<std::shared_ptr<const Trace>> trace(const StepInput& input,
                                           const Params& params,
                                           const JobContext& ctx) {
    return tracePruner(kPruner_gradient, input, params, ctx);
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
    .ladder = kLadder,
    .trace = trace};

}  // namespace loupe
