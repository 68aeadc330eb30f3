// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/step.hpp"

#include <memory>

namespace loupe {

/// Are both sides integers with scales that come out of the sum over inputs: quantized activations,
/// and one weight scale per tensor or row?
[[nodiscard]] bool isIntegerProduct(const Params& params);

/// absmax or zeropoint with quantized activations as integer hardware works it out: codes of both
/// sides, int32 accumulators, the zero-point corrections, the scales.
/// @errors those of applyUniform; Unsupported: stochastic rounding; Invalid: int32 overflows
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceVectorwise(const StepInput& input,
                                                                   const Params& params,
                                                                   bool asymmetric,
                                                                   const JobContext& ctx);

}  // namespace loupe
