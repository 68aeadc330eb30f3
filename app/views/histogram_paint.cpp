// SPDX-License-Identifier: GPL-3.0-or-later
// How the histogram is drawn.
#include "app/document/cursor.hpp"
#include "app/views/histogram_view.hpp"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// The smallest distance of neighbouring levels in pixels; large where there are fewer than two.
double leastGap(const std::vector<Level>& levels, double pixelsPerUnit) {
    double least = 1e9;
    for (std::size_t i = 1; i < levels.size(); ++i) {
        least = std::min(least, (levels[i].value - levels[i - 1].value) * pixelsPerUnit);
    }
    return least;
}

QColor withAlpha(QColor color, double alpha) {
    color.setAlphaF(float(alpha));
    return color;
}

}  // namespace

void HistogramView::paintBars(QPainter& painter) {
    if (!m_stats || m_shown.counts.empty()) {
        return;
    }
    const Theme& theme = Theme::current();
    const QRectF area = axisRect();
    painter.setOpacity(m_stale ? 0.6 : 1);
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme.fill);
    // One outline around all bars: no seams between neighbours at any scale.
    QPolygonF outline;
    const double width = (m_shown.max - m_shown.min) / double(m_shown.counts.size());
    const double base = area.bottom() + 1;
    double lastY = base;
    outline << QPointF(area.left(), base);
    for (std::size_t i = 0; i < m_shown.counts.size(); ++i) {
        const double left =
            clampTo(pixelOf(m_shown.min + double(i) * width), area.left(), area.right() + 1);
        const double right =
            clampTo(pixelOf(m_shown.min + double(i + 1) * width), area.left(), area.right() + 1);
        const double y =
            m_shown.counts[i] == 0
                ? base
                : m_plot->yAxis->coordToPixel(countPosition(m_scale, double(m_shown.counts[i])));
        if (y != lastY) {
            outline << QPointF(left, lastY) << QPointF(left, y);
            lastY = y;
        }
        outline << QPointF(right, y);
    }
    outline << QPointF(area.right() + 1, base);
    painter.drawPolygon(outline);
}

void HistogramView::paintClips(QPainter& painter) {
    const QRectF area = axisRect();
    const auto tint = [&](const Grid& grid, Side side) {
        if (!m_stats || !grid.clip) {
            return;
        }
        const double stub = Theme::px(16);
        const QRectF zone =
            side == Side::A ? area : QRectF(area.left(), area.bottom() - stub, area.width(), stub);
        const double left = clampTo(pixelOf(grid.clip->first), area.left(), area.right());
        const double right = clampTo(pixelOf(grid.clip->second), area.left(), area.right());
        painter.setRenderHint(QPainter::Antialiasing, false);
        const auto part = [&](double from, double to, bool atLeft) {
            if (to - from < 1) {
                return;
            }
            painter.fillRect(QRectF(from, zone.top(), to - from, zone.height()),
                             withAlpha(sideColor(side), 0.1));
            painter.setPen(QPen(sideColor(side), 1, Qt::DotLine));
            const double edge = atLeft ? to : from;
            painter.drawLine(QPointF(edge, zone.top()), QPointF(edge, zone.bottom()));
            const QString word = tr("clips");
            const double width = textWidth(word, TextRole::Caption);
            if (side == Side::A && to - from > width + 6) {
                drawTextLine(
                    painter,
                    QRectF(from + 3, zone.top() + 2, to - from - 6, lineHeight(TextRole::Caption)),
                    atLeft ? Qt::AlignRight : Qt::AlignLeft,
                    word,
                    TextRole::Caption,
                    sideColor(side));
            }
        };
        part(area.left(), left, true);
        part(right, area.right() + 1, false);
    };
    tint(m_grids[0], Side::A);
    tint(m_grids[1], Side::B);
}

void HistogramView::paintGridA(QPainter& painter) {
    const std::vector<Level> inside = gridLines(Side::A);
    if (!m_stats || inside.empty()) {
        return;
    }
    const QRectF area = axisRect();
    const double perUnit = area.width() / std::max(1e-300, m_plot->xAxis->range().size());
    const double gap = leastGap(inside, perUnit);
    painter.setRenderHint(QPainter::Antialiasing, false);
    // Lines closer than three pixels would hide the distribution: they fade into a veil.
    const double alpha = gap >= 6 ? 0.85 : std::clamp(gap / 7, 0.16, 0.85);
    painter.setPen(QPen(withAlpha(sideColor(Side::A), alpha), 1));
    double last = -1e9;
    for (const Level& level : inside) {
        const double x = std::floor(pixelOf(level.value)) + 0.5;
        if (x != last) {
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
            last = x;
        }
    }
    paintCodes(painter, inside);
}

void HistogramView::paintCodes(QPainter& painter, const std::vector<Level>& inside) {
    const QRectF area = axisRect();
    const double height = lineHeight(TextRole::NumberAxis);
    // The level that the selected weight becomes: a wider line and a bold number that goes first.
    std::optional<std::size_t> nearest;
    if (m_selectedValue && std::isfinite(*m_selectedValue)) {
        if (const auto cell = document().cursor().selected(); cell && m_grids[0].result) {
            std::vector<double> row(static_cast<std::size_t>(m_grids[0].result->quantized->cols()));
            if (m_grids[0].result->quantized->read(cell->row, 1, row.data())) {
                const double value = row[static_cast<std::size_t>(cell->col)];
                for (std::size_t i = 0; i < inside.size(); ++i) {
                    if (!nearest || std::abs(inside[i].value - value) <
                                        std::abs(inside[*nearest].value - value)) {
                        nearest = i;
                    }
                }
            }
        }
    }
    const auto label = [&](const Level& level) {
        return QString::number(level.code).replace('-', QChar(0x2212));
    };
    std::vector<std::pair<double, double>> taken;
    const auto place = [&](const Level& level, bool bold) {
        const QString text = label(level);
        const double width = textWidth(text, TextRole::NumberAxis) + (bold ? 3 : 1);
        const double x = pixelOf(level.value);
        const std::pair<double, double> span(x - width / 2 - 3, x + width / 2 + 3);
        if (span.first < area.left() - width || span.second > area.right() + width) {
            return;
        }
        for (const auto& other : taken) {
            if (span.first < other.second && other.first < span.second) {
                return;
            }
        }
        taken.push_back(span);
        QFont font = Theme::font(TextRole::NumberAxis);
        font.setBold(bold);
        painter.setFont(font);
        painter.setPen(sideColor(Side::A));
        painter.drawText(QRectF(x - width, area.top() - height - 1, 2 * width, height),
                         Qt::AlignCenter | Qt::TextSingleLine,
                         text);
    };
    if (nearest) {
        const double x = std::floor(pixelOf(inside[*nearest].value)) + 0.5;
        painter.setPen(QPen(sideColor(Side::A), 2.5, Qt::SolidLine, Qt::FlatCap));
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
        place(inside[*nearest], true);
    }
    // The smallest round step whose numbers fit beside each other: a dense grid is numbered evenly.
    const double room = textWidth(label(inside.front()), TextRole::NumberAxis) + Theme::px(8);
    const double perCode = area.width() / std::max(1e-300, m_plot->xAxis->range().size()) *
                           (inside.back().value - inside.front().value) /
                           std::max<double>(1, double(inside.size()) - 1);
    std::int64_t step = 1;
    for (const std::int64_t next : {1, 2, 4, 8, 16, 32, 64, 128}) {
        step = next;
        if (double(step) * perCode >= room) {
            break;
        }
    }
    for (const Level& level : inside) {
        if (level.code % step == 0) {
            place(level, false);
        }
    }
    for (const std::size_t edge : {std::size_t(0), inside.size() - 1}) {
        place(inside[edge], false);
    }
}

void HistogramView::paintGridB(QPainter& painter) {
    const std::vector<Level> inside = gridLines(Side::B);
    if (!m_stats || inside.empty()) {
        return;
    }
    const QRectF area = axisRect();
    painter.setRenderHint(QPainter::Antialiasing, false);
    const double perUnit = area.width() / std::max(1e-300, m_plot->xAxis->range().size());
    const double gap = leastGap(inside, perUnit);
    QPen pen(withAlpha(sideColor(Side::B), gap >= 4 ? 1 : 0.6), gap >= 8 ? 2 : 1);
    pen.setCapStyle(Qt::FlatCap);
    pen.setDashPattern(gap >= 8 ? QVector<qreal>{2, 1} : QVector<qreal>{4, 2});
    painter.setPen(pen);
    for (const Level& level : inside) {
        const double x = std::floor(pixelOf(level.value)) + 0.5;
        painter.drawLine(QPointF(x, area.bottom() - Theme::px(16)), QPointF(x, area.bottom()));
    }
}

std::vector<LegendEntry> HistogramView::legend(bool brief) const {
    std::vector<LegendEntry> entries;
    entries.push_back({LegendEntry::Mark::Area,
                       tr("%1 weights").arg(formatCount(qint64(m_stats->finite()))),
                       {}});
    for (const Side side : {Side::A, Side::B}) {
        const Grid& grid = m_grids[side == Side::A ? 0 : 1];
        if (!grid.result) {
            continue;
        }
        const LegendEntry::Mark mark =
            side == Side::A ? LegendEntry::Mark::LineA : LegendEntry::Mark::LineB;
        const QString letter = side == Side::A ? "A" : "B";
        QString text = tr("%1 grid").arg(letter);
        if (brief && grid.levels.size() > 1) {
            entries.push_back({mark, letter, {}});
            continue;
        }
        if (grid.levels.size() > 1) {
            const double first = grid.levels[1].value - grid.levels[0].value;
            const double last =
                grid.levels.back().value - grid.levels[grid.levels.size() - 2].value;
            if (std::abs(first - last) <= 1e-4 * std::abs(first)) {
                text += tr(", step %1").arg(formatNumber(first, 3));
            }
        } else {
            text += tr(": too fine to draw");
        }
        entries.push_back({mark, text, {}});
    }
    const Theme& theme = Theme::current();
    if (m_stats->nan > 0) {
        entries.push_back({LegendEntry::Mark::Text,
                           tr("%1 NaN").arg(formatCount(qint64(m_stats->nan))),
                           theme.error});
    }
    if (m_stats->inf > 0) {
        entries.push_back({LegendEntry::Mark::Text,
                           tr("%1 infinite").arg(formatCount(qint64(m_stats->inf))),
                           theme.error});
    }
    return entries;
}

void HistogramView::paintFrame(QPainter& painter) {
    const Theme& theme = Theme::current();
    const QRectF all = m_plot->viewport();
    if (!m_stats) {
        if (m_error) {
            drawEmpty(painter,
                      all,
                      "error",
                      tr("This tensor cannot be counted"),
                      QString::fromStdString(m_error->message()));
        } else if (m_stale) {
            drawEmpty(painter, all, "vector", tr("Counting weights"), {});
        } else {
            drawEmpty(painter,
                      all,
                      "vector",
                      tr("No tensor selected"),
                      tr("Its distribution and the schemes' grids appear here."));
        }
    } else {
        const QRectF area = axisRect();
        const double y = lineHeight(TextRole::NumberAxis) + Theme::px(13);
        drawTextLine(
            painter,
            QRectF(area.left(), area.bottom() + y, area.width(), lineHeight(TextRole::Caption)),
            Qt::AlignRight,
            tr("weight"),
            TextRole::Caption,
            theme.text3);
        if (m_selectedValue) {
            paintTriangle(painter, *m_selectedValue, true);
        }
    }
    if (m_stale) {
        drawProgressLine(painter, all, m_fraction);
    }
}

void HistogramView::paintTriangle(QPainter& painter, double weight, bool filled) {
    const Theme& theme = Theme::current();
    const QRectF area = axisRect();
    const double x = pixelOf(weight);
    if (!std::isfinite(weight) || x < area.left() - 1 || x > area.right() + 1) {
        return;
    }
    const double size = Theme::px(5);
    const double top = area.bottom() + 2;
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(theme.text, 1));
    painter.setBrush(filled ? QBrush(theme.text) : QBrush(theme.canvas));
    painter.drawPolygon(QPolygonF({QPointF(x, top),
                                   QPointF(x + size, top + size * 1.7),
                                   QPointF(x - size, top + size * 1.7)}));
}

void HistogramView::paintOverlay(QPainter& painter) {
    const Theme& theme = Theme::current();
    const QRectF all = m_plot->viewport();
    if (m_stats) {
        const QRectF area = axisRect();
        if (const auto brushed = document().cursor().brushed()) {
            const double left = clampTo(pixelOf(brushed->first), area.left(), area.right());
            const double right = clampTo(pixelOf(brushed->second), area.left(), area.right());
            painter.fillRect(QRectF(left, area.top(), std::max(1.0, right - left), area.height()),
                             withAlpha(theme.text, 0.16));
            painter.setPen(QPen(theme.text, 1));
            painter.drawLine(QPointF(left, area.top()), QPointF(left, area.bottom()));
            painter.drawLine(QPointF(right, area.top()), QPointF(right, area.bottom()));
        }
        if (m_hoverX && !m_exporting) {
            const double x = std::floor(pixelOf(*m_hoverX)) + 0.5;
            painter.setPen(QPen(theme.text2, 1));
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
        }
        if (m_hoverValue && !m_exporting) {
            paintTriangle(painter, *m_hoverValue, false);
        }
        const double left = Theme::px(12);
        const double top = Theme::px(6);
        double right = all.width() - Theme::px(12);
        const double height = lineHeight(TextRole::Caption);
        if (m_readout.isEmpty() || m_exporting) {
            const bool exact = shownExactly();
            if (all.width() > Theme::px(300)) {
                right -= drawTruthMark(painter,
                                       QPointF(right, top - 1),
                                       exact,
                                       exact ? tr("exact") : tr("fine bins")) +
                         Theme::px(8);
            }
            const bool brief = legendWidth(legend(false)) > right - left;
            drawLegend(painter, QPointF(left, top), right - left, legend(brief));
        } else {
            const double width = textWidth(m_readout, TextRole::NumberAxis) + 2;
            drawTextLine(painter,
                         QRectF(right - width, top, width, height),
                         Qt::AlignRight,
                         m_readout,
                         TextRole::NumberAxis,
                         theme.text);
            drawLegend(
                painter, QPointF(left, top), right - width - Theme::px(10) - left, legend(true));
        }
    }
    if (m_ring && hasFocus() && !m_exporting) {
        drawFocusRing(painter, all);
    }
}

}  // namespace loupe::app
