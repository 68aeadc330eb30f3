// SPDX-License-Identifier: GPL-3.0-or-later
// How a value of the atlas looks, in a cell of the matrix and in a rectangle of the treemap alike.
#pragma once

#include "app/plot/color_setting.hpp"

#include <QColor>
#include <QRectF>

#include <cstdint>

class QPainter;

namespace loupe::app {

/// Fills a place by value and state (AtlasValues::State): a colour, black hatched for NaN, a cross
/// for what failed, hatched while it is to come, `plain` where the metric says nothing.
/// @return the colour for text on it
[[nodiscard]] QColor paintValue(QPainter& painter,
                                const QRectF& rect,
                                const ColorSetting& colors,
                                double value,
                                std::uint8_t state,
                                const QColor& plain);
/// "≈" in a corner: the value is from some rows.
void paintEstimate(QPainter& painter, const QRectF& rect, const QColor& color);
/// A hatched corner: not all that stands here is known.
void paintPartial(QPainter& painter, const QRectF& rect, bool failed);
/// The outline and the diamond of what a threshold flags.
void paintFlag(QPainter& painter, const QRectF& rect);
/// Black and white, so that it shows on any colour.
void paintRing(QPainter& painter, const QRectF& rect, double width);

}  // namespace loupe::app
