// SPDX-License-Identifier: Apache-2.0
// Runs a kernel's plan on the executor and compares its output with the FP64 reference.
#pragma once

#include "gpu/kernels/kernel.hpp"

#include <string>
#include <vector>

namespace loupe::test {

struct PlanOutcome {
    std::string error;
    std::vector<std::string> remarks;
    std::vector<float> output;
    double relativeError = 0;              ///< Frobenius; NaN if the output holds one
    std::vector<gpu::CountRecord> counts;  ///< of every step
};

/// Outputs start as NaN, scratch as 0xFF bytes. Stops at the first step with an error.
[[nodiscard]] PlanOutcome runPlan(const gpu::LaunchPlan& plan, gpu::simt::LaunchOptions options);
/// plan and reference of a matrix product.
[[nodiscard]] PlanOutcome runMatmul(const gpu::Kernel& kernel,
                                    const gpu::MatmulShape& shape,
                                    const gpu::simt::LaunchOptions& options);
[[nodiscard]] PlanOutcome runAttention(const gpu::Kernel& kernel,
                                       const gpu::AttentionShape& shape,
                                       const gpu::simt::LaunchOptions& options);
/// ‖out − reference‖_F / ‖reference‖_F
[[nodiscard]] double relativeError(std::span<const float> out, std::span<const double> reference);

}  // namespace loupe::test
