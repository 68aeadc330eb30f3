// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/theme_categories.hpp"

#include <QPainter>
#include <QPointF>

namespace loupe::app {

/// The shape of a category, filled, with a halo of the canvas.
void drawCategoryMark(QPainter& painter, int index, QPointF centre, double radius);

}  // namespace loupe::app
