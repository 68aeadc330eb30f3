// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace loupe {

/// A quantized operand of X W': integer codes with a scale and a zero point per row.
struct IntegerOperand {
    MatrixView<const std::int32_t> codes;    ///< X [tokens, in] or W [out, in]
    std::vector<double> scales;              ///< one per row
    std::vector<std::int64_t> zeroPoints{};  ///< one per row; empty: all 0
    [[nodiscard]] std::int64_t zero(std::int64_t row) const {
        return zeroPoints.empty() ? 0 : zeroPoints[static_cast<std::size_t>(row)];
    }
};

/// What integer hardware works out for X W', term by term:
/// y_ij = s_x,i s_w,j [ acc_ij - z_w,j Σ q_x,i - z_x,i Σ q_w,j + K z_x,i z_w,j ].
struct IntegerProduct {
    Matrix<std::int32_t> accumulators;  ///< Σ_k q_x,ik q_w,jk, exact
    std::vector<std::int64_t> xSums;    ///< Σ_k q_x,ik: known at run time only
    std::vector<std::int64_t> wSums;    ///< Σ_k q_w,jk: known beforehand
    std::int64_t depth = 0;             ///< K
    Matrix<std::int64_t> corrected;     ///< the bracket
    Matrix<double> output;              ///< y
    /// The three corrections of one output: -z_w Σ q_x, -z_x Σ q_w, K z_x z_w.
    struct Terms {
        std::int64_t fromX = 0, fromW = 0, constant = 0;
    };
    std::vector<Terms> terms;  ///< [tokens, out], row-major
};

/// The largest K for which int32 holds any sum of K products of codes up to these magnitudes.
[[nodiscard]] constexpr std::int64_t safeDepth(std::int64_t mostX, std::int64_t mostW) {
    constexpr std::int64_t kMost = 2147483647;
    return mostX == 0 || mostW == 0 ? kMost : kMost / (mostX * mostW);
}

/// X W' in integers with the zero-point corrections.
/// @cost   tokens·out·in; one thread, for layers that are shown
/// @errors Invalid: an accumulator that leaves int32, with the depth where it does and the safe one
[[nodiscard]] Result<IntegerProduct> integerProduct(const IntegerOperand& x,
                                                    const IntegerOperand& w);

}  // namespace loupe
