// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of the atlas: colours, numbers, hatches, marks.
#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "core/stats/colormaps.hpp"

#include <QElapsedTimer>
#include <QPaintEvent>
#include <QPainter>
#include <QScrollBar>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kTextWidth = 40;
constexpr double kTextHeight = 16;
constexpr double kHatch = 5;
constexpr double kLeastMarked = 16;

/// 45° lines within a rectangle.
void hatch(QPainter& painter, const QRectF& rect, const QColor& color, double width) {
    painter.save();
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
    painter.setPen(QPen(color, 1.5));
    const QPointF c = rect.center();
    painter.drawLine(c - QPointF(side, side), c + QPointF(side, side));
    painter.drawLine(c - QPointF(side, -side), c + QPointF(side, -side));
}

}  // namespace

void AtlasPicture::paintCell(QPainter& painter, const QRectF& place, std::size_t cell) const {
    const Theme& theme = Theme::current();
    const AtlasValues& values = m_model.values();
    const std::uint8_t state = values.cellState[cell];
    const double gap = place.width() >= kLeastMarked ? 1 : 0.5;
    const QRectF rect = place.adjusted(0, 0, -gap, -gap);
    if ((state & AtlasValues::kKnown) == 0) {
        if ((state & AtlasValues::kFailed) != 0) {
            painter.fillRect(rect, theme.raised);
            painter.setRenderHint(QPainter::Antialiasing);
            cross(painter, rect, theme.error);
            painter.setRenderHint(QPainter::Antialiasing, false);
        } else if ((state & AtlasValues::kPending) != 0) {
            painter.fillRect(rect, theme.panel);
            painter.setRenderHint(QPainter::Antialiasing);
            hatch(painter, rect, theme.border, 1);
            painter.setRenderHint(QPainter::Antialiasing, false);
        } else {
            painter.setPen(QPen(theme.line, 1));
            const QPointF c = rect.center();
            const double half = std::min(4.0, rect.width() / 4);
            painter.drawLine(c - QPointF(half, 0), c + QPointF(half, 0));
        }
        return;
    }
    const double value = values.cell[cell];
    const QRgb color =
        std::isnan(value) ? QColor(Qt::black).rgb() : m_colors.color(static_cast<float>(value));
    painter.fillRect(rect, QColor(color));
    painter.setRenderHint(QPainter::Antialiasing);
    if (std::isnan(value)) {
        hatch(painter, rect, Qt::white, 1);
    } else if (rect.width() >= Theme::px(kTextWidth) && rect.height() >= Theme::px(kTextHeight)) {
        drawTextLine(painter,
                     rect,
                     Qt::AlignCenter,
                     metricCellText(m_model.metric(), value),
                     TextRole::NumberAxis,
                     QColor(textColorOn(color)));
    } else if (std::isinf(value)) {
        cross(painter, rect, QColor(textColorOn(color)));
    }
    if ((state & (AtlasValues::kPending | AtlasValues::kFailed)) != 0) {
        // Not all of its tensors are known: a corner stays hatched.
        const double side = std::min(rect.width(), rect.height()) / 3;
        const QRectF corner(rect.right() - side, rect.bottom() - side, side, side);
        painter.fillRect(corner, theme.panel);
        hatch(painter, corner, (state & AtlasValues::kFailed) != 0 ? theme.error : theme.border, 1);
    }
    if (m_model.isCellFlagged(cell)) {
        const double inset = rect.width() >= kLeastMarked ? 2 : 1;
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
    }
    painter.setRenderHint(QPainter::Antialiasing, false);
}

void AtlasPicture::paintHead(QPainter& painter,
                             const Geometry& geometry,
                             const Block& block,
                             double right) const {
    const Theme& theme = Theme::current();
    const AtlasSection& section = m_model.layout()->sections[block.section];
    const double left = Theme::px(12);
    if (block.head >= 0) {
        const double title = textWidth(section.title, TextRole::Heading);
        const QRectF line(left, block.head, right - left, Theme::px(26));
        drawTextLine(painter,
                     line,
                     Qt::AlignLeft | Qt::AlignVCenter,
                     section.title,
                     TextRole::Heading,
                     theme.text);
        const QString count =
            section.outer
                ? tr("%1 tensors").arg(formatCount(static_cast<qint64>(section.roles.size())))
                : tr("%1 layers × %2 roles")
                      .arg(formatCount(static_cast<qint64>(section.layers.size())),
                           formatCount(static_cast<qint64>(section.roles.size())));
        drawTextLine(painter,
                     line.adjusted(title + Theme::px(10), 0, 0, 0),
                     Qt::AlignLeft | Qt::AlignVCenter,
                     count,
                     TextRole::Small,
                     theme.text3);
    }
    if (section.outer) {
        return;
    }
    // Layer numbers where they fit, always the first of the line.
    const double widest =
        textWidth(QString::number(section.layers.back()), TextRole::NumberAxis) + Theme::px(6);
    const auto step = static_cast<std::size_t>(std::max(1.0, std::ceil(widest / block.cellWidth)));
    for (std::size_t c = 0; c < block.columns; c += step) {
        const double centre = block.left + (static_cast<double>(c) + 0.5) * block.cellWidth;
        drawTextLine(painter,
                     QRectF(centre - widest / 2, block.axis, widest, Theme::px(18)),
                     Qt::AlignCenter,
                     QString::number(section.layers[block.firstLayer + c]),
                     TextRole::NumberAxis,
                     theme.text3);
    }
    if (block.head >= 0 || block.firstLayer == 0) {
        drawTextLine(painter,
                     QRectF(left, block.axis, geometry.labelWidth, Theme::px(18)),
                     Qt::AlignRight | Qt::AlignVCenter,
                     tr("layer"),
                     TextRole::Caption,
                     theme.text3);
    }
}

void AtlasPicture::paintBlock(QPainter& painter,
                              const Geometry& geometry,
                              const Block& block,
                              const QRectF& visible) const {
    const Theme& theme = Theme::current();
    const AtlasSection& section = m_model.layout()->sections[block.section];
    const double first = std::max(0.0, std::floor((visible.top() - block.top) / block.cellHeight));
    const double last = std::min(static_cast<double>(block.rows),
                                 std::ceil((visible.bottom() - block.top) / block.cellHeight));
    const QFontMetricsF metrics(Theme::font(TextRole::Small));
    for (auto row = static_cast<std::size_t>(first); static_cast<double>(row) < last; ++row) {
        if (!section.outer) {
            const QRectF label(
                Theme::px(12), rectOf(block, row, 0).top(), geometry.labelWidth, block.cellHeight);
            drawTextLine(painter,
                         label,
                         Qt::AlignRight | Qt::AlignVCenter,
                         metrics.elidedText(section.roles[row], Qt::ElideMiddle, label.width()),
                         TextRole::Small,
                         theme.text2);
        }
        for (std::size_t col = 0; col < block.columns; ++col) {
            const std::int32_t cell = cellOf(block, row, col);
            if (cell < 0) {
                continue;
            }
            const QRectF rect = rectOf(block, row, col);
            paintCell(painter,
                      section.outer && block.labels ? rect.adjusted(0, 1, 0, -1) : rect,
                      static_cast<std::size_t>(cell));
            if (section.outer && block.labels) {
                const QRectF label(rect.right() + Theme::px(8),
                                   rect.top(),
                                   block.pitch - block.cellWidth - Theme::px(16),
                                   rect.height());
                drawTextLine(
                    painter,
                    label,
                    Qt::AlignLeft | Qt::AlignVCenter,
                    metrics.elidedText(
                        section.roles[row * block.columns + col], Qt::ElideMiddle, label.width()),
                    TextRole::Small,
                    theme.text2);
            }
        }
    }
}

void AtlasPicture::paintContent(QPainter& painter,
                                const Geometry& geometry,
                                const QRectF& visible,
                                bool interactive) const {
    if (m_model.layout() == nullptr || m_model.values().cell.size() != m_model.layout()->cells()) {
        return;
    }
    for (const Block& block : geometry.blocks) {
        const double top = block.head >= 0 ? block.head : block.axis;
        if (block.bottom() < visible.top() || top > visible.bottom()) {
            continue;
        }
        paintHead(painter, geometry, block, visible.right());
        paintBlock(painter, geometry, block, visible);
    }
    if (interactive) {
        paintSelection(painter);
    }
}

void AtlasPicture::paintSelection(QPainter& painter) const {
    const auto ring = [&](std::size_t cell, double width) {
        const QRectF rect = contentRect(cell);
        if (!rect.isEmpty()) {
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(Qt::black, width + 2));
            painter.drawRect(rect.adjusted(0, 0, -1, -1));
            painter.setPen(QPen(Qt::white, width));
            painter.drawRect(rect.adjusted(0, 0, -1, -1));
        }
    };
    if (m_hover && *m_hover < m_model.layout()->cells()) {
        ring(*m_hover, 1);
    }
    if (m_model.selected()) {
        ring(static_cast<std::size_t>(m_model.layout()->cellOf[*m_model.selected()]), 2);
    }
}

void AtlasPicture::paintEvent(QPaintEvent* event) {
    QElapsedTimer timer;
    timer.start();
    QPainter painter(viewport());
    painter.fillRect(event->rect(), Theme::current().canvas);
    const double offset = verticalScrollBar()->value();
    painter.translate(0, -offset);
    paintContent(painter, m_geometry, QRectF(event->rect()).translated(0, offset), true);
    painter.translate(0, offset);
    if (hasFocus() && m_ring) {
        drawFocusRing(painter, QRectF(viewport()->rect()).adjusted(1, 1, -1, -1));
    }
    constexpr double kNsPerMs = 1e6;
    m_lastPaintMs = static_cast<double>(timer.nsecsElapsed()) / kNsPerMs;
}

double AtlasPicture::exportHeight(double width) const {
    constexpr double kMost = 6000;
    return std::min(kMost, layOut(width, 0).height);
}

void AtlasPicture::paintExport(QPainter& painter, const QRectF& target) const {
    painter.save();
    painter.translate(target.topLeft());
    const QRectF area(0, 0, target.width(), target.height());
    paintContent(painter, layOut(target.width(), target.height()), area, false);
    painter.restore();
}

}  // namespace loupe::app
