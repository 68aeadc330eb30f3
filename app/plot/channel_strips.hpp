// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QRectF>
#include <QString>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "app/plot/picture_transform.hpp"

class QPainter;

namespace loupe::app {

/// One number per channel, drawn along a side of the picture.
struct ChannelStrip {
    QString title;               ///< "Input channel max |w|"
    QString valueName;           ///< "max |w|": in the read-out
    std::vector<float> values;   ///< not negative; NaN where a channel has none
    std::vector<std::int64_t> outliers;  ///< ascending channel numbers
    QString outlierText;         ///< "14 outlier channels (> 3 × median)"
    float top = 0;               ///< largest value that is no outlier: drawn at three quarters of the height
};

/// Sets `top` from the values that are not among `outliers`. @cost O(channels)
void scaleStrip(ChannelStrip& strip);

/// Column strip above (`horizontal`) or row strip beside a picture, pooled by maximum; outliers at full height with a diamond.
/// @param size  of the picture, so that both share one scale
void paintStrip(QPainter& painter,
                const ChannelStrip& strip,
                const QRectF& area,
                const PictureTransform& transform,
                bool horizontal,
                std::optional<std::int64_t> highlighted);

}  // namespace loupe::app
