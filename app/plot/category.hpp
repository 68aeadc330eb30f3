// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QPainter>
#include <QPointF>

namespace loupe::app {

/// The categories of the visual language: eight colours after Okabe and Ito, each with a shape of
/// its own, so that colour is never the only cue. Index 0 to 7, then again from the start.
[[nodiscard]] QColor categoryColor(int index);
/// The shape, filled, with a halo of the canvas.
void drawCategoryMark(QPainter& painter, int index, QPointF centre, double radius);

}  // namespace loupe::app
