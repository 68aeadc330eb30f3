// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/channel_strips.hpp"

#include <QPainter>
#include <QPolygonF>

#include <algorithm>
#include <cmath>

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

constexpr double kOrdinaryShare = 0.75;

/// Where channels lie on screen: along the strip, in pixels from its start.
struct Along {
    double first = 0;  ///< channel at the start
    double scale = 1;  ///< pixels per channel
    [[nodiscard]] double at(double channel) const { return (channel - first) * scale; }
    [[nodiscard]] double channel(double pixel) const { return first + pixel / scale; }
};

QRectF bar(const QRectF& area, bool horizontal, double from, double to, double height) {
    return horizontal ? QRectF(area.left() + from, area.bottom() - height, to - from, height)
                      : QRectF(area.left(), area.top() + from, height, to - from);
}

/// The outline of the strip's area; one step per pixel (pooled by maximum) or per channel where channels are wide.
void paintBars(QPainter& painter, const ChannelStrip& strip, const QRectF& area, const Along& along, bool horizontal) {
    const double length = horizontal ? area.width() : area.height();
    const double depth = (horizontal ? area.height() : area.width()) * (strip.outliers.empty() ? 0.95 : kOrdinaryShare);
    const auto count = static_cast<std::int64_t>(strip.values.size());
    const auto heightOf = [&](float value) {
        return strip.top > 0 && std::isfinite(value) ? depth * std::min(1.0, static_cast<double>(value / strip.top)) : 0;
    };
    if (along.scale >= 3) {
        const double gap = along.scale >= 8 ? 1 : 0;
        for (auto c = std::max<std::int64_t>(0, static_cast<std::int64_t>(along.channel(0))); c < count && along.at(static_cast<double>(c)) < length; ++c) {
            const double from = std::max(0.0, along.at(static_cast<double>(c)));
            const double to = std::min(length, along.at(static_cast<double>(c + 1)) - gap);
            painter.drawRect(bar(area, horizontal, from, std::max(from, to), heightOf(strip.values[static_cast<std::size_t>(c)])));
        }
        return;
    }
    QPolygonF outline;
    outline.reserve(static_cast<int>(2 * length) + 4);
    const auto point = [&](double pixel, double height) {
        outline << (horizontal ? QPointF(area.left() + pixel, area.bottom() - height) : QPointF(area.left() + height, area.top() + pixel));
    };
    point(std::clamp(along.at(0), 0.0, length), 0);
    for (double pixel = 0; pixel < length; pixel += 1) {
        const auto from = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(along.channel(pixel))));
        const auto to = std::min(count, std::max(from + 1, static_cast<std::int64_t>(std::ceil(along.channel(pixel + 1) - 1e-9))));
        if (along.channel(pixel + 1) <= 0 || from >= to) {
            continue;
        }
        float most = 0;
        for (auto c = from; c < to; ++c) {
            const float value = strip.values[static_cast<std::size_t>(c)];
            most = value > most ? value : most;
        }
        point(pixel, heightOf(most));
        point(pixel + 1, heightOf(most));
    }
    point(std::clamp(along.at(static_cast<double>(count)), 0.0, length), 0);
    painter.drawPolygon(outline);
}

void paintOutliers(QPainter& painter, const ChannelStrip& strip, const QRectF& area, const Along& along, bool horizontal) {
    const Theme& theme = Theme::current();
    const double length = horizontal ? area.width() : area.height();
    const double depth = horizontal ? area.height() : area.width();
    painter.setBrush(theme.outlier);
    for (const std::int64_t c : strip.outliers) {
        const double centre = along.at(static_cast<double>(c) + 0.5);
        const double half = std::max(0.75, along.scale >= 8 ? (along.scale - 1) / 2 : along.scale / 2);
        const double from = std::max(0.0, centre - half);
        const double to = std::min(length, centre + half);
        if (to <= 0 || from >= length) {
            continue;
        }
        painter.setRenderHint(QPainter::Antialiasing, along.scale < 3);
        painter.drawRect(bar(area, horizontal, from, to, depth));
        painter.setRenderHint(QPainter::Antialiasing, true);
        const double middle = std::clamp(centre, 0.0, length);
        drawDiamond(painter,
                     horizontal ? QPointF(area.left() + middle, area.bottom() + Theme::px(1)) : QPointF(area.left(), area.top() + middle),
                    Theme::px(4.5),
                    theme.outlier);
    }
}

}  // namespace

void scaleStrip(ChannelStrip& strip) {
    strip.top = 0;
    std::size_t next = 0;
    for (std::size_t c = 0; c < strip.values.size(); ++c) {
        if (next < strip.outliers.size() && strip.outliers[next] == static_cast<std::int64_t>(c)) {
            ++next;
            continue;
        }
        strip.top = strip.values[c] > strip.top && std::isfinite(strip.values[c]) ? strip.values[c] : strip.top;
    }
}

void paintStrip(QPainter& painter,
                const ChannelStrip& strip,
                const QRectF& area,
                const PictureTransform& transform,
                bool horizontal,
                std::optional<std::int64_t> highlighted) {
    const Theme& theme = Theme::current();
    const Along along = horizontal ? Along{transform.left, transform.scaleX} : Along{transform.top, transform.scaleY};
    painter.save();
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme.fill);
    painter.setRenderHint(QPainter::Antialiasing, false);
    paintBars(painter, strip, area, along, horizontal);
    paintOutliers(painter, strip, area, along, horizontal);
    if (highlighted && *highlighted >= 0 && *highlighted < static_cast<std::int64_t>(strip.values.size())) {
        const double centre = along.at(static_cast<double>(*highlighted) + 0.5);
        const double length = horizontal ? area.width() : area.height();
        const double half = std::max(1.0, along.scale / 2);
        if (centre + half > 0 && centre - half < length) {
            painter.setRenderHint(QPainter::Antialiasing, false);
            QColor shade = theme.text;
            shade.setAlphaF(0.35F);
            painter.setBrush(shade);
            painter.drawRect(bar(area, horizontal, std::max(0.0, centre - half), std::min(length, centre + half), horizontal ? area.height() : area.width()));
        }
    }
    painter.restore();
}

}  // namespace loupe::app
