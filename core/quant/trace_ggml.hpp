// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/ggml_codes.hpp"
#include "core/scheme/trace.hpp"

#include <memory>

namespace loupe {

/// How blocks of a ggml type are made: the scale of each part with all that is tried for it, the
/// scales as the block stores them, codes, result. `output` is what the step's apply() gave for
/// `input`.
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceGgml(const StepInput& input,
                                                             const StepOutput& output,
                                                             const BlockLayout& layout,
                                                             const GgmlCodes& type);

}  // namespace loupe
