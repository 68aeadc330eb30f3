// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/plot/heatmap.hpp"

namespace loupe::app {

/// Where the parts of the picture lie; strips are empty rectangles where there are none.
struct Heatmap::Parts {
    QRectF whole;
    QRectF picture;
    QRectF columnTitle;
    QRectF columnStrip;
    QRectF rowStrip;
};

/// From this width on cells carry texts; they are fully opaque from kTextOpaque on.
inline constexpr double kTextFrom = 48;
inline constexpr double kTextOpaque = 80;
/// From this size on cells are told apart by gaps.
inline constexpr double kGridFrom = 12;

}  // namespace loupe::app
