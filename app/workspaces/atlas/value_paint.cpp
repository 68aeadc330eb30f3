// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/value_paint.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"
#include "core/stats/colormaps.hpp"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kHatch = 5;
constexpr double kLeastMarked = 16;

/// 45° lines within a rectangle.
void hatch(QPainter& painter, const QRectF& rect, const QColor& color, double width) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setClipRect(rect, Qt::IntersectClip);
    painter.setPen(QPen(color, width));
    const double step = Theme::px(kHatch);
    // Anchored to the origin, so that the lines of neighbours meet.
    const double first = std::floor((rect.left() + rect.top()) / step) * step;
    for (double s = first; s < rect.right() + rect.bottom(); s += step) {
        painter.drawLine(QPointF(s - rect.top(), rect.top()),
                         QPointF(s - rect.bottom(), rect.bottom()));
    }
    painter.restore();
}

void cross(QPainter& painter, const QRectF& rect, const QColor& color) {
    const double side =
        std::min({rect.width(), rect.height(), static_cast<double>(Theme::px(16))}) * 0.3;
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(color, 1.5));
    const QPointF c = rect.center();
    painter.drawLine(c - QPointF(side, side), c + QPointF(side, side));
    painter.drawLine(c - QPointF(side, -side), c + QPointF(side, -side));
    painter.restore();
}

}  // namespace

QColor paintValue(QPainter& painter,
                  const QRectF& rect,
                  const ColorSetting& colors,
                  double value,
                  std::uint8_t state,
                  const QColor& plain) {
    const Theme& theme = Theme::current();
    if (!AtlasValues::hasValue(state)) {
        painter.fillRect(rect, plain);
        if ((state & AtlasValues::kFailed) != 0) {
            painter.fillRect(rect, theme.raised);
            cross(painter, rect, theme.error);
        } else if ((state & AtlasValues::kPending) != 0) {
            painter.fillRect(rect, theme.panel);
            hatch(painter, rect, theme.border, 1);
        }
        return theme.text;
    }
    const QRgb color =
        std::isnan(value) ? QColor(Qt::black).rgb() : colors.color(static_cast<float>(value));
    painter.fillRect(rect, QColor(color));
    if (std::isnan(value)) {
        hatch(painter, rect, Qt::white, 1);
        return Qt::white;
    }
    if (std::isinf(value)) {
        cross(painter, rect, QColor(textColorOn(color)));
    }
    return QColor(textColorOn(color));
}

void paintEstimate(QPainter& painter, const QRectF& rect, const QColor& color) {
    const double side = std::min({rect.width(), rect.height(), static_cast<double>(Theme::px(14))});
    if (side < Theme::px(8)) {
        const double r = std::max(1.0, side / 8);
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(color);
        painter.drawEllipse(rect.center(), r, r);
        painter.restore();
        return;
    }
    drawTextLine(painter,
                 QRectF(rect.left() + 1, rect.top(), side, side),
                 Qt::AlignCenter,
                 QString(QChar(0x2248)),
                 TextRole::NumberAxis,
                 color);
}

void paintPartial(QPainter& painter, const QRectF& rect, bool failed) {
    const Theme& theme = Theme::current();
    const double side = std::min(rect.width(), rect.height()) / 3;
    const QRectF corner(rect.right() - side, rect.bottom() - side, side, side);
    painter.fillRect(corner, theme.panel);
    hatch(painter, corner, failed ? theme.error : theme.border, 1);
}

void paintFlag(QPainter& painter, const QRectF& rect) {
    const Theme& theme = Theme::current();
    const double inset = rect.width() >= kLeastMarked ? 2 : 1;
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(theme.canvas, inset + 1.5));
    painter.drawRect(rect.adjusted(inset, inset, -inset, -inset));
    painter.setPen(QPen(theme.outlier, inset));
    painter.drawRect(rect.adjusted(inset / 2, inset / 2, -inset / 2, -inset / 2));
    if (rect.width() >= Theme::px(kLeastMarked)) {
        const double r = Theme::px(3.5);
        const QPointF at(rect.right() - r - 3, rect.top() + r + 3);
        drawDiamond(painter, at, r + 1.5, theme.canvas);
        drawDiamond(painter, at, r, theme.outlier);
    }
    painter.restore();
}

void paintRing(QPainter& painter, const QRectF& rect, double width) {
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(Qt::black, width + 2));
    painter.drawRect(rect);
    painter.setPen(QPen(Qt::white, width));
    painter.drawRect(rect);
}

}  // namespace loupe::app
