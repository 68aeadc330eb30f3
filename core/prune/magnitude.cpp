// SPDX-License-Identifier: Apache-2.0
// Magnitude pruning: score |w|.
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
            rows.scores[i] = std::fabs(rows.weights[i]);
        }
    };
    return rule;
}

}  // namespace

extern const ScorePruner kPruner_magnitude;
const ScorePruner kPruner_magnitude{
    .rule = ruleOf,
    .formula = "|w|",
    .idea = "A weight near zero adds little to the output, whatever it is multiplied by.",
    .caution =
        "Not O(1), as is sometimes said: the threshold needs a sort or a selection over all "
        "mn weights. The loss that is given up is 1/2·sum w_k^2 over the pruned k only.",
    .lesson =
        "Magnitude looks at the weights alone: it keeps large weights on inputs that are "
        "hardly ever on, and prunes small weights on the loudest input of the layer.",
    .worked = [](double weight, double, double) {
        return joined({"|", trace_parts::number(weight), "|"});
    }};

namespace {

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return pruneByScore(kPruner_magnitude, input, params, ctx);
}

Result<std::shared_ptr<const Trace>> trace(const StepInput& input,
                                           const Params& params,
                                           const JobContext& ctx) {
    return tracePruner(kPruner_magnitude, input, params, ctx);
}

constexpr std::string_view kLadder[] = {"magnitude", "magnitude:pattern=2:4"};

}  // namespace

extern const StepDefinition kStep_magnitude;
const StepDefinition kStep_magnitude{
    .id = "magnitude",
    .title = "Magnitude pruning",
    .summary =
        "Prunes the weights nearest to zero: a small weight is taken to matter little, whatever it "
        "is multiplied by.",
    .source =
        "Han et al. 2015, Learning both Weights and Connections (arXiv:1506.02626), section 3",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .shortTitle = [](const Params& params) { return prunerTitle("Magnitude", params); },
    .family = StepFamily::Pruning,
    .ladder = kLadder,
    .trace = trace};

}  // namespace loupe
