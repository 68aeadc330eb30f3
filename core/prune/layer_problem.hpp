// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/quant/hessian.hpp"
#include "core/scheme/step.hpp"

namespace loupe {

/// What the solvers that prune work on: the weights and H = 2X'X over the calibration rows.
template <class T>
struct LayerProblem {
    Matrix<T> weights;
    Matrix<T> hessian;
};

/// @errors Missing: activations; Invalid: shapes, a value that is not finite (row and column), no
///         calibration rows
template <class T>
[[nodiscard]] Result<LayerProblem<T>> readLayerProblem(const StepInput& input,
                                                       const JobContext& ctx);

/// The weights of inputs that never were anything but 0 do nothing: they become 0.
template <class T>
void clearDeadColumns(const HessianFactor<T>& factor, Matrix<T>& weights);

/// 1/2·tr(D·H·D') of D = before - after with H + damping·I: the loss that a solver's steps sum to.
/// What no input ever reached counts nothing.
template <class T>
[[nodiscard]] double dampedLoss(const Matrix<T>& before,
                                const Matrix<double>& after,
                                const Matrix<T>& hessian,
                                double damping,
                                const JobContext& ctx);

}  // namespace loupe
