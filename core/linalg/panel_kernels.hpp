// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// Columns of a panel: [depth][kPanel] floats, a row of the panel after the other.
inline constexpr std::int64_t kPanel = 32;

/// panel_kernels.inc, one function per instruction set. Where there are fused multiply-adds they
/// are used: bits differ between instruction sets, as those of any BLAS do, never with threads.
struct PanelKernels {
    /// C [rows, cols] += alpha·A'B of one panel each, rows and cols <= kPanel: A [depth][kPanel],
    /// of which the first `rows` columns are taken, and B [depth][kPanel]. What lies beyond in C is
    /// not touched; `rows` beyond a multiple of 8 are read from A and must be there.
    void (*addProduct)(float alpha,
                       const float* a,
                       const float* b,
                       std::int64_t depth,
                       float* c,
                       std::int64_t cStride,
                       std::int64_t rows,
                       std::int64_t cols);
    bool fused = false;  ///< has fused multiply-adds: faster than what a BLAS makes of small tiles
};

/// The table for cpuTarget().
[[nodiscard]] const PanelKernels& panelKernels();

}  // namespace loupe
