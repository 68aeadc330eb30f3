// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/linalg/panel_kernels.hpp"

#include <cstdint>
#include <vector>

namespace loupe {

/// Whether products of large matrices go through panels: packed once and used by many tiles, where
/// a BLAS packs again for every call. Measured on an EPYC (Zen 4, 117 GFLOP/s of multiply-adds per
/// core): 105 to 108 GFLOP/s on packed operands; tiles through OpenBLAS 0.3.21 (which runs as
/// Cooperlake there, and no faster as SkylakeX or Haswell) 85 to 100.
[[nodiscard]] bool panelsPay(std::int64_t size);

/// A float matrix X [depth, cols] in panels of kPanel columns, each [depth][kPanel], filled up with
/// zeros. An operand of a product X'Y.
class Panels {
public:
    Panels() = default;
    Panels(std::int64_t depth, std::int64_t cols);

    [[nodiscard]] std::int64_t depth() const { return depth_; }
    [[nodiscard]] std::int64_t cols() const { return cols_; }
    [[nodiscard]] bool empty() const { return values_.empty(); }
    [[nodiscard]] std::int64_t count() const { return (cols_ + kPanel - 1) / kPanel; }
    [[nodiscard]] const float* panel(std::int64_t index) const {
        return values_.data() + lead() + index * depth_ * kPanel;
    }

    /// Takes the columns of rows [0, depth) of `from` [>= depth, cols], on all threads.
    void packColumns(MatrixView<const float> from, const JobContext& ctx);
    /// Takes the rows of `from` [cols, depth] as columns, on all threads.
    void packRows(MatrixView<const float> from, const JobContext& ctx);

    /// For those who pack on their own.
    [[nodiscard]] float* panel(std::int64_t index) {
        return values_.data() + lead() + index * depth_ * kPanel;
    }

private:
    /// Elements up to the first that lies at the start of a cache line.
    [[nodiscard]] std::int64_t lead() const;

    std::int64_t depth_ = 0;
    std::int64_t cols_ = 0;
    std::vector<float> values_;
};

/// One panel from `cols` <= kPanel columns of rows that lie `stride` apart.
void packPanel(
    const float* from, std::int64_t stride, std::int64_t depth, std::int64_t cols, float* to);

/// C += alpha·X'Y for columns [row, row + rows) of X and [col, col + cols) of Y, both beginning at
/// a panel; panels of X before the panel of Y are left out where `lower` is set (X and Y the same).
void addPanelProduct(float alpha,
                     const Panels& x,
                     std::int64_t row,
                     std::int64_t rows,
                     const Panels& y,
                     std::int64_t col,
                     std::int64_t cols,
                     bool lower,
                     float* c,
                     std::int64_t cStride);

}  // namespace loupe
