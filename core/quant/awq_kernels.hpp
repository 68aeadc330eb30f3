// SPDX-License-Identifier: Apache-2.0
#pragma once

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
};

/// The table for cpuTarget().
[[nodiscard]] const AwqKernels& awqKernels();

}  // namespace loupe
