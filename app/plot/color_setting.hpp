// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QString>

#include "core/stats/colormaps.hpp"
#include "core/stats/pyramid.hpp"

namespace loupe::app {

/// How values become colours: a map over [low, high], of the value or of its magnitude, linear or logarithmic.
struct ColorSetting {
    ColorMapId map = ColorMapId::Viridis;
    bool magnitude = true;
    bool logarithmic = false;  ///< of |x|, only with `magnitude`
    double low = 0;
    double high = 1;

    [[nodiscard]] ColorScale scale(QRgb outside) const;
    /// Where a value lies between low (0) and high (1); may be outside. NaN for NaN.
    [[nodiscard]] double position(double value) const;
    /// The (transformed) value at a position.
    [[nodiscard]] double valueAt(double position) const;
    /// The colour of one value.
    [[nodiscard]] QRgb color(float value) const;
    /// Both maps with zero pinned at the centre: low is -high.
    [[nodiscard]] bool diverging() const { return colorTable(map).diverging; }
    friend bool operator==(const ColorSetting&, const ColorSetting&) = default;
};

/// A number on an axis: as few digits as the step needs, no leading zero (".04"), U+2212; "2e−5" where that is shorter.
[[nodiscard]] QString tickText(double value, double step);

/// A value in a cell: fixed decimals that suit a range up to `high` (three digits at its top), no leading zero.
[[nodiscard]] QString cellText(double value, double high);

}  // namespace loupe::app
