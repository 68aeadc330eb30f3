// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/board_numbers.hpp"
#include "core/scheme/bit_mask.hpp"
#include "core/scheme/trace.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace loupe::trace_parts {

// What the traces of the pruners build their states from.

using Shared = std::shared_ptr<const Matrix<double>>;

[[nodiscard]] inline std::string number(double value) {
    return BoardNumbers::text(value, 6);
}

[[nodiscard]] inline std::string number(std::int64_t value) {
    return std::to_string(value);
}

/// In brackets where it is negative, for products.
[[nodiscard]] inline std::string factorText(double value) {
    return value < 0 ? joined({"(", number(value), ")"}) : number(value);
}

/// " - 3" or " + 3".
[[nodiscard]] inline std::string plus(double value) {
    return joined({value < 0 ? " - " : " + ", number(std::abs(value))});
}

template <class T>
[[nodiscard]] Shared share(const Matrix<T>& values) {
    auto copy = std::make_shared<Matrix<double>>(values.rows(), values.cols());
    std::copy(values.data(), values.data() + values.size(), copy->data());
    return copy;
}

[[nodiscard]] inline Shared maskValues(const BitMask& mask) {
    auto values = std::make_shared<Matrix<double>>(mask.rows(), mask.cols());
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        for (std::int64_t col = 0; col < mask.cols(); ++col) {
            (*values)(row, col) = mask.kept(row, col) ? 1 : 0;
        }
    }
    return values;
}

/// A panel over weights: rows are output channels.
[[nodiscard]] inline TracePanel panel(
    std::string id, std::string title, PanelKind kind, Shared values, double limit = 0) {
    return {std::move(id),
            std::move(title),
            "rows are output channels, columns input channels",
            kind,
            "output channel",
            "input channel",
            std::move(values),
            nullptr,
            limit};
}

/// One number per input channel.
[[nodiscard]] inline TracePanel bars(std::string id, std::string title, Shared values) {
    return {std::move(id),
            std::move(title),
            "one value per input channel",
            PanelKind::Bars,
            {},
            "input channel",
            std::move(values),
            nullptr,
            0};
}

[[nodiscard]] inline double largest(const Matrix<double>& values) {
    double most = 0;
    for (std::int64_t i = 0; i < values.size(); ++i) {
        most = std::max(most, std::abs(values.data()[i]));
    }
    return most;
}

[[nodiscard]] inline TraceRegion region(
    std::string panelId, RegionKind kind, TraceCell at, std::int64_t rows, std::int64_t cols) {
    return {std::move(panelId), kind, at.row, at.col, rows, cols, {}};
}

/// Pruned weights of some rows and columns, as runs along the rows.
inline void addPruned(const BitMask& mask,
                      TraceCell from,
                      TraceCell to,
                      std::vector<TraceRegion>& regions) {
    for (std::int64_t row = from.row; row < to.row; ++row) {
        for (std::int64_t col = from.col; col < to.col; ++col) {
            std::int64_t end = col;
            while (end < to.col && !mask.kept(row, end)) {
                ++end;
            }
            if (end > col) {
                regions.push_back(region("weights", RegionKind::Pruned, {row, col}, 1, end - col));
                col = end;
            }
        }
    }
}

}  // namespace loupe::trace_parts
