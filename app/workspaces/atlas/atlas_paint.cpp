// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of the atlas: colours, numbers, hatches, marks.
#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "app/workspaces/atlas/value_paint.hpp"

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
constexpr double kLeastMarked = 16;

}  // namespace

void AtlasPicture::paintCell(QPainter& painter, const QRectF& place, std::size_t cell) const {
    const Theme& theme = Theme::current();
    const AtlasValues& values = m_model.values();
    const std::uint8_t state = values.cellState[cell];
    const double gap = place.width() >= kLeastMarked ? 1 : 0.5;
    const QRectF rect = place.adjusted(0, 0, -gap, -gap);
    const double value = values.cell[cell];
    const QColor ink = paintValue(painter, rect, m_colors, value, state, theme.canvas);
    if (!AtlasValues::hasValue(state)) {
        if ((state & (AtlasValues::kFailed | AtlasValues::kPending)) == 0) {
            painter.setPen(QPen(theme.line, 1));
            const QPointF c = rect.center();
            const double half = std::min(4.0, rect.width() / 4);
            painter.drawLine(c - QPointF(half, 0), c + QPointF(half, 0));
        }
        return;
    }
    const bool estimate = (state & AtlasValues::kSampled) != 0;
    if (!std::isnan(value) && rect.height() >= Theme::px(kTextHeight)) {
        const QString number = metricCellText(m_model.metric(), value);
        const QString text = estimate ? estimateSign(m_model.metric()) + number : number;
        if (rect.width() >= std::max<double>(Theme::px(kTextWidth),
                                             textWidth(text, TextRole::NumberAxis) + 4)) {
            drawTextLine(painter, rect, Qt::AlignCenter, text, TextRole::NumberAxis, ink);
        } else if (estimate) {
            paintEstimate(painter, rect, ink);
        }
    } else if (estimate) {
        paintEstimate(painter, rect, ink);
    }
    if ((state & (AtlasValues::kPending | AtlasValues::kFailed)) != 0) {
        paintPartial(painter, rect, (state & AtlasValues::kFailed) != 0);
    }
    if (m_model.isCellFlagged(cell)) {
        paintFlag(painter, rect);
    }
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
                : (section.layers.size() == 1 ? tr("%1 layer × %2 roles")
                                              : tr("%1 layers × %2 roles"))
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
            paintRing(painter, rect.adjusted(0, 0, -1, -1), width);
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
