// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/picture_axes.hpp"

#include <QFontMetricsF>
#include <QPainter>

#include <algorithm>
#include <cmath>

#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

constexpr double kTick = 4;

/// One axis: numbers along it.
struct Ticks {
    std::int64_t size = 0;
    double start = 0;   ///< cell at the picture's edge
    double scale = 1;
    double length = 0;  ///< pixels
    std::int64_t step = 1;
    [[nodiscard]] double at(double cell) const { return (cell - start) * scale; }
    [[nodiscard]] bool centred() const { return step == 1 && scale >= 12; }
    /// Calls f(cell, pixel) for each number in view, also the last edge of a matrix numbered by edges.
    template <class F>
    void each(F f) const {
        const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(start / static_cast<double>(step))) * step);
        const std::int64_t last = centred() ? size - 1 : size;
        for (std::int64_t cell = first; cell <= last; cell += step) {
            const double pixel = at(static_cast<double>(cell) + (centred() ? 0.5 : 0));
            if (pixel > length + 0.5) {
                break;
            }
            if (pixel >= -0.5) {
                f(cell, pixel);
            }
        }
    }
};

void paintRowNumbers(QPainter& painter, const PictureAxes& axes, const Ticks& ticks) {
    const Theme& theme = Theme::current();
    const QFont plain = Theme::font(TextRole::NumberAxis);
    QFont bold = plain;
    bold.setBold(true);
    const double height = QFontMetricsF(plain).height();
    const double right = axes.picture.left() - kTick - 3;
    ticks.each([&](std::int64_t row, double pixel) {
        const double y = axes.picture.top() + pixel;
        const bool chosen = ticks.centred() && axes.selected && axes.selected->row == row;
        if (!ticks.centred()) {
            painter.setPen(QPen(theme.border, 1));
            painter.drawLine(QPointF(axes.picture.left() - kTick, y), QPointF(axes.picture.left() - 1, y));
        }
        painter.setFont(chosen ? bold : plain);
        painter.setPen(chosen ? theme.text : theme.text2);
        painter.drawText(QRectF(0, y - height / 2, right, height), Qt::AlignRight | Qt::AlignVCenter, QString::number(row));
    });
}

void paintColumnNumbers(QPainter& painter, const PictureAxes& axes, const Ticks& ticks) {
    const Theme& theme = Theme::current();
    const QFont plain = Theme::font(TextRole::NumberAxis);
    QFont bold = plain;
    bold.setBold(true);
    const QFontMetricsF metrics(plain);
    ticks.each([&](std::int64_t col, double pixel) {
        const double x = axes.picture.left() + pixel;
        const bool chosen = ticks.centred() && axes.selected && axes.selected->col == col;
        if (!ticks.centred()) {
            painter.setPen(QPen(theme.border, 1));
            painter.drawLine(QPointF(x, axes.picture.bottom() + 1), QPointF(x, axes.picture.bottom() + kTick));
        }
        const QString text = QString::number(col);
        const double width = metrics.horizontalAdvance(text) + 4;
        painter.setFont(chosen ? bold : plain);
        painter.setPen(chosen ? theme.text : theme.text2);
        painter.drawText(QRectF(x - width / 2, axes.picture.bottom() + kTick + 1, width, metrics.height()), Qt::AlignCenter, text);
    });
}

}  // namespace

std::int64_t cellStep(double scale, double least) {
    std::int64_t step = 1;
    while (static_cast<double>(step) * scale < least && step < (std::int64_t{1} << 40)) {
        step *= 2;
    }
    return step;
}

double rowAxisWidth(std::int64_t rows) {
    const QFontMetricsF metrics(Theme::font(TextRole::NumberAxis));
    const auto digits = std::max<qsizetype>(4, QString::number(rows).size());
    return std::ceil(metrics.horizontalAdvance(QString(digits, '0')) + kTick + 3 + QFontMetricsF(Theme::font(TextRole::Caption)).height() + 2);
}

double columnAxisHeight() {
    return std::ceil(QFontMetricsF(Theme::font(TextRole::NumberAxis)).height() + kTick + 1 + QFontMetricsF(Theme::font(TextRole::Caption)).height());
}

void paintAxes(QPainter& painter, const PictureAxes& axes) {
    const Theme& theme = Theme::current();
    const QFontMetricsF numbers(Theme::font(TextRole::NumberAxis));
    const PictureTransform& transform = axes.transform;
    Ticks rows{axes.shape.rows, transform.top, transform.scaleY, axes.picture.height(), 1};
    rows.step = cellStep(rows.scale, rows.scale >= numbers.height() ? numbers.height() : 2.6 * numbers.height());
    Ticks cols{axes.shape.cols, transform.left, transform.scaleX, axes.picture.width(), 1};
    const double widest = numbers.horizontalAdvance(QString::number(axes.shape.cols));
    cols.step = cellStep(cols.scale, cols.scale >= widest + 6 ? widest + 6 : widest + 28);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, false);
    paintRowNumbers(painter, axes, rows);
    paintColumnNumbers(painter, axes, cols);

    const QFont caption = Theme::font(TextRole::Caption);
    const QFontMetricsF metrics(caption);
    painter.setFont(caption);
    painter.setPen(theme.text3);
    const double titleTop = axes.picture.bottom() + kTick + 1 + numbers.height();
    painter.drawText(QRectF(axes.picture.left(), titleTop, axes.picture.width(), metrics.height()),
                     Qt::AlignRight | Qt::AlignVCenter,
                     axes.columnTitle + QString(" ") + QChar(0x2192));
    painter.translate(axes.picture.left() - rowAxisWidth(axes.shape.rows), axes.picture.center().y());
    painter.rotate(-90);
    const double half = axes.picture.height() / 2;
    painter.drawText(QRectF(-half, 0, 2 * half, metrics.height()),
                     Qt::AlignCenter,
                     metrics.elidedText(QString(QChar(0x2190)) + " " + axes.rowTitle, Qt::ElideRight, 2 * half));
    painter.restore();
}

}  // namespace loupe::app
