// SPDX-License-Identifier: GPL-3.0-or-later
// Layout and everything round the cells: strips, axes, crosshair, read-out, progress.
#include <QFontMetricsF>
#include <QPaintEngine>
#include <QPaintEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

#include "app/plot/heatmap.hpp"
#include "app/plot/heatmap_parts.hpp"
#include "app/plot/picture_axes.hpp"
#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

/// Dark enough under white and light enough under black to show on any colour.
void paintDoubleLine(QPainter& painter, const QLineF& line) {
    painter.setPen(QPen(QColor(0, 0, 0, 166), 3, Qt::SolidLine, Qt::FlatCap));
    painter.drawLine(line);
    painter.setPen(QPen(Qt::white, 1, Qt::SolidLine, Qt::FlatCap));
    painter.drawLine(line);
}

QRectF atLeast(const QRectF& rect, double size) {
    const double w = std::max(rect.width(), size);
    const double h = std::max(rect.height(), size);
    return {rect.center().x() - w / 2, rect.center().y() - h / 2, w, h};
}

/// Whole device pixels, so that the image lies on the pixel grid at 100, 150 and 200 %.
QRectF snapped(const QRectF& rect, double ratio) {
    const auto snap = [ratio](double value) { return std::round(value * ratio) / ratio; };
    return QRectF(QPointF(snap(rect.left()), snap(rect.top())), QPointF(snap(rect.right()), snap(rect.bottom())));
}

}  // namespace

Heatmap::Parts Heatmap::layoutParts(QSizeF size) const {
    Parts parts;
    parts.whole = QRectF(QPointF(0, 0), size);
    const bool low = size.height() < Theme::px(260);
    const double caption = QFontMetricsF(Theme::font(TextRole::Caption)).height();
    const double strip = m_columns ? Theme::px(low ? 20 : 36) : 0;
    const double rowStrip = m_rows ? Theme::px(24) : 0;
    const double top = m_columns ? caption + Theme::px(2) + strip + Theme::px(6) : Theme::px(10);
    const double left = Theme::px(4) + rowAxisWidth(shape().rows);
    const double right = m_rows ? Theme::px(6) + rowStrip + Theme::px(6) : Theme::px(14);
    const double bottom = columnAxisHeight() + Theme::px(2);
    QRectF picture(left, top, std::max(1.0, size.width() - left - right), std::max(1.0, size.height() - top - bottom));
    picture = snapped(picture, devicePixelRatioF());
    parts.picture = picture;
    if (m_columns) {
        parts.columnTitle = QRectF(picture.left(), Theme::px(1), picture.width(), caption);
        parts.columnStrip = QRectF(picture.left(), picture.top() - Theme::px(6) - strip, picture.width(), strip);
    }
    if (m_rows) {
        parts.rowStrip = QRectF(picture.right() + Theme::px(6), picture.top(), rowStrip, picture.height());
    }
    return parts;
}

void Heatmap::paintEvent(QPaintEvent*) {
    QElapsedTimer timer;
    timer.start();
    QPainter painter(this);
    const Parts parts = layoutParts(size());
    painter.fillRect(rect(), Theme::current().canvas);
    if (shape().empty()) {
        paintEmpty(painter, parts.whole);
    } else {
        // The painter knows the real scale also when the widget is drawn into an image.
        const double ratio = painter.deviceTransform().m11();
        const FrameRequest request = wantedFrame(m_picture.size(), ratio);
        if (m_sampled && m_frame.request().ratio != ratio && !m_frame.missing(request)) {
            m_sampled = m_frame.sample(request).has_value();
            m_coloured = false;
        }
        updateFrame();
        paintAll(painter, parts, m_frame, true);
    }
    m_lastPaintMs = 1e-6 * static_cast<double>(timer.nsecsElapsed());
}

void Heatmap::paintAll(QPainter& painter, const Parts& parts, const PictureFrame& frame, bool interactive) {
    painter.save();
    painter.setClipRect(parts.picture);
    paintImage(painter, parts, frame);
    paintCells(painter, parts, frame);
    paintMarksOfCells(painter, parts.picture);
    if (interactive) {
        paintCrosshair(painter, parts.picture);
    }
    paintSelection(painter, parts.picture);
    painter.restore();
    paintAxes(painter, {shape(), m_transform, parts.picture, m_selected});
    paintStrips(painter, parts, interactive);
    if (interactive) {
        paintProgress(painter, parts.picture);
        if (m_keyboardFocus) {
            painter.setRenderHint(QPainter::Antialiasing, false);
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(Theme::current().focus, 2, Qt::SolidLine, Qt::SquareCap, Qt::MiterJoin));
            painter.drawRect(parts.picture.adjusted(-2, -2, 2, 2));
        }
        paintReadout(painter, parts.picture);
    }
}

void Heatmap::paintImage(QPainter& painter, const Parts& parts, const PictureFrame& frame) {
    if (frame.image().isNull()) {
        return;
    }
    painter.save();
    const bool stale = m_pending || m_reading.has_value();
    if (m_pending) {
        painter.setOpacity(0.6);
    }
    const FrameRequest& shown = frame.request();
    const double ratio = painter.deviceTransform().m11();
    if (shown.transform == m_transform && ratio == shown.ratio && !stale) {
        // In device pixels: one texel is one pixel, nothing is scaled or dropped.
        painter.translate(parts.picture.topLeft());
        painter.scale(1 / ratio, 1 / ratio);
        painter.drawImage(QPointF(0, 0), frame.image());
    } else {
        const QSizeF cells(shown.device.width() / shown.ratio / shown.transform.scaleX,
                           shown.device.height() / shown.ratio / shown.transform.scaleY);
        const QRectF target(m_transform.x(shown.transform.left),
                            m_transform.y(shown.transform.top),
                            cells.width() * m_transform.scaleX,
                            cells.height() * m_transform.scaleY);
        painter.drawImage(target.translated(parts.picture.topLeft()), frame.image(), QRectF(QPointF(0, 0), QSizeF(frame.image().size())));
    }
    painter.restore();
}

void Heatmap::paintSelection(QPainter& painter, const QRectF& picture) {
    if (!m_selected || (m_exporting && !picture.contains(m_transform.cellRect(*m_selected).translated(picture.topLeft()).center()))) {
        return;
    }
    painter.save();
    const bool large = std::min(m_transform.scaleX, m_transform.scaleY) >= kGridFrom;
    const QRectF cell = atLeast(m_transform.cellRect(*m_selected).translated(picture.topLeft()), 9);
    painter.setRenderHint(QPainter::Antialiasing, true);
    painter.setBrush(Qt::NoBrush);
    // 2 px white inside 2 px black: around a small cell, within a large one.
    const QRectF outer = large ? cell.adjusted(1, 1, -1, -1) : cell;
    painter.setPen(QPen(Qt::black, 2, Qt::SolidLine, Qt::SquareCap, Qt::MiterJoin));
    painter.drawRect(outer);
    painter.setPen(QPen(Qt::white, 2, Qt::SolidLine, Qt::SquareCap, Qt::MiterJoin));
    painter.drawRect(outer.adjusted(2, 2, -2, -2));
    painter.restore();
}

void Heatmap::paintCrosshair(QPainter& painter, const QRectF& picture) {
    if (!m_hover || m_drag != Drag::None) {
        if (!m_box.isNull()) {
            painter.setBrush(QColor(255, 255, 255, 40));
            painter.setPen(QPen(Qt::black, 3));
            painter.drawRect(m_box);
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(Qt::white, 1, Qt::DashLine));
            painter.drawRect(m_box);
        }
        return;
    }
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, false);
    const QRectF cell = m_transform.cellRect(*m_hover).translated(picture.topLeft());
    const QPointF centre(std::floor(cell.center().x()) + 0.5, std::floor(cell.center().y()) + 0.5);
    const double gapX = cell.width() / 2 + 9;
    const double gapY = cell.height() / 2 + 9;
    if (m_transform.scaleX < kTextFrom) {  // lines through numbers would make them hard to read
        paintDoubleLine(painter, QLineF(picture.left(), centre.y(), centre.x() - gapX, centre.y()));
        paintDoubleLine(painter, QLineF(centre.x() + gapX, centre.y(), picture.right(), centre.y()));
        paintDoubleLine(painter, QLineF(centre.x(), picture.top(), centre.x(), centre.y() - gapY));
        paintDoubleLine(painter, QLineF(centre.x(), centre.y() + gapY, centre.x(), picture.bottom()));
    }
    if (m_hover != m_selected) {
        painter.setRenderHint(QPainter::Antialiasing, true);
        const QRectF box = atLeast(cell, 7);
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(QColor(0, 0, 0, 166), 3));
        painter.drawRect(box);
        painter.setPen(QPen(Qt::white, 1));
        painter.drawRect(box);
    }
    painter.restore();
}

void Heatmap::paintReadout(QPainter& painter, const QRectF& picture) {
    QString title;
    QStringList lines;
    QRectF anchor;
    if (m_hoverChannel) {
        const auto [column, index] = *m_hoverChannel;
        const ChannelStrip* strip = (column ? m_columns : m_rows).get();
        if (strip == nullptr || index < 0 || index >= static_cast<std::int64_t>(strip->values.size())) {
            return;
        }
        title = QString("%1 %2").arg(column ? "column" : "row").arg(index);
        const float value = strip->values[static_cast<std::size_t>(index)];
        lines << QString("%1 %2").arg(strip->valueName, formatNumber(static_cast<double>(value)));
        if (std::binary_search(strip->outliers.begin(), strip->outliers.end(), index)) {
            lines << "outlier channel";
        }
        anchor = atLeast(QRectF(m_hoverPosition, QSizeF(0, 0)), 12);
    } else if (m_hover && m_hoverIsMine && m_drag == Drag::None && !m_pending) {
        const std::optional<float> value = valueAt(*m_hover);
        title = QString("row %1 · column %2").arg(m_hover->row).arg(m_hover->col);
        if (value) {
            lines = m_readout ? m_readout(*m_hover, *value) : QStringList{formatExact(static_cast<double>(*value))};
        }
        anchor = atLeast(m_transform.cellRect(*m_hover).translated(picture.topLeft()), 18);
    } else {
        return;
    }
    paintCard(painter, title, lines, anchor);
}

/// Right of and below the anchor; flips where there is no room, so that it never covers it.
void Heatmap::paintCard(QPainter& painter, const QString& title, const QStringList& lines, const QRectF& anchor) const {
    const Theme& theme = Theme::current();
    const QFont small = Theme::font(TextRole::Small);
    const QFont number = Theme::font(TextRole::Number);
    const QFontMetricsF smallMetrics(small);
    const QFontMetricsF numberMetrics(number);
    double width = smallMetrics.horizontalAdvance(title);
    for (const QString& line : lines) {
        width = std::max(width, numberMetrics.horizontalAdvance(line));
    }
    const double pad = Theme::px(8);
    const QSizeF size(width + 2 * pad, smallMetrics.height() + numberMetrics.height() * static_cast<double>(lines.size()) + 1.5 * pad);
    QPointF corner(anchor.right() + Theme::px(10), anchor.bottom() + Theme::px(6));
    if (corner.x() + size.width() > this->width() - 2) {
        corner.setX(anchor.left() - Theme::px(10) - size.width());
    }
    if (corner.y() + size.height() > this->height() - 2) {
        corner.setY(anchor.top() - Theme::px(6) - size.height());
    }
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, true);
    QColor back = theme.panel;
    painter.setBrush(back);
    painter.setPen(QPen(theme.border, 1));
    const QRectF box(std::round(corner.x()) + 0.5, std::round(corner.y()) + 0.5, std::ceil(size.width()), std::ceil(size.height()));
    painter.drawRoundedRect(box, 6, 6);
    painter.setFont(small);
    painter.setPen(theme.text2);
    QRectF line(box.left() + pad, box.top() + 0.75 * pad, box.width() - 2 * pad, smallMetrics.height());
    painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, title);
    painter.setFont(number);
    line.moveTop(line.bottom());
    line.setHeight(numberMetrics.height());
    for (qsizetype i = 0; i < lines.size(); ++i) {
        painter.setPen(i == 0 ? theme.text : theme.text2);
        painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, lines[i]);
        line.moveTop(line.bottom());
    }
    painter.restore();
}

void Heatmap::paintStrips(QPainter& painter, const Parts& parts, bool interactive) {
    const Theme& theme = Theme::current();
    const auto highlighted = [&](bool column) -> std::optional<std::int64_t> {
        if (interactive && m_hoverChannel && m_hoverChannel->first == column) {
            return m_hoverChannel->second;
        }
        if (interactive && m_hover) {
            return column ? m_hover->col : m_hover->row;
        }
        return std::nullopt;
    };
    painter.setFont(Theme::font(TextRole::Caption));
    const QFontMetricsF metrics(painter.font());
    if (m_columns) {
        paintStrip(painter, *m_columns, parts.columnStrip, m_transform, true, highlighted(true));
        painter.setFont(Theme::font(TextRole::Caption));
        double used = 0;
        if (!m_columns->outlierText.isEmpty()) {
            painter.setPen(theme.outlier);
            painter.drawText(parts.columnTitle, Qt::AlignRight | Qt::AlignVCenter, m_columns->outlierText);
            used = metrics.horizontalAdvance(m_columns->outlierText) + Theme::px(12);
        }
        painter.setPen(theme.text3);
        const QRectF title = parts.columnTitle.adjusted(0, 0, -used, 0);
        painter.drawText(title, Qt::AlignLeft | Qt::AlignVCenter, metrics.elidedText(m_columns->title, Qt::ElideRight, title.width()));
    }
    if (m_rows) {
        paintStrip(painter, *m_rows, parts.rowStrip, m_transform, false, highlighted(false));
        painter.setFont(Theme::font(TextRole::Caption));
        painter.setPen(theme.text3);
        const double height = 2 * metrics.height();
        const QRectF title(parts.rowStrip.left(), parts.picture.top() - height - Theme::px(2), parts.whole.right() - parts.rowStrip.left(), height);
        painter.drawText(title, Qt::AlignLeft | Qt::AlignBottom | Qt::TextWordWrap, m_rows->title);
    }
}

void Heatmap::paintProgress(QPainter& painter, const QRectF& picture) {
    if (m_pending || m_reading) {
        drawProgressLine(painter, picture, m_pending ? m_fraction : -1);
    }
}

void Heatmap::paintEmpty(QPainter& painter, const QRectF& area) {
    drawEmpty(painter, area, "matrix", m_emptyTitle, m_emptyDetail);
    if (m_pending) {
        drawProgressLine(painter, area, m_fraction);
    }
}

void Heatmap::paintPicture(QPainter& painter, const QRectF& target) {
    Parts parts = layoutParts(target.size());
    if (shape().empty()) {
        painter.save();
        painter.translate(target.topLeft());
        paintEmpty(painter, parts.whole);
        painter.restore();
        return;
    }
    // The same cells at the target's size; twice the pixels, so that print does not show them.
    constexpr double kRatio = 2;
    const PictureTransform before = m_transform;
    const bool pending = std::exchange(m_pending, false);
    m_exporting = true;
    m_transform.scaleX *= parts.picture.width() / m_picture.width();
    m_transform.scaleY *= parts.picture.height() / m_picture.height();
    PictureFrame frame = m_frame;
    const FrameRequest request = wantedFrame(parts.picture.size(), kRatio);
    if (const Result<void> sampled = frame.sample(request); sampled) {
        frame.colour(m_color, marks());
    }
    painter.save();
    painter.translate(target.topLeft());
    painter.fillRect(parts.whole, Theme::current().canvas);
    paintAll(painter, parts, frame, false);
    painter.restore();
    m_transform = before;
    m_pending = pending;
    m_exporting = false;
}

}  // namespace loupe::app
