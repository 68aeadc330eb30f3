// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/coded_matrix.hpp"
#include "core/quant/gptq_sweep.hpp"
#include "core/scheme/step.hpp"
#include "core/scheme/trace.hpp"

#include <memory>
#include <vector>

namespace loupe {

/// Layers of up to this many inputs, and FP64 weights, are solved in double; larger ones in float,
/// as the reference does, in half of the time and memory.
inline constexpr std::int64_t kMostInputsInDouble = 1024;

[[nodiscard]] inline bool solvesInDouble(const RowSource& weights) {
    return weights.isDouble() || weights.cols() <= kMostInputsInDouble;
}

/// GPTQ up to its sweep.
template <class T>
struct GptqSetup {
    SweepSpec spec;
    HessianFactor<T> factor;
    Matrix<T> hessian;  ///< natural order, undamped; empty unless asked for
};

/// @param keepHessian  for traces: factoring destroys it
/// @errors Missing: activations; Invalid: their values, a Hessian that cannot be factored
template <class T>
[[nodiscard]] Result<GptqSetup<T>> setUpGptq(const StepInput& input,
                                             const Params& params,
                                             bool keepHessian,
                                             const JobContext& ctx);

/// The step's result of a sweep.
[[nodiscard]] std::shared_ptr<const CodedMatrix> codedBy(GptqSweepResult result,
                                                         const StepInput& input,
                                                         int bits);

/// Told column by column. @errors as apply()
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceGptq(const StepInput& input,
                                                             const Params& params,
                                                             const JobContext& ctx);

}  // namespace loupe
