// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/linalg/panel_kernels.hpp"

#include <cstdint>

namespace loupe {

/// Hot loops of AWQ's scale search; awq_kernels.inc, one table per instruction set. The arithmetic
/// is that of the step itself, value by value: nothing is reordered.
struct AwqKernels {
    /// out = w·s, with the smallest and largest of them. Input is finite.
    void (*scale)(
        const float* w, const float* s, std::int64_t count, float* out, float* low, float* high);
    /// out = w^ - w, where w^ = gridScale·clamp(round(scaled / gridScale)) / s, levels in [low,
    /// high].
    void (*errors)(const float* w,
                   const float* scaled,
                   const float* s,
                   std::int64_t count,
                   float gridScale,
                   float low,
                   float high,
                   float* out);

    // The same for kPanel rows of weights that lie in the lanes of vectors: [count][kPanel].
    /// Smallest and largest w·s of each row.
    void (*extentsOfLanes)(
        const float* w, const float* s, std::int64_t count, float* low, float* high);
    /// errors() of each row on its own grid.
    void (*errorsOfLanes)(const float* w,
                          const float* s,
                          std::int64_t count,
                          const float* gridScales,
                          const float* lows,
                          const float* highs,
                          float* out);
    /// Σ a·b over [count][kPanel] in double, each lane on its own and the lanes then in order.
    double (*sumOfProducts)(const float* a, const float* b, std::int64_t count);
};

/// The table for cpuTarget().
[[nodiscard]] const AwqKernels& awqKernels();

}  // namespace loupe
