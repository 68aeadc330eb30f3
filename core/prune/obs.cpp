// SPDX-License-Identifier: Apache-2.0
// Optimal Brain Surgeon on the layer-wise problem: one weight at a time, the cheapest first, and
// all that are left in its row make up for it.
#include "core/prune/obs.hpp"

#include "core/prune/pruner.hpp"
#include "core/prune/solved_matrix.hpp"

#include <algorithm>

namespace loupe {

namespace {

using pruner_params::kPattern;
using pruner_params::kScope;
using pruner_params::kSparsity;

constexpr ParamSpec kParams[] = {kSparsity, kPattern, kScope};

/// Is an input (almost) a combination of the others? 1/(U_ii²·H_ii) is the share of it that is not.
bool isSingular(const HessianFactor<double>& factor) {
    constexpr double kLeastShare = 1e-10;
    for (std::int64_t i = 0; i < factor.upper.rows(); ++i) {
        const double u = factor.upper(i, i);
        if (!(u * u * factor.diagonal[static_cast<std::size_t>(i)] * kLeastShare < 1)) {
            return true;
        }
    }
    return false;
}

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    Result<ObsRun> run = prepareObs(input, ctx);
    if (!run) {
        return fail(run.error());
    }
    run->solved = std::move(run->problem.weights);
    run->result =
        solveObs(run->solved, run->inverse, input.mask.get(), selectionOf(params), nullptr, ctx);
    return outputOf(input, *run);
}

constexpr std::string_view kLadder[] = {"obs"};

}  // namespace

Result<ObsRun> prepareObs(const StepInput& input, const JobContext& ctx) {
    Result<LayerProblem<double>> problem = readLayerProblem<double>(input, ctx);
    if (!problem) {
        return fail(problem.error());
    }
    ObsRun run;
    run.problem = std::move(*problem);
    constexpr double kDamp = 0.01;
    Result<HessianFactor<double>> factor = factorHessian<double>(run.problem.hessian, 0, {}, ctx);
    if (!factor || isSingular(*factor)) {
        factor = factorHessian<double>(run.problem.hessian, kDamp, {}, ctx);
    }
    if (!factor) {
        return fail(factor.error());
    }
    run.damping = factor->damping;
    run.inverse = inverseOf<double>(*factor, ctx);
    clearDeadColumns(*factor, run.problem.weights);
    return run;
}

StepOutput outputOf(const StepInput& input, const ObsRun& run) {
    return solvedOutput(
        input, std::make_shared<SolvedMatrix>(input.weights, run.solved), run.result.mask);
}

extern const StepDefinition kStep_obs;
const StepDefinition kStep_obs{
    .id = "obs",
    .title = "Optimal Brain Surgeon",
    .summary =
        "Removes the weight whose loss 1/2·w^2/[inv(H)]_qq is smallest and moves all others of "
        "its row to make up for it, again and again.",
    .source =
        "Hassibi, Stork, Wolff 1993, Optimal Brain Surgeon (ICNN), section 2; row by row as "
        "Frantar, Alistarh 2022, Optimal Brain Compression (arXiv:2208.11580), section 4",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .needsActivations = true,
    .shortTitle = [](const Params& params) { return prunerTitle("OBS", params); },
    .family = StepFamily::Pruning,
    .isSolver = true,
    .ladder = kLadder,
    .trace = traceObs};

}  // namespace loupe
