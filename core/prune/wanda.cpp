// SPDX-License-Identifier: Apache-2.0
// Wanda: score |w|·||X_j||_2.
#include "core/prune/prune_kernels.hpp"
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
    const Result<std::vector<double>> squares = squaredInputNorms(input, ctx);
    if (!squares) {
        return fail(squares.error());
    }
    std::vector<double> norms(squares->size());
    for (std::size_t col = 0; col < norms.size(); ++col) {
        norms[col] = std::sqrt((*squares)[col]);
    }
    ScoreRule rule;
    rule.inputFactor = norms;
    rule.score = [norms = std::move(norms)](const RowsToScore& rows) {
        const std::size_t cols = norms.size();
        for (std::size_t i = 0; i < rows.scores.size(); i += cols) {
            pruneKernels().weigh(rows.weights.data() + i,
                                 norms.data(),
                                 static_cast<std::int64_t>(cols),
                                 rows.scores.data() + i);
        }
    };
    return rule;
}

}  // namespace

extern const ScorePruner kPruner_wanda;
const ScorePruner kPruner_wanda{
    .rule = ruleOf,
    .formula = "|w|·||X_j||",
    .idea =
        "A weight matters as much as what it is multiplied by: its size times the norm of its "
        "input over the calibration rows.",
    .caution =
        "Only the order within a row counts, so that the scale of the norms does not: a sum "
        "over tokens or a mean gives the same mask.",
    .lesson =
        "Wanda is Optimal Brain Damage on the layer: with the curvature h = 2·||X||^2 of an "
        "input, 1/2·h·w^2 orders as |w|·||X|| does. Nothing is updated, so it costs one pass over "
        "the "
        "inputs.",
    .factorTitle = "Norms of the inputs ||X_j||",
    .worked = [](double weight, double, double factor) {
        return joined({"|", trace_parts::number(weight), "| · ", trace_parts::number(factor)});
    }};

namespace {

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return pruneByScore(kPruner_wanda, input, params, ctx);
}

Result<std::shared_ptr<const Trace>> trace(const StepInput& input,
                                           const Params& params,
                                           const JobContext& ctx) {
    return tracePruner(kPruner_wanda, input, params, ctx);
}

constexpr std::string_view kLadder[] = {
    "wanda", "wanda:pattern=2:4", "wanda:pattern=2:4+absmax:bits=4,group=128"};

}  // namespace

extern const StepDefinition kStep_wanda;
const StepDefinition kStep_wanda{
    .id = "wanda",
    .title = "Wanda",
    .summary =
        "Prunes by |w|·||X_j||: a small weight on a loud input may matter more than a large one on "
        "a quiet input.",
    .source =
        "Sun et al. 2024, A Simple and Effective Pruning Approach for LLMs (arXiv:2306.11695), "
        "section 3",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .needsActivations = true,
    .shortTitle = [](const Params& params) { return prunerTitle("Wanda", params); },
    .family = StepFamily::Pruning,
    .ladder = kLadder,
    .trace = trace};

}  // namespace loupe
