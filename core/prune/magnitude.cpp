// SPDX-License-Identifier: Apache-2.0
// Magnitude pruning: score |w|.
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
        false,
        [&](const RowsToScore& rows) {
            for (std::size_t i = 0; i < rows.scores.size(); ++i) {
                rows.scores[i] = std::fabs(rows.weights[i]);
            }
        },
        ctx);
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
    .ladder = kLadder};

}  // namespace loupe
