// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/pipeline.hpp"
#include "core/scheme/trace.hpp"

namespace loupe {

/// Tells a scheme's last step state by state; the steps before it are applied first.
/// @errors Unsupported: the step cannot be told, or the layer is larger than kMostTracedWeights
///         (take a slice); those of the steps
/// @cost   states × panels × cells; up to some 100 MB
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceScheme(const Scheme& scheme,
                                                               const SchemeInput& input,
                                                               const JobContext& ctx = {});

}  // namespace loupe
