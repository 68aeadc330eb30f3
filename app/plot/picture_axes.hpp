// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QRectF>
#include <QString>

#include <cstdint>
#include <optional>

#include "app/plot/picture_transform.hpp"

class QPainter;

namespace loupe::app {

/// Row numbers left of a picture and column numbers under it. Steps are powers of two, as groups and tiles are; from 1 cell a
/// step on the numbers stand at the middle of their cells, and the selected ones are bold.
struct PictureAxes {
    MatrixShape shape;
    PictureTransform transform;
    QRectF picture;
    std::optional<Cell> selected;
    QString rowTitle = "output channel (row)";
    QString columnTitle = "input channel (column)";
};

/// Width that row numbers, ticks and the rotated title need.
[[nodiscard]] double rowAxisWidth(std::int64_t rows);
/// Height that column numbers, ticks and the title need.
[[nodiscard]] double columnAxisHeight();
void paintAxes(QPainter& painter, const PictureAxes& axes);
/// The step between two numbers that need `least` pixels each.
[[nodiscard]] std::int64_t cellStep(double scale, double least);

}  // namespace loupe::app
