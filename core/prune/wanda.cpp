// SPDX-License-Identifier: Apache-2.0
// Wanda: score |w|·||X_j||_2.
#include "core/prune/pruner.hpp"

#include <cmath>

namespace loupe {

namespace {

using namespace pruner_params;

constexpr ParamSpec kParams[] = {kSparsity, kPattern, kScope};

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    const Result<std::vector<double>> squares = squaredInputNorms(input, ctx);
    if (!squares) {
        return fail(squares.error());
    }
    std::vector<double> norms(squares->size());
    for (std::size_t col = 0; col < norms.size(); ++col) {
        norms[col] = std::sqrt((*squares)[col]);
    }
    return pruneByScore(
        input,
        params,
        false,
        [&](const RowsToScore& rows) {
            for (std::size_t i = 0; i < rows.scores.size(); ++i) {
                rows.scores[i] = std::fabs(rows.weights[i]) * norms[i % norms.size()];
            }
        },
        ctx);
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
    .ladder = kLadder};

}  // namespace loupe
