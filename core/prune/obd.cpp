// SPDX-License-Identifier: Apache-2.0
// Optimal Brain Damage on the layer-wise problem: score 1/2 h w^2, h_jj = 2·||X_j||^2.
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
    return pruneByScore(
        input,
        params,
        false,
        [&](const RowsToScore& rows) {
            for (std::size_t i = 0; i < rows.scores.size(); ++i) {
                const double hessian = 2 * (*squares)[i % squares->size()];
                rows.scores[i] = 0.5 * hessian * (rows.weights[i] * rows.weights[i]);
            }
        },
        ctx);
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
    .ladder = kLadder};

}  // namespace loupe
