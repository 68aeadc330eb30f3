// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/panels.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"

#include <algorithm>

namespace loupe {

namespace {

constexpr std::int64_t kLine = 64 / sizeof(float);
constexpr std::int64_t kDepth = 256;  ///< of a slice: a panel of it stays in the first cache

/// One panel from `cols` rows of `depth` values.
void packTransposed(
    const float* from, std::int64_t stride, std::int64_t depth, std::int64_t cols, float* to) {
    for (std::int64_t first = 0; first < depth; first += kLine) {
        const std::int64_t last = std::min(depth, first + kLine);
        for (std::int64_t col = 0; col < cols; ++col) {
            const float* const row = from + col * stride;
            for (std::int64_t k = first; k < last; ++k) {
                to[k * kPanel + col] = row[k];
            }
        }
    }
}

}  // namespace

bool panelsPay(std::int64_t size) {
    return size >= 1024 && panelKernels().fused;
}

Panels::Panels(std::int64_t depth, std::int64_t cols)
    : depth_(depth),
      cols_(cols),
      values_(static_cast<std::size_t>(count() * depth * kPanel + kLine)) {}

std::int64_t Panels::lead() const {
    const auto place = reinterpret_cast<std::uintptr_t>(values_.data()) / sizeof(float);
    return (kLine - static_cast<std::int64_t>(place % kLine)) % kLine;
}

void packPanel(
    const float* from, std::int64_t stride, std::int64_t depth, std::int64_t cols, float* to) {
    for (std::int64_t k = 0; k < depth; ++k) {
        if (cols == kPanel) {  // of a size that is known: no call
            std::copy_n(from + k * stride, kPanel, to + k * kPanel);
        } else {
            std::copy_n(from + k * stride, cols, to + k * kPanel);
        }
    }
}

void Panels::packColumns(MatrixView<const float> from, const JobContext& ctx) {
    LOUPE_ASSERT(from.rows >= depth_ && from.cols == cols_, "as many as there is room for");
    parallelFor(count(), 4, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t p = begin; p < end; ++p) {
            packPanel(from.data + p * kPanel,
                      from.rowStride,
                      depth_,
                      std::min(kPanel, cols_ - p * kPanel),
                      panel(p));
        }
    });
}

void Panels::packRows(MatrixView<const float> from, const JobContext& ctx) {
    LOUPE_ASSERT(from.rows == cols_ && from.cols >= depth_, "as many as there is room for");
    parallelFor(count(), 4, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t p = begin; p < end; ++p) {
            packTransposed(from.data + p * kPanel * from.rowStride,
                           from.rowStride,
                           depth_,
                           std::min(kPanel, cols_ - p * kPanel),
                           panel(p));
        }
    });
}

void addPanelProduct(float alpha,
                     const Panels& x,
                     std::int64_t row,
                     std::int64_t rows,
                     const Panels& y,
                     std::int64_t col,
                     std::int64_t cols,
                     bool lower,
                     float* c,
                     std::int64_t cStride) {
    const PanelKernels& kernels = panelKernels();
    for (std::int64_t k = 0; k < x.depth(); k += kDepth) {
        const std::int64_t depth = std::min(kDepth, x.depth() - k);
        for (std::int64_t j = 0; j < cols; j += kPanel) {
            const float* const right = y.panel((col + j) / kPanel) + k * kPanel;
            const std::int64_t top = lower ? std::max<std::int64_t>(col + j - row, 0) : 0;
            for (std::int64_t i = top; i < rows; i += kPanel) {
                kernels.addProduct(alpha,
                                   x.panel((row + i) / kPanel) + k * kPanel,
                                   right,
                                   depth,
                                   c + i * cStride + j,
                                   cStride,
                                   std::min(kPanel, rows - i),
                                   std::min(kPanel, cols - j));
            }
        }
    }
}

}  // namespace loupe
