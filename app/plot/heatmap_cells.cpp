// SPDX-License-Identifier: GPL-3.0-or-later
// What is drawn on single cells when they are large enough: gaps, group borders, texts, hatches; pins and edits at any size.
#include <QFontMetricsF>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

#include "app/plot/heatmap.hpp"
#include "app/plot/heatmap_parts.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

constexpr double kHatchFrom = 6;
constexpr double kSignFrom = 14;
constexpr double kGroupsFrom = 6;
constexpr std::int64_t kMostTexts = 20'000;

/// Largest face that fits `width`: a sixth of the cell, 9 to 15 px.
QFont cellFont(double cellWidth, qsizetype characters, double* height) {
    QFont font = Theme::font(TextRole::Number);
    double size = std::clamp(cellWidth / 6, 11.0, 15.0) * Theme::fontScale();
    font.setPixelSize(static_cast<int>(std::lround(size)));
    while (size > 8 && QFontMetricsF(font).horizontalAdvance(QString(characters, '0')) > cellWidth - 3) {
        size -= 1;
        font.setPixelSize(static_cast<int>(std::lround(size)));
    }
    *height = QFontMetricsF(font).height();
    return font;
}

}  // namespace

void Heatmap::paintCells(QPainter& painter, const Parts& parts, const PictureFrame& frame) {
    const double least = std::min(m_transform.scaleX, m_transform.scaleY);
    if (least < 2 || frame.request().transform != m_transform || frame.pooled()) {
        return;
    }
    const CellRange range = m_transform.visible(shape(), parts.picture.size());
    const std::shared_ptr<const CellBlock>& cells = frame.cells();
    if (least >= kGridFrom) {
        paintGrid(painter, parts.picture, range);
    }
    if (m_groups && least >= kGroupsFrom) {
        paintGroups(painter, parts.picture, range);
    }
    if (!cells || !cells->range.contains(range)) {
        return;
    }
    const double opacity = painter.opacity();
    if (m_pending) {
        painter.setOpacity(0.6);
    }
    if (least >= kHatchFrom) {
        for (std::int64_t r = range.firstRow; r < range.firstRow + range.rows; ++r) {
            for (std::int64_t c = range.firstCol; c < range.firstCol + range.cols; ++c) {
                const float value = cells->at({r, c});
                if (!std::isfinite(value)) {
                    const QRectF cell = m_transform.cellRect({r, c}).translated(parts.picture.topLeft());
                    paintNonFinite(painter, cell.intersected(parts.picture), value);
                }
            }
        }
    }
    if (m_transform.scaleX >= kTextFrom && m_transform.scaleY >= Theme::px(14) && range.count() <= kMostTexts) {
        paintCellTexts(painter, parts.picture, range, frame);
    }
    painter.setOpacity(opacity);
}

void Heatmap::paintGrid(QPainter& painter, const QRectF& picture, const CellRange& range) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setPen(QPen(Theme::current().canvas, 1));
    for (std::int64_t c = range.firstCol; c <= range.firstCol + range.cols; ++c) {
        const double x = picture.left() + m_transform.x(static_cast<double>(c));
        if (x < picture.left() || x > picture.right()) {
            continue;
        }
        painter.drawLine(QPointF(x, picture.top()), QPointF(x, picture.bottom()));
    }
    for (std::int64_t r = range.firstRow; r <= range.firstRow + range.rows; ++r) {
        const double y = picture.top() + m_transform.y(static_cast<double>(r));
        if (y < picture.top() || y > picture.bottom()) {
            continue;
        }
        painter.drawLine(QPointF(picture.left(), y), QPointF(picture.right(), y));
    }
    painter.restore();
}

/// Borders between groups that share a scale, in the colour of scheme A.
void Heatmap::paintGroups(QPainter& painter, const QRectF& picture, const CellRange& range) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, false);
    const QPen halo(Theme::current().canvas, 4, Qt::SolidLine, Qt::FlatCap);
    const QPen line(Theme::current().schemeA, 2, Qt::SolidLine, Qt::FlatCap);
    for (std::int64_t r = range.firstRow; r < range.firstRow + range.rows; ++r) {
        const double top = std::max(picture.top(), picture.top() + m_transform.y(static_cast<double>(r)));
        const double bottom = std::min(picture.bottom(), picture.top() + m_transform.y(static_cast<double>(r + 1)));
        for (std::int64_t c = range.firstCol; c < range.firstCol + range.cols;) {
            const auto [first, last] = m_groups({r, c});
            if (last <= c || last - first <= 1) {
                break;  // a scale for each cell or column has no borders worth drawing
            }
            const double x = picture.left() + m_transform.x(static_cast<double>(last));
            if (last < shape().cols && x <= picture.right()) {
                painter.setPen(halo);
                painter.drawLine(QPointF(x, top), QPointF(x, bottom));
                painter.setPen(line);
                painter.drawLine(QPointF(x, top), QPointF(x, bottom));
            }
            c = last;
        }
    }
    painter.restore();
}

void Heatmap::paintNonFinite(QPainter& painter, const QRectF& cell, float value) const {
    painter.save();
    painter.setClipRect(cell, Qt::IntersectClip);
    painter.setRenderHint(QPainter::Antialiasing, true);
    if (std::isnan(value)) {
        painter.fillRect(cell, Qt::black);
        painter.setPen(QPen(Qt::white, 1));
        // Cut by hand: SVG does not clip.
        for (double x = cell.left() - cell.height() + 2; x < cell.right(); x += 4) {
            const double from = std::max(x, cell.left());
            const double to = std::min(x + cell.height(), cell.right());
            painter.drawLine(QPointF(from, cell.bottom() - (from - x)), QPointF(to, cell.bottom() - (to - x)));
        }
    } else {
        const QRgb cap = value > 0 ? colorTable(m_color.map).above
                                   : m_color.magnitude ? colorTable(m_color.map).above : colorTable(m_color.map).below;
        painter.fillRect(cell, QColor::fromRgb(cap));
        const QColor ink = QColor::fromRgb(textColorOn(cap));
        painter.setPen(QPen(ink, 1.5));
        painter.drawLine(cell.topLeft(), cell.bottomRight());
        painter.drawLine(cell.topRight(), cell.bottomLeft());
        if (std::min(cell.width(), cell.height()) >= kSignFrom) {
            const QRectF plate(cell.center() - QPointF(5, 6), QSizeF(10, 12));
            painter.fillRect(plate, QColor::fromRgb(cap));
            painter.setFont(Theme::font(TextRole::NumberAxis));
            painter.drawText(plate, Qt::AlignCenter, value > 0 ? "+" : QString(QChar(0x2212)));
        }
    }
    painter.restore();
}

void Heatmap::paintCellTexts(QPainter& painter, const QRectF& picture, const CellRange& range, const PictureFrame& frame) {
    const std::shared_ptr<const CellBlock>& cells = frame.cells();
    const double top = std::max(std::fabs(m_color.low), std::fabs(m_color.high));
    std::vector<QString> texts;
    texts.reserve(static_cast<std::size_t>(range.count()));
    qsizetype longest = 4;
    for (std::int64_t r = range.firstRow; r < range.firstRow + range.rows; ++r) {
        for (std::int64_t c = range.firstCol; c < range.firstCol + range.cols; ++c) {
            const float value = cells->at({r, c});
            texts.push_back(m_cellText ? m_cellText({r, c}, value) : cellText(static_cast<double>(value), top));
            longest = std::max(longest, texts.back().size());
        }
    }
    double height = 0;
    painter.setFont(cellFont(m_transform.scaleX, longest, &height));
    if (height > m_transform.scaleY) {
        return;
    }
    const double shown = (m_transform.scaleX - kTextFrom) / (kTextOpaque - kTextFrom);
    const double alpha = 0.65 + 0.35 * std::clamp(shown, 0.0, 1.0);
    std::size_t next = 0;
    const double room = m_transform.scaleX - 1;
    const QFontMetricsF metrics(painter.font());
    for (std::int64_t r = range.firstRow; r < range.firstRow + range.rows; ++r) {
        for (std::int64_t c = range.firstCol; c < range.firstCol + range.cols; ++c) {
            const QRectF cell = m_transform.cellRect({r, c}).translated(picture.topLeft());
            const float value = cells->at({r, c});
            QString text = texts[next++];
            if (text.isEmpty() || !std::isfinite(value)) {
                continue;
            }
            // Half a number is a wrong number.
            const double width = metrics.horizontalAdvance(text);
            const QRectF place(cell.center() - QPointF(width, height) / 2, QSizeF(width, height));
            if (width > room || !picture.contains(place)) {
                continue;
            }
            QColor ink = QColor::fromRgb(textColorOn(m_color.color(value)));
            ink.setAlphaF(static_cast<float>(alpha));
            painter.setPen(ink);
            painter.drawText(cell, Qt::AlignCenter, text);
        }
    }
}

void Heatmap::paintMarksOfCells(QPainter& painter, const QRectF& picture) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, true);
    for (const Cell& edited : m_edited) {
        const QRectF cell = m_transform.cellRect(edited).translated(picture.topLeft());
        if (!picture.contains(cell.center())) {
            continue;
        }
        if (std::min(cell.width(), cell.height()) >= kGridFrom) {
            const double size = std::min(10.0, std::min(cell.width(), cell.height()) / 2);
            const QPolygonF corner({cell.topRight() + QPointF(-size, 1), cell.topRight() + QPointF(-1, 1), cell.topRight() + QPointF(-1, size)});
            painter.setPen(QPen(Qt::white, 1));
            painter.setBrush(Qt::black);
            painter.drawPolygon(corner);
        } else {
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(Qt::black, 3));
            painter.drawEllipse(cell.center(), 5, 5);
            painter.setPen(QPen(Qt::white, 1.5));
            painter.drawEllipse(cell.center(), 5, 5);
        }
    }
    const QFont font = Theme::font(TextRole::NumberAxis);
    const QFontMetricsF metrics(font);
    painter.setFont(font);
    const Theme& theme = Theme::current();
    for (const Pin& pin : m_pins) {
        const QRectF cell = m_transform.cellRect(pin.cell).translated(picture.topLeft());
        if (!picture.contains(cell.center())) {
            continue;
        }
        const QString number = QString::number(pin.id);
        const QPointF foot = cell.width() >= kGridFrom ? cell.topLeft() + QPointF(2, 2) : cell.center();
        const double width = std::max(metrics.height(), metrics.horizontalAdvance(number) + 8);
        QRectF flag(foot.x(), foot.y() - 10 - metrics.height(), width, metrics.height());
        flag.moveLeft(std::clamp(flag.left(), picture.left() + 1, picture.right() - width - 1));
        flag.moveTop(std::max(flag.top(), picture.top() + 1));
        painter.setPen(QPen(Qt::black, 3));
        painter.drawLine(foot, QPointF(foot.x(), flag.bottom()));
        painter.setPen(QPen(Qt::white, 1));
        painter.drawLine(foot, QPointF(foot.x(), flag.bottom()));
        painter.setPen(QPen(theme.border, 1));
        painter.setBrush(theme.raised);
        painter.drawRoundedRect(flag, 3, 3);
        painter.setPen(theme.text);
        painter.drawText(flag, Qt::AlignCenter, number);
    }
    painter.restore();
}

}  // namespace loupe::app
