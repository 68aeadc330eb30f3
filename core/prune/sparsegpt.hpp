// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/prune/layer_problem.hpp"
#include "core/prune/sparsegpt_solver.hpp"
#include "core/scheme/step.hpp"
#include "core/scheme/trace.hpp"

#include <optional>

namespace loupe {

/// One run of SparseGPT on a layer: what apply() and the trace share.
template <class T>
struct SparseGptRun {
    LayerProblem<T> problem;  ///< dense weights and, where it was asked for, H
    HessianFactor<T> factor;
    std::optional<RowGrids> grids;
    SparseGptSpec spec;
    Matrix<T> solved;
    SparseGptResult result;
};

/// The sweep runs in double for FP64 weights and up to 1,024 inputs, else in float.
[[nodiscard]] inline bool sparseGptInDouble(const StepInput& input) {
    constexpr std::int64_t kMostInDouble = 1024;
    return input.weights->isDouble() || input.weights->cols() <= kMostInDouble;
}

/// @param keepHessian for traces: H stays in run.problem (the factorization works on a copy), and
///                    the factor is whole
/// @errors those of the data; Invalid: not positive definite
template <class T>
[[nodiscard]] Result<void> runSparseGpt(const StepInput& input,
                                        const Params& params,
                                        bool keepHessian,
                                        SparseGptRecorder<T>* recorder,
                                        const JobContext& ctx,
                                        SparseGptRun<T>& run);

/// The step's output from a run.
template <class T>
[[nodiscard]] StepOutput outputOf(const StepInput& input, SparseGptRun<T>& run);

[[nodiscard]] Result<std::shared_ptr<const Trace>> traceSparseGpt(const StepInput& input,
                                                                  const Params& params,
                                                                  const JobContext& ctx);

}  // namespace loupe
