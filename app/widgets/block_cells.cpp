// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/block_cells.hpp"

#include "app/widgets/describe.hpp"
#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"
#include "core/stats/colormaps.hpp"

#include <QPaintEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// Colour of a value on the signed map whose ends are ∓most.
QRgb colourOf(double value, double most) {
    const ColorTable& table = colorTable(ColorMapId::Signed);
    if (std::isnan(value)) {
        return qRgb(0, 0, 0);
    }
    if (std::isinf(value)) {
        return value > 0 ? table.above : table.below;
    }
    const double share = most > 0 ? std::clamp(value / most, -1.0, 1.0) : 0.0;
    const auto last = static_cast<double>(table.entries.size() - 1);
    return table.entries[static_cast<std::size_t>(std::lround((share + 1) / 2 * last))];
}

}  // namespace

BlockCells::BlockCells(QWidget* parent) : CellWidget(parent) {
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    describe();
}

void BlockCells::setContent(std::vector<double> values,
                            std::vector<bool> changed,
                            std::int64_t current) {
    const bool resized = values.size() != m_values.size();
    m_values = std::move(values);
    m_changed = std::move(changed);
    m_current = current;
    m_most = 0;
    for (const double value : m_values) {
        m_most = std::isfinite(value) ? std::max(m_most, std::fabs(value)) : m_most;
    }
    if (resized) {
        updateGeometry();
    }
    describe();
    update();
}

BlockCells::Grid BlockCells::gridFor(int width) const {
    Grid grid;
    const auto count = static_cast<int>(std::max<std::size_t>(1, m_values.size()));
    const double scale = Theme::fontScale();
    if (count > 32) {
        const QFontMetricsF axis(Theme::font(TextRole::NumberAxis));
        grid.label = axis.horizontalAdvance(QString::number(count)) + 6 * scale;
    }
    const double room = width - 4.0 - grid.label;
    grid.perRow = count > 1024 ? 128 : std::min(count, 32);
    if (count <= 1024 && room / grid.perRow < 11 * scale && count > 16) {
        grid.perRow = 16;
    }
    grid.cell = std::clamp(std::floor(room / grid.perRow), 3.0, (count <= 16 ? 64 : 24) * scale);
    // Few cells carry their values.
    grid.line = count <= 16 ? std::round(26 * scale) : std::min(grid.cell, 16 * scale);
    return grid;
}

QRectF BlockCells::cellRect(std::int64_t cell) const {
    const Grid grid = gridFor(width());
    return {2 + grid.label + static_cast<double>(cell % grid.perRow) * grid.cell,
            2 + static_cast<double>(cell / grid.perRow) * grid.line,
            grid.cell,
            grid.line};
}

std::int64_t BlockCells::cellAt(const QPointF& pos) const {
    const Grid grid = gridFor(width());
    const auto column =
        static_cast<std::int64_t>(std::floor((pos.x() - 2 - grid.label) / grid.cell));
    const auto row = static_cast<std::int64_t>(std::floor((pos.y() - 2) / grid.line));
    const std::int64_t cell = row * grid.perRow + column;
    return column >= 0 && column < grid.perRow && row >= 0 && cell < count() ? cell : -1;
}

QSize BlockCells::sizeHint() const {
    const int width = Theme::px(360);
    return {width, heightForWidth(width)};
}

QSize BlockCells::minimumSizeHint() const {
    return {Theme::px(150), Theme::px(20)};
}

int BlockCells::heightForWidth(int width) const {
    const Grid grid = gridFor(width);
    const std::int64_t rows = (count() + grid.perRow - 1) / grid.perRow;
    return static_cast<int>(std::ceil(static_cast<double>(rows) * grid.line)) + 4;
}

void BlockCells::paintEvent(QPaintEvent* event) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    const Grid grid = gridFor(width());
    painter.setFont(Theme::font(TextRole::NumberAxis));
    const QFontMetricsF metrics(painter.font());
    for (std::int64_t i = 0; i < count(); ++i) {
        const QRectF cell = cellRect(i);
        if (!cell.intersects(QRectF(event->rect()).adjusted(-grid.label - 4, 0, 0, 0))) {
            continue;
        }
        const auto at = static_cast<std::size_t>(i);
        const QRgb colour = colourOf(m_values[at], m_most);
        painter.fillRect(cell.adjusted(0, 0, grid.cell > 5 ? -1 : 0, grid.line > 5 ? -1 : 0),
                         QColor::fromRgb(colour));
        const QString text = formatNumber(m_values[at], 3);
        if (metrics.horizontalAdvance(text) + 4 <= cell.width() &&
            cell.height() >= metrics.height()) {
            painter.setPen(QColor::fromRgb(textColorOn(colour)));
            painter.drawText(cell, Qt::AlignCenter, text);
        }
        if (at < m_changed.size() && m_changed[at]) {
            const double side = std::clamp(cell.width() / 3, 3.0, 7.0);
            painter.setPen(Qt::NoPen);
            painter.setBrush(QColor::fromRgb(textColorOn(colour)));
            painter.drawPolygon(QPolygonF({cell.topRight() + QPointF(-1 - side, 0),
                                           cell.topRight() + QPointF(-1, 0),
                                           cell.topRight() + QPointF(-1, side)}));
        }
        if (grid.label > 0 && i % grid.perRow == 0 && i / grid.perRow % 2 == 0 &&
            grid.line * 2 >= metrics.height() * 0.8) {
            painter.setPen(t.text3);
            painter.drawText(
                QRectF(
                    0, cell.center().y() - metrics.height() / 2, grid.label - 2, metrics.height()),
                Qt::AlignRight | Qt::AlignVCenter,
                QString::number(i));
        }
    }
    if (m_current >= 0 && m_current < count()) {
        painter.setRenderHint(QPainter::Antialiasing);
        // Two rings, so that it shows on any colour.
        const QRectF ring = cellRect(m_current).adjusted(-0.5, -0.5, -0.5, -0.5);
        drawBox(painter, ring.adjusted(-1.5, -1.5, 1.5, 1.5), 1, QColor(), Qt::black, 2);
        drawBox(painter, ring.adjusted(0.5, 0.5, -0.5, -0.5), 1, QColor(), Qt::white, 2);
        if (hasFocus()) {
            drawFocusRing(painter, ring.adjusted(-3, -3, 3, 3), 2);
        }
    }
}

void BlockCells::describe() {
    setAccessibleName(tr("Elements of the block"));
    if (m_current < 0 || m_current >= count()) {
        describeWidget(*this, {});
        return;
    }
    describeWidget(*this,
                   tr("Element %1 of %2, %3, value %4")
                       .arg(m_current)
                       .arg(count())
                       .arg(m_names ? m_names(m_current) : QString(),
                            formatExact(m_values[static_cast<std::size_t>(m_current)])));
}

void BlockCells::choose(std::int64_t cell) {
    if (cell != m_current) {
        emit cellChosen(cell);
    }
}

QString BlockCells::tipFor(std::int64_t cell) const {
    return tr("Element %1, %2: %3")
        .arg(cell)
        .arg(m_names ? m_names(cell) : QString(),
             formatExact(m_values[static_cast<std::size_t>(cell)]));
}

}  // namespace loupe::app
