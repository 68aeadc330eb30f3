// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/scaled_rows.hpp"
#include "core/quant/uniform.hpp"

#include <memory>
#include <vector>

namespace loupe {

/// Everything that SmoothQuant decided.
struct SmoothQuantResult {
    std::vector<double> xMost;                     ///< [in], largest |x| of the calibration tokens
    std::vector<double> wMost;                     ///< [in], largest |w|
    ChannelScale scale;                            ///< s [in]
    std::shared_ptr<const UniformMatrix> weights;  ///< W·s on its grids
    std::shared_ptr<const UniformMatrix> activations;  ///< X/s on its grids
};

inline constexpr double kLeastMaximum = 1e-5;  ///< of both maxima, as the authors' code

/// @errors Missing: no activations; Invalid: NaN or infinite weights or activations
[[nodiscard]] Result<SmoothQuantResult> smoothAndQuantize(const StepInput& input,
                                                          const Params& params,
                                                          const JobContext& ctx);
[[nodiscard]] StepOutput smoothQuantOutput(const StepInput& input, const SmoothQuantResult& result);

/// The grid of one side: absmax, per row (token) or for all.
[[nodiscard]] UniformSpec smoothQuantSpec(std::int64_t bits, bool perRow);

/// smoothquant told state by state. @errors as smoothAndQuantize
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceSmoothQuant(const StepInput& input,
                                                                    const Params& params,
                                                                    const JobContext& ctx);

}  // namespace loupe
