// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/picture_transform.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// Keeps [start, start + view) inside [0, size), or centred where the view is larger.
double clampStart(double start, double view, double size) {
    return view >= size ? (size - view) / 2 : std::clamp(start, 0.0, size - view);
}

struct Scale {
    double x = 1, y = 1;
};

Scale fitScale(const MatrixShape& shape, QSizeF size) {
    return {std::max(1.0, size.width()) / static_cast<double>(shape.cols), std::max(1.0, size.height()) / static_cast<double>(shape.rows)};
}

}  // namespace

bool CellRange::contains(const CellRange& other) const {
    return other.firstRow >= firstRow && other.firstRow + other.rows <= firstRow + rows && other.firstCol >= firstCol
           && other.firstCol + other.cols <= firstCol + cols;
}

bool CellRange::contains(Cell cell) const {
    return cell.row >= firstRow && cell.row < firstRow + rows && cell.col >= firstCol && cell.col < firstCol + cols;
}

QRectF PictureTransform::cellRect(Cell cell) const {
    return {x(static_cast<double>(cell.col)), y(static_cast<double>(cell.row)), scaleX, scaleY};
}

Cell PictureTransform::cellAt(QPointF point) const {
    return {static_cast<std::int64_t>(std::floor(row(point.y()))), static_cast<std::int64_t>(std::floor(col(point.x())))};
}

CellRange PictureTransform::visible(const MatrixShape& shape, QSizeF size) const {
    const auto low = [](double value, std::int64_t count) {
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(value)), 0, count);
    };
    const auto high = [](double value, std::int64_t count) {
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(value)), 0, count);
    };
    CellRange range;
    range.firstRow = low(top, shape.rows);
    range.rows = high(row(size.height()), shape.rows) - range.firstRow;
    range.firstCol = low(left, shape.cols);
    range.cols = high(col(size.width()), shape.cols) - range.firstCol;
    return range;
}

PictureTransform fitTransform(const MatrixShape& shape, QSizeF size, Aspect aspect, double ratio) {
    if (shape.empty()) {
        return {};
    }
    const Scale scale = fitScale(shape, size);
    PictureTransform transform{0, 0, scale.x, scale.y};
    if (aspect == Aspect::Square) {
        transform.scaleX = transform.scaleY = std::min({scale.x, scale.y, kLargestCell});
    } else if (aspect == Aspect::OneToOne) {
        transform.scaleX = transform.scaleY = 1 / ratio;
    }
    return clampTransform(transform, shape, size);
}

PictureTransform clampTransform(PictureTransform transform, const MatrixShape& shape, QSizeF size) {
    if (shape.empty()) {
        return transform;
    }
    transform.left = clampStart(transform.left, size.width() / transform.scaleX, static_cast<double>(shape.cols));
    transform.top = clampStart(transform.top, size.height() / transform.scaleY, static_cast<double>(shape.rows));
    return transform;
}

PictureTransform zoomTransform(const PictureTransform& from,
                               QPointF point,
                               double factor,
                               const MatrixShape& shape,
                               QSizeF size) {
    if (shape.empty()) {
        return from;
    }
    // Not farther out than the whole matrix, not closer than a readable cell; both axes by the same factor.
    const Scale fit = fitScale(shape, size);
    const double leastX = std::min(fit.x / from.scaleX, 1.0);
    const double leastY = std::min(fit.y / from.scaleY, 1.0);
    const double most = std::max(1.0, kLargestCell / std::max(from.scaleX, from.scaleY));
    const double used = std::clamp(factor, std::min({leastX, leastY, most}), most);
    PictureTransform to = from;
    to.scaleX = from.scaleX * used;
    to.scaleY = from.scaleY * used;
    to.left = from.col(point.x()) - point.x() / to.scaleX;
    to.top = from.row(point.y()) - point.y() / to.scaleY;
    return clampTransform(to, shape, size);
}

PictureTransform boxTransform(const QRectF& cells, const MatrixShape& shape, QSizeF size, bool square) {
    PictureTransform to;
    to.scaleX = std::min(kLargestCell, size.width() / std::max(1e-9, cells.width()));
    to.scaleY = std::min(kLargestCell, size.height() / std::max(1e-9, cells.height()));
    if (square) {
        to.scaleX = to.scaleY = std::min(to.scaleX, to.scaleY);
    }
    to.left = cells.center().x() - size.width() / to.scaleX / 2;
    to.top = cells.center().y() - size.height() / to.scaleY / 2;
    return clampTransform(to, shape, size);
}

}  // namespace loupe::app
