// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPointF>
#include <QRectF>
#include <QSizeF>

#include <cstdint>

#include "app/document/cursor.hpp"

namespace loupe::app {

enum class Aspect {
    Fill,      ///< the matrix fills the picture; cells need not be square
    Square,    ///< one scale for both axes
    OneToOne,  ///< a cell is a device pixel
};

/// Shape of a matrix: [rows, cols].
struct MatrixShape {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    [[nodiscard]] bool empty() const { return rows <= 0 || cols <= 0; }
    friend bool operator==(const MatrixShape&, const MatrixShape&) = default;
};

/// Cells [firstRow, +rows) x [firstCol, +cols).
struct CellRange {
    std::int64_t firstRow = 0;
    std::int64_t rows = 0;
    std::int64_t firstCol = 0;
    std::int64_t cols = 0;
    [[nodiscard]] bool empty() const { return rows <= 0 || cols <= 0; }
    [[nodiscard]] std::int64_t count() const { return rows * cols; }
    [[nodiscard]] bool contains(const CellRange& other) const;
    [[nodiscard]] bool contains(Cell cell) const;
    friend bool operator==(const CellRange&, const CellRange&) = default;
};

/// Which part of a matrix a picture shows: cell coordinates of its upper left corner and logical pixels per cell.
struct PictureTransform {
    double left = 0;
    double top = 0;
    double scaleX = 1;
    double scaleY = 1;

    [[nodiscard]] double x(double col) const { return (col - left) * scaleX; }
    [[nodiscard]] double y(double row) const { return (row - top) * scaleY; }
    [[nodiscard]] double col(double x) const { return left + x / scaleX; }
    [[nodiscard]] double row(double y) const { return top + y / scaleY; }
    [[nodiscard]] QRectF cellRect(Cell cell) const;
    [[nodiscard]] Cell cellAt(QPointF point) const;
    /// The cells of `shape` that a picture of this size shows, also in part.
    [[nodiscard]] CellRange visible(const MatrixShape& shape, QSizeF size) const;
    friend bool operator==(const PictureTransform&, const PictureTransform&) = default;
};

/// A cell is never drawn wider than this.
inline constexpr double kLargestCell = 240;

/// The whole matrix. OneToOne: one cell per device pixel, from the upper left corner.
[[nodiscard]] PictureTransform fitTransform(const MatrixShape& shape, QSizeF size, Aspect aspect, double ratio);
/// Moves the transform so that the picture shows as much of the matrix as it can; a matrix smaller than the picture is centred.
[[nodiscard]] PictureTransform clampTransform(PictureTransform transform, const MatrixShape& shape, QSizeF size);
/// Scales by `factor` so that the cell under `point` stays there (where the matrix' edges allow it), within sensible limits.
[[nodiscard]] PictureTransform zoomTransform(const PictureTransform& from,
                                             QPointF point,
                                             double factor,
                                             const MatrixShape& shape,
                                             QSizeF size);
/// Shows these cells as large as they go. `square` keeps one scale.
[[nodiscard]] PictureTransform boxTransform(const QRectF& cells, const MatrixShape& shape, QSizeF size, bool square);

}  // namespace loupe::app
