// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/prune/layer_problem.hpp"
#include "core/prune/obs_solver.hpp"
#include "core/scheme/step.hpp"
#include "core/scheme/trace.hpp"

namespace loupe {

/// One run of Optimal Brain Surgeon on a layer: what apply() and the trace share.
struct ObsRun {
    LayerProblem<double> problem;  ///< dense weights, and H without damping
    double damping = 0;            ///< what was added to its diagonal
    Matrix<double> inverse;
    Matrix<double> solved;
    ObsResult result;
};

/// Reads, factors and inverts: all but the surgery. H is damped (by 1 % of the mean of its
/// diagonal) only where it is singular: an input that the others give to 1 part in 10^10.
/// @errors those of the data
[[nodiscard]] Result<ObsRun> prepareObs(const StepInput& input, const JobContext& ctx);

[[nodiscard]] StepOutput outputOf(const StepInput& input, const ObsRun& run);

[[nodiscard]] Result<std::shared_ptr<const Trace>> traceObs(const StepInput& input,
                                                            const Params& params,
                                                            const JobContext& ctx);

}  // namespace loupe
