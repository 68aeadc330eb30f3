// SPDX-License-Identifier: Apache-2.0
// Optimal Brain Damage on the layer-wise problem: score 1/2 h w^2, h_jj = 2·||X_j||^2.
#include "core/prune/pruner.hpp"
#include "core/prune/trace_parts.hpp"

#include <cmath>

namespace loupe {

namespace {

using pruner_params::kPattern;
using pruner_params::kScope;
using pruner_params::kSparsity;

constexpr ParamSpec kParams[] = {kSparsity, kPattern, kScope};

Result<ScoreRule> ruleOf(const StepInput& input, const Params&, const JobContext& ctx) {
    Result<std::vector<double>> squares = squaredInputNorms(input, ctx);
    if (!squares) {
        return fail(squares.error());
    }
    std::vector<double> diagonal = std::move(*squares);
    for (double& h : diagonal) {
        h *= 2;
    }
    ScoreRule rule;
    rule.inputFactor = diagonal;
    rule.score = [diagonal = std::move(diagonal)](const RowsToScore& rows) {
        const std::size_t cols = diagonal.size();
        for (std::size_t i = 0; i < rows.scores.size(); i += cols) {
            for (std::size_t col = 0; col < cols; ++col) {
                const double weight = rows.weights[i + col];
                rows.scores[i + col] = 0.5 * diagonal[col] * (weight * weight);
            }
        }
    };
    return rule;
}

}  // namespace

extern const ScorePruner kPruner_obd;
const ScorePruner kPruner_obd{
    .rule = ruleOf,
    .formula = "1/2·h_jj·w^2",
    .idea =
        "At a minimum the gradient is 0, and with a diagonal Hessian the loss grows by "
        "1/2·h_jj·w^2 if the weight goes.",
    .caution =
        "The sum of these is the loss only over the pruned weights, and only if the Hessian "
        "really is diagonal. H = X'X and H = 2X'X give the same mask.",
    .lesson =
        "With h = 2·||X||^2 of each input this is the order of Wanda. What it leaves out are the "
        "terms "
        "off the diagonal, with which the other weights could make up for the pruned one "
        "(Optimal Brain Surgeon).",
    .factorTitle = "Diagonal of H: 2·||X_j||^2",
    .worked = [](double weight, double, double factor) {
        return joined(
            {"1/2 · ", trace_parts::number(factor), " · ", trace_parts::factorText(weight), "^2"});
    }};

namespace {

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return pruneByScore(kPruner_obd, input, params, ctx);
}

Result<std::shared_ptr<const Trace>> trace(const StepInput& input,
                                           const Params& params,
                                           const JobContext& ctx) {
    return tracePruner(kPruner_obd, input, params, ctx);
}

constexpr std::string_view kLadder[] = {"obd"};

}  // namespace

extern const StepDefinition kStep_obd;
const StepDefinition kStep_obd{
    .id = "obd",
    .title = "Optimal Brain Damage",
    .summary =
        "Prunes by 1/2·h·w^2 with h = 2·sum x_j^2, the diagonal of the layer-wise Hessian: the "
        "order is that of Wanda.",
    .source = "LeCun, Denker, Solla 1989, Optimal Brain Damage (NeurIPS 2), section 2",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .needsActivations = true,
    .shortTitle = [](const Params& params) { return prunerTitle("OBD", params); },
    .family = StepFamily::Pruning,
    .ladder = kLadder,
    .trace = trace};

}  // namespace loupe
