// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gpu/cuda/library_case.hpp"

#include <string_view>

namespace loupe::gpu::cuda {

/// Buffers 0 x, 1 w, 2 y, 3 workspace (empty), 4 and 5 the scales of x and w (fp8), formats,
/// tolerance and bytes of a product; no call yet.
/// @errors Invalid: a value that the format does not hold
[[nodiscard]] Result<LibraryCase> makeOperands(std::string_view arithmetic,
                                               const MatmulProblem& problem);

}  // namespace loupe::gpu::cuda
