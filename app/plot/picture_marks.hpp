// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QRgb>

#include <optional>
#include <utility>

#include "app/plot/color_setting.hpp"

namespace loupe::app {

struct MarkStyle {
    ColorSetting setting;
    std::optional<double> outlierLevel;
    int least = 3;  ///< device pixels
};

/// Makes pixels that hide NaN, infinity or an outlier at least `least` pixels wide: an outlier's colour spreads over smaller
/// neighbours, NaN becomes a black square and infinity a square with a cross, both in a white ring.
void paintMarks(const Texels& texels, const MarkStyle& style, QRgb* pixels);

/// Blends pixels whose value lies outside of the range towards the canvas.
void dimOutside(const Texels& texels, std::pair<double, double> range, QRgb canvas, QRgb* pixels);

}  // namespace loupe::app
