// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/attention/tile_grid.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/attention/attention_model.hpp"
#include "core/stats/colormaps.hpp"

#include <QEvent>
#include <QFocusEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kBlockSize = 26;  // of the rows of Q, K, O blocks at 100 %
constexpr double kTextCell = 46;   // a cell from here on prints its number
constexpr double kLinesFrom = 4;   // cells smaller than this have no lines between them

/// The colour of a score in the run's range.
QRgb colorOf(double score, std::pair<double, double> range) {
    const std::span<const std::uint32_t> entries = colorTable(ColorMapId::Viridis).entries;
    const double width = range.second - range.first;
    const double at = width > 0 ? (score - range.first) / width : 0.5;
    const auto index = static_cast<std::size_t>(
        std::lround(std::clamp(at, 0.0, 1.0) * static_cast<double>(entries.size() - 1)));
    return entries[index];
}

/// Are the cells large enough for their numbers?
bool printsNumbers(const TileLayout& layout) {
    const QRectF cell = layout.cell(0, 0);
    return cell.width() >= Theme::px(kTextCell) &&
           cell.height() >= lineHeight(TextRole::NumberAxis) + 4;
}

void drawSelection(QPainter& painter, const QRectF& rect, bool dashed) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setBrush(Qt::NoBrush);
    const QRectF inner = rect.adjusted(0, 0, -1, -1);
    painter.setPen(QPen(Qt::black, 2));
    painter.drawRect(inner.adjusted(-2, -2, 2, 2));
    painter.setPen(QPen(Qt::white, 2, dashed ? Qt::DotLine : Qt::SolidLine));
    painter.drawRect(inner);
    painter.restore();
}

}  // namespace

QRectF TileLayout::cell(std::int64_t row, std::int64_t col) const {
    const auto edge = [](double from, double length, std::int64_t at, std::int64_t of) {
        return from + std::round(length * static_cast<double>(at) / static_cast<double>(of));
    };
    const double left = edge(cells.left(), cells.width(), col, cols);
    const double top = edge(cells.top(), cells.height(), row, rows);
    return {QPointF(left, top),
            QPointF(edge(cells.left(), cells.width(), col + 1, cols),
                    edge(cells.top(), cells.height(), row + 1, rows))};
}

TileGrid::TileGrid(AttentionModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("tiles"));
    setAccessibleName(tr("Tiles of scores, blocks of queries by blocks of keys"));
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    connect(&model, &AttentionModel::traceChanged, this, &TileGrid::refresh);
    connect(&model, &AttentionModel::stepChanged, this, &TileGrid::refresh);
    connect(&model, &AttentionModel::tileChanged, this, &TileGrid::refresh);
}

QSize TileGrid::sizeHint() const {
    return {Theme::px(480), Theme::px(520)};
}

QSize TileGrid::minimumSizeHint() const {
    return {280, 240};  // not with the type: a grid has few words
}

void TileGrid::refresh() {
    setAccessibleDescription(describe());
    update();
}

QString TileGrid::describe() const {
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    if (!trace) {
        return {};
    }
    const AttentionTiling& tiling = trace->tiling;
    const std::int64_t i = m_model.queryBlock();
    const std::int64_t j = m_model.keyBlock();
    QString text = tr("Queries %1 to %2")
                       .arg(tiling.firstQuery(i))
                       .arg(tiling.firstQuery(i) + tiling.queriesOf(i) - 1);
    if (trace->algorithm != AttentionAlgorithm::Standard) {
        text += tr(", keys %1 to %2")
                    .arg(tiling.firstKey(j))
                    .arg(tiling.firstKey(j) + tiling.keysOf(j) - 1);
        if (trace->causal && !tiling.isNeeded(i, j)) {
            return text + tr(": skipped, every key comes after every query");
        }
    }
    const AttentionStep* step = m_model.followed();
    if (step == nullptr) {
        return text + tr(": not computed yet");
    }
    if (step->masked && trace->algorithm != AttentionAlgorithm::Standard) {
        text += tr(", masked element by element");
    }
    return text + tr(": largest score %1").arg(formatNumber(step->largest));
}

TileLayout TileGrid::layOut(const QRectF& area) const {
    TileLayout layout;
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    if (!trace) {
        return layout;
    }
    layout.rows = trace->tiling.queryBlocks;
    layout.cols = trace->tiling.keyBlocks;
    const double block = Theme::px(kBlockSize);
    const double gap = Theme::px(6);
    const double line = lineHeight(TextRole::Small);
    const double caption = line + Theme::px(16);  // above the K blocks
    const double side = line + Theme::px(6);      // rotated caption of the Q blocks
    const double legend = line + Theme::px(18);   // under the grid
    const double room = std::min(area.width() - 2 * (block + gap) - side - Theme::px(8),
                                 area.height() - caption - block - gap - legend);
    const double size = std::max(8.0, std::floor(room));
    const double width = size + 2 * (block + gap) + side;
    const double left = std::floor(area.left() + (area.width() - width) / 2) + side;
    const double height = size + caption + block + gap + legend;
    const double top =
        std::floor(area.top() + std::max(0.0, (area.height() - height) / 2)) + caption;
    layout.cells = QRectF(left + block + gap, top + block + gap, size, size);
    layout.keys = QRectF(layout.cells.left(), top, size, block);
    layout.queries = QRectF(left, layout.cells.top(), block, size);
    layout.outputs = QRectF(layout.cells.right() + gap, layout.cells.top(), block, size);
    return layout;
}

void TileGrid::paintBlocks(QPainter& painter, const TileLayout& layout) const {
    const Theme& theme = Theme::current();
    const AttentionStep* now = m_model.step();
    const AttentionTrace& trace = *m_model.trace();
    const bool standard = trace.algorithm == AttentionAlgorithm::Standard;
    const bool lines = layout.cells.width() / static_cast<double>(layout.cols) >= kLinesFrom;
    const double inset = lines ? 1 : 0;
    // What is on the chip now wears the text colour.
    for (std::int64_t j = 0; j < layout.cols; ++j) {
        const QRectF cell = layout.cell(0, j);
        const bool on =
            now != nullptr && (standard ? now->pass != AttentionPass::Softmax : now->keyBlock == j);
        painter.fillRect(
            QRectF(cell.left(), layout.keys.top(), cell.width() - inset, layout.keys.height()),
            on ? theme.text : theme.pressed);
    }
    for (std::int64_t i = 0; i < layout.rows; ++i) {
        const QRectF cell = layout.cell(i, 0);
        const bool here = now != nullptr && now->queryBlock == i;
        const bool query = here && (!standard || now->pass == AttentionPass::Scores);
        painter.fillRect(
            QRectF(
                layout.queries.left(), cell.top(), layout.queries.width(), cell.height() - inset),
            query ? theme.text : theme.pressed);
        const QRectF out(
            layout.outputs.left(), cell.top(), layout.outputs.width(), cell.height() - inset);
        painter.fillRect(out, theme.pressed);
        // How much of the output has been put together.
        std::int64_t done = 0;
        std::int64_t all = 0;
        if (standard) {
            all = 1;
            done = m_model.stepIndex() >= static_cast<std::size_t>(2 * layout.rows + i) ? 1 : 0;
        } else {
            for (std::int64_t j = 0; j < layout.cols; ++j) {
                all += !trace.causal || trace.tiling.isNeeded(i, j) ? 1 : 0;
                done += m_model.stepOf(i, j) >= 0 ? 1 : 0;
            }
        }
        if (done > 0) {
            QRectF part = out;
            part.setWidth(out.width() * static_cast<double>(done) / static_cast<double>(all));
            painter.fillRect(part,
                             here && (!standard || now->pass == AttentionPass::Output)
                                 ? theme.text
                                 : theme.fill);
        }
    }
}

void TileGrid::paintCells(QPainter& painter, const TileLayout& layout) const {
    const Theme& theme = Theme::current();
    const AttentionTrace& trace = *m_model.trace();
    const QRectF first = layout.cell(0, 0);
    const bool lines = std::min(first.width(), first.height()) >= kLinesFrom;
    const double inset = lines ? 1 : 0;
    const bool numbers = printsNumbers(layout);
    painter.setFont(Theme::font(TextRole::NumberAxis));
    for (std::int64_t i = 0; i < layout.rows; ++i) {
        for (std::int64_t j = 0; j < layout.cols; ++j) {
            const QRectF cell = layout.cell(i, j).adjusted(0, 0, -inset, -inset);
            if (trace.causal && !trace.tiling.isNeeded(i, j)) {
                if (first.width() >= 10) {  // skipped: a thin stroke
                    painter.setPen(QPen(theme.line, 1));
                    painter.drawLine(cell.bottomLeft(), cell.topRight());
                }
                continue;
            }
            const std::ptrdiff_t at = m_model.stepOf(i, j);
            if (at < 0) {
                painter.fillRect(cell, theme.grid);
                continue;
            }
            const double score = trace.steps[static_cast<std::size_t>(at)].largest;
            const QRgb color = colorOf(score, m_model.range());
            painter.fillRect(cell, QColor::fromRgb(color));
            if (numbers) {
                painter.setPen(QColor::fromRgb(textColorOn(color)));
                painter.drawText(cell, Qt::AlignCenter, formatFixed(score, 2));
            }
        }
    }
}

/// The standard algorithm works on whole rows: S, then P over it.
void TileGrid::paintStrips(QPainter& painter, const TileLayout& layout) const {
    const Theme& theme = Theme::current();
    const AttentionTrace& trace = *m_model.trace();
    const bool lines = layout.cell(0, 0).height() >= kLinesFrom;
    painter.setFont(Theme::font(TextRole::Small));
    for (std::int64_t i = 0; i < layout.rows; ++i) {
        QRectF strip = layout.cell(i, 0);
        strip.setRight(layout.cells.right());
        strip.adjust(0, 0, -1, lines ? -1 : 0);
        const std::ptrdiff_t at = m_model.stepOf(i, 0);
        if (at < 0) {
            painter.fillRect(strip, theme.grid);
            continue;
        }
        const AttentionStep& step = trace.steps[static_cast<std::size_t>(at)];
        const QRgb color = colorOf(step.largest, m_model.range());
        painter.fillRect(strip, QColor::fromRgb(color));
        if (strip.height() >= lineHeight(TextRole::Small)) {
            painter.setPen(QColor::fromRgb(textColorOn(color)));
            const QString what = step.pass == AttentionPass::Scores ? tr("S written")
                                 : step.pass == AttentionPass::Softmax
                                     ? tr("P = softmax(S) written")
                                     : tr("P read for O");
            painter.drawText(strip, Qt::AlignCenter, what);
        }
    }
}

void TileGrid::paintRunning(QPainter& painter, const TileLayout& layout) const {
    const AttentionStep* now = m_model.step();
    if (now == nullptr) {
        return;
    }
    const bool standard = m_model.trace()->algorithm == AttentionAlgorithm::Standard;
    QRectF cell = layout.cell(now->queryBlock, std::max<std::int64_t>(0, now->keyBlock));
    if (standard) {
        cell.setRight(layout.cells.right());
    } else if (!printsNumbers(layout)) {  // lines from the blocks to the tile
        painter.save();
        for (const auto& [color, width] :
             {std::pair(QColor(Qt::black), 3.0), std::pair(QColor(Qt::white), 1.0)}) {
            painter.setPen(QPen(color, width, width > 2 ? Qt::SolidLine : Qt::DashLine));
            if (width > 2) {
                painter.setOpacity(0.65);
            } else {
                painter.setOpacity(1);
            }
            if (now->keyBlock > 0) {
                painter.drawLine(QPointF(layout.cells.left(), cell.center().y()),
                                 QPointF(cell.left() - 2, cell.center().y()));
            }
            if (now->queryBlock > 0) {
                painter.drawLine(QPointF(cell.center().x(), layout.cells.top()),
                                 QPointF(cell.center().x(), cell.top() - 2));
            }
        }
        painter.restore();
    }
    if (m_model.tileChosen()) {
        QRectF chosen = layout.cell(m_model.queryBlock(), m_model.keyBlock());
        if (standard) {
            chosen.setRight(layout.cells.right());
        }
        drawSelection(painter, chosen, true);
    }
    drawSelection(painter, cell, false);
}

/// The scale of the colours, and what the other signs mean.
void TileGrid::paintLegend(QPainter& painter, const QRectF& area) const {
    const Theme& theme = Theme::current();
    const auto [low, high] = m_model.range();
    const double line = lineHeight(TextRole::Small);
    const QString from = formatFixed(low, 2);
    const double numbers = 2 * textWidth(from, TextRole::NumberAxis) + Theme::px(16);
    const QString caption = tr("largest score");
    const double words = textWidth(caption, TextRole::Caption) + Theme::px(8);
    const bool named = area.width() >= words + numbers + Theme::px(40);
    const double bar = std::clamp(
        area.width() - numbers - (named ? words : 0), 24.0, static_cast<double>(Theme::px(90)));
    const double width = numbers + bar + (named ? words : 0);
    double x = area.left() + std::max(0.0, (area.width() - width) / 2);
    if (named) {
        drawTextLine(painter,
                     {x, area.top(), width, line},
                     Qt::AlignLeft,
                     caption,
                     TextRole::Caption,
                     theme.text3);
        x += words;
    }
    drawTextLine(painter,
                 {x, area.top(), width, line},
                 Qt::AlignLeft,
                 from,
                 TextRole::NumberAxis,
                 theme.text2);
    x += textWidth(from, TextRole::NumberAxis) + Theme::px(6);
    const std::span<const std::uint32_t> entries = colorTable(ColorMapId::Viridis).entries;
    QLinearGradient gradient(x, 0, x + bar, 0);
    constexpr int kStops = 16;
    for (int k = 0; k <= kStops; ++k) {
        const std::size_t index =
            static_cast<std::size_t>(k) * (entries.size() - 1) / static_cast<std::size_t>(kStops);
        gradient.setColorAt(static_cast<double>(k) / kStops, QColor::fromRgb(entries[index]));
    }
    painter.fillRect(QRectF(x, area.top() + line / 2 - Theme::px(5), bar, Theme::px(10)), gradient);
    x += bar + Theme::px(6);
    drawTextLine(painter,
                 {x, area.top(), width, line},
                 Qt::AlignLeft,
                 formatFixed(high, 2),
                 TextRole::NumberAxis,
                 theme.text2);
}

void TileGrid::paintTo(QPainter& painter, const QRectF& area) const {
    const Theme& theme = Theme::current();
    painter.fillRect(area, theme.canvas);
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    if (!trace) {
        if (!m_model.busy()) {
            drawEmpty(painter,
                      area,
                      QStringLiteral("attention"),
                      tr("Nothing to play"),
                      tr("Choose other sizes on the left."));
        }
        return;
    }
    const TileLayout layout = layOut(area);
    const AttentionTiling& tiling = trace->tiling;
    const double line = lineHeight(TextRole::Small);
    // The words over and beside the grid are cut short where it is small.
    const auto caption =
        [](double room, const QString& what, std::int64_t blocks, std::int64_t rows) {
            const QString text = blocks == 1
                                     ? tr("%1, one block of %2").arg(what).arg(rows)
                                     : tr("%1, %2 blocks of %3").arg(what).arg(blocks).arg(rows);
            return textWidth(text, TextRole::Small) <= room
                       ? text
                       : QStringLiteral("%1 × %2").arg(blocks).arg(rows);
        };
    drawTextLine(
        painter,
        {layout.keys.left(), layout.keys.top() - line - Theme::px(4), layout.keys.width(), line},
        Qt::AlignHCenter,
        caption(layout.keys.width(), tr("K and V"), tiling.keyBlocks, tiling.keysOf(0)),
        TextRole::Small,
        theme.text2);
    const auto above = [&](const QRectF& column, const QString& name) {
        drawTextLine(painter,
                     {column.left(), layout.keys.top(), column.width(), column.width()},
                     Qt::AlignCenter,
                     name,
                     TextRole::Small,
                     theme.text2);
    };
    above(layout.queries, tr("Q"));
    above(layout.outputs, tr("O"));
    painter.save();
    painter.translate(layout.queries.left() - line - Theme::px(2), layout.cells.bottom());
    painter.rotate(-90);
    drawTextLine(
        painter,
        {0, 0, layout.cells.height(), line},
        Qt::AlignHCenter,
        caption(layout.cells.height(), tr("queries"), tiling.queryBlocks, tiling.queriesOf(0)),
        TextRole::Small,
        theme.text2);
    painter.restore();
    paintBlocks(painter, layout);
    if (trace->algorithm == AttentionAlgorithm::Standard) {
        paintStrips(painter, layout);
    } else {
        paintCells(painter, layout);
    }
    paintRunning(painter, layout);
    paintLegend(
        painter,
        {layout.cells.left(), layout.cells.bottom() + Theme::px(12), layout.cells.width(), line});
}

void TileGrid::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    if (m_model.busy() && m_model.trace()) {
        painter.fillRect(rect(), Theme::current().canvas);
        painter.setOpacity(0.6);
    }
    paintTo(painter, rect());
    painter.setOpacity(1);
    if (hasFocus() && m_ring) {
        drawFocusRing(painter, rect());
    }
}

void TileGrid::mousePressEvent(QMouseEvent* event) {
    m_ring = false;
    const TileLayout layout = layOut(rect());
    if (!layout.cells.contains(event->position())) {
        m_model.releaseTile();
        return;
    }
    const QPointF at = event->position() - layout.cells.topLeft();
    m_model.chooseTile(static_cast<std::int64_t>(at.y() * static_cast<double>(layout.rows) /
                                                 layout.cells.height()),
                       static_cast<std::int64_t>(at.x() * static_cast<double>(layout.cols) /
                                                 layout.cells.width()));
}

void TileGrid::keyPressEvent(QKeyEvent* event) {
    const std::int64_t i = m_model.queryBlock();
    const std::int64_t j = m_model.keyBlock();
    switch (event->key()) {
        case Qt::Key_Left:
            return m_model.chooseTile(i, j - 1);
        case Qt::Key_Right:
            return m_model.chooseTile(i, j + 1);
        case Qt::Key_Up:
            return m_model.chooseTile(i - 1, j);
        case Qt::Key_Down:
            return m_model.chooseTile(i + 1, j);
        case Qt::Key_PageUp:
            return m_model.setRow(m_model.row() - 1);
        case Qt::Key_PageDown:
            return m_model.setRow(m_model.row() + 1);
        case Qt::Key_Escape:
            return m_model.releaseTile();
        default:
            QWidget::keyPressEvent(event);
    }
}

void TileGrid::focusInEvent(QFocusEvent* event) {
    m_ring = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason ||
             event->reason() == Qt::ShortcutFocusReason;
    QWidget::focusInEvent(event);
}

void TileGrid::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        updateGeometry();
    }
    update();
}

QString TileGrid::copyText() const {
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    if (!trace) {
        return {};
    }
    QString text = QStringLiteral(
        "step\tpass\tquery_block\tkey_block\tlargest_score\treads\twrites\treads_so_far\t"
        "writes_so_far\n");
    for (std::size_t k = 0; k < trace->steps.size() && k <= m_model.stepIndex(); ++k) {
        const AttentionStep& step = trace->steps[k];
        const char* pass = step.pass == AttentionPass::Tile      ? "tile"
                           : step.pass == AttentionPass::Scores  ? "scores"
                           : step.pass == AttentionPass::Softmax ? "softmax"
                                                                 : "output";
        text += QString::number(k + 1) + QLatin1Char('\t') + QLatin1String(pass);
        for (const std::int64_t each : {step.queryBlock, step.keyBlock}) {
            text += QLatin1Char('\t') + (each < 0 ? QString() : QString::number(each));
        }
        text += QLatin1Char('\t') + toAscii(formatExact(step.largest, false));
        for (const std::int64_t each :
             {step.moved.reads, step.moved.writes, step.soFar.reads, step.soFar.writes}) {
            text += QLatin1Char('\t') + QString::number(each);
        }
        text += QLatin1Char('\n');
    }
    return text;
}

}  // namespace loupe::app
