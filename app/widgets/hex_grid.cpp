// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/hex_grid.hpp"

#include "app/widgets/describe.hpp"
#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"

#include <QApplication>
#include <QClipboard>
#include <QKeyEvent>
#include <QPaintEvent>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// Strips of more rows show only what takes part, and this many rows around it.
constexpr std::int64_t kMostRows = 20;
constexpr std::int64_t kAround = 1;
constexpr double kFaded = 0.38;

QString hex(std::uint64_t value, int digits) {
    return QString::number(value, 16).toUpper().rightJustified(digits, '0');
}

}  // namespace

HexGrid::HexGrid(QWidget* parent) : CellWidget(parent) {
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    describe();
}

void HexGrid::setContent(std::vector<Strip> strips, std::vector<Byte> bytes) {
    m_strips = std::move(strips);
    m_bytes = std::move(bytes);
    m_current = std::clamp<std::int64_t>(
        m_current, 0, std::max<std::int64_t>(0, static_cast<std::int64_t>(m_bytes.size()) - 1));
    rebuild();
}

void HexGrid::rebuild() {
    const std::size_t before = m_lines.size();
    m_lines = linesFor(metricsFor(width()).perRow);
    if (m_lines.size() != before) {
        updateGeometry();
    }
    describe();
    update();
}

void HexGrid::setCurrentByte(std::int64_t byte) {
    const std::int64_t last = static_cast<std::int64_t>(m_bytes.size()) - 1;
    const std::int64_t next = std::clamp<std::int64_t>(byte, 0, std::max<std::int64_t>(0, last));
    if (next != m_current) {
        m_current = next;
        rebuild();
    }
}

HexGrid::Metrics HexGrid::metricsFor(int width) const {
    Metrics m;
    const QFontMetricsF axis(Theme::font(TextRole::NumberAxis));
    std::int64_t longest = 0;
    for (const Strip& strip : m_strips) {
        longest = std::max(longest, strip.count);
    }
    m.label =
        axis.horizontalAdvance(QLatin1Char('+') + hex(0, longest > 0xFFF ? 4 : 3)) + Theme::px(8);
    m.line = std::round(22 * Theme::fontScale());
    const double least = 20 * Theme::fontScale();
    for (const int perRow : {16, 8, 4}) {
        m.perRow = perRow;
        // One cell's half as a gap between the two halves of a row.
        m.cell = std::floor((width - m.label - 2) / (perRow + 0.5));
        if (m.cell >= least) {
            break;
        }
    }
    m.cell = std::clamp(m.cell, 14.0 * Theme::fontScale(), 27.0 * Theme::fontScale());
    return m;
}

void HexGrid::appendLines(std::vector<Line>& lines, std::size_t index, int perRow) const {
    const Strip& strip = m_strips[index];
    const std::int64_t rows = (strip.count + perRow - 1) / perRow;
    const auto rowOf = [&](std::int64_t byte) { return (byte - strip.begin) / perRow; };
    std::vector<bool> shown(static_cast<std::size_t>(rows), rows <= kMostRows);
    const auto show = [&](std::int64_t row) {
        for (std::int64_t r = std::max<std::int64_t>(0, row - kAround);
             r <= std::min(rows - 1, row + kAround);
             ++r) {
            shown[static_cast<std::size_t>(r)] = true;
        }
    };
    for (std::int64_t byte = strip.begin; rows > kMostRows && byte < strip.begin + strip.count;
         ++byte) {
        const Byte& at = m_bytes[static_cast<std::size_t>(byte)];
        if (at.used != 0 || at.flipped != 0 || byte == m_current) {
            show(rowOf(byte));
        }
    }
    for (std::int64_t row = 0; row < rows;) {
        const std::int64_t begin = strip.begin + row * perRow;
        if (shown[static_cast<std::size_t>(row)]) {
            lines.push_back({Line::Kind::Bytes,
                             index,
                             begin,
                             std::min<std::int64_t>(perRow, strip.begin + strip.count - begin)});
            ++row;
            continue;
        }
        std::int64_t end = row;
        while (end < rows && !shown[static_cast<std::size_t>(end)]) {
            ++end;
        }
        const std::int64_t last = std::min(strip.count, end * perRow);
        lines.push_back({Line::Kind::Fold, index, begin, last - row * perRow});
        row = end;
    }
}

std::vector<HexGrid::Line> HexGrid::linesFor(int perRow) const {
    std::vector<Line> lines;
    for (std::size_t i = 0; i < m_strips.size(); ++i) {
        if (m_strips.size() > 1) {
            lines.push_back({Line::Kind::Title, i, m_strips[i].begin, 0});
        }
        appendLines(lines, i, perRow);
    }
    return lines;
}

QRectF HexGrid::cellRect(const Metrics& m, std::size_t line, std::int64_t column) const {
    // The first line is the header of columns.
    const double gap = column >= m.perRow / 2 ? std::floor(m.cell / 2) : 0;
    return {m.label + static_cast<double>(column) * m.cell + gap,
            (static_cast<double>(line) + 1) * m.line,
            m.cell,
            m.line};
}

QRectF HexGrid::byteRect(std::int64_t byte) const {
    const Metrics m = metricsFor(width());
    for (std::size_t i = 0; i < m_lines.size(); ++i) {
        const Line& line = m_lines[i];
        if (line.kind == Line::Kind::Bytes && byte >= line.begin &&
            byte < line.begin + line.count) {
            return cellRect(m, i, byte - line.begin);
        }
    }
    return {};
}

std::int64_t HexGrid::cellAt(const QPointF& pos) const {
    const Metrics m = metricsFor(width());
    const auto line = static_cast<std::ptrdiff_t>(std::floor(pos.y() / m.line)) - 1;
    if (line < 0 || line >= static_cast<std::ptrdiff_t>(m_lines.size()) ||
        m_lines[static_cast<std::size_t>(line)].kind != Line::Kind::Bytes) {
        return -1;
    }
    const Line& at = m_lines[static_cast<std::size_t>(line)];
    for (std::int64_t column = 0; column < at.count; ++column) {
        if (cellRect(m, static_cast<std::size_t>(line), column).contains(pos)) {
            return at.begin + column;
        }
    }
    return -1;
}

QSize HexGrid::sizeHint() const {
    const Metrics m = metricsFor(Theme::px(480));
    const auto width = static_cast<int>(m.label + 16.5 * 27 * Theme::fontScale()) + 2;
    return {width, heightForWidth(width)};
}

QSize HexGrid::minimumSizeHint() const {
    const Metrics m = metricsFor(0);
    return {static_cast<int>(m.label + 4.5 * m.cell) + 2, static_cast<int>(3 * m.line)};
}

int HexGrid::heightForWidth(int width) const {
    const Metrics m = metricsFor(width);
    return static_cast<int>(
               std::ceil((static_cast<double>(linesFor(m.perRow).size()) + 1) * m.line)) +
           2;
}

void HexGrid::drawByte(QPainter& painter, const QRectF& cell, const Byte& byte) const {
    const Theme& t = Theme::current();
    const QRectF box = cell.adjusted(1, 1, -1, -1);
    QPainterPath path;
    path.addRoundedRect(box, 2, 2);
    painter.save();
    painter.setClipPath(path);
    painter.setOpacity(byte.used != 0 ? 1.0 : kFaded);
    // Bits of one kind together, the highest bit left.
    for (int high = 7; high >= 0;) {
        int low = high;
        while (low > 0 && byte.kinds[static_cast<std::size_t>(low - 1)] ==
                              byte.kinds[static_cast<std::size_t>(high)]) {
            --low;
        }
        const FieldKind kind = byte.kinds[static_cast<std::size_t>(high)];
        const QRectF part(box.left() + box.width() * (7 - high) / 8.0,
                          box.top(),
                          box.width() * (high - low + 1) / 8.0,
                          box.height());
        painter.fillRect(part, fieldColour(kind));
        const QBrush pattern = fieldPattern(kind);
        if (pattern.style() != Qt::NoBrush) {
            painter.setBrushOrigin(box.topLeft());
            painter.fillRect(part, pattern);
        }
        high = low - 1;
    }
    painter.restore();
    QFont font = Theme::font(TextRole::Number);
    font.setBold(byte.used != 0);
    painter.setFont(font);
    painter.setPen(byte.used != 0 ? t.bitText : t.text);
    painter.drawText(cell, Qt::AlignCenter, hex(byte.value, 2));
    if (byte.flipped != 0) {
        painter.fillRect(QRectF(box.left() + 3, box.bottom() - 3, box.width() - 6, 2),
                         byte.used != 0 ? t.bitText : t.text);
    }
}

void HexGrid::drawLine(QPainter& painter, const Metrics& m, std::size_t index) const {
    const Theme& t = Theme::current();
    const Line& line = m_lines[index];
    const Strip& strip = m_strips[line.strip];
    const QRectF row(0, (static_cast<double>(index) + 1) * m.line, width(), m.line);
    if (line.kind == Line::Kind::Title) {
        painter.setFont(Theme::font(TextRole::Caption));
        painter.setPen(t.text2);
        painter.drawText(row,
                         Qt::AlignLeft | Qt::AlignVCenter,
                         painter.fontMetrics().elidedText(strip.title, Qt::ElideMiddle, width()));
        return;
    }
    painter.setFont(Theme::font(TextRole::NumberAxis));
    painter.setPen(t.text3);
    if (line.kind == Line::Kind::Fold) {
        painter.drawText(row.adjusted(m.label, 0, 0, 0),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         tr("… %1 bytes that do not take part").arg(formatCount(line.count)));
        return;
    }
    painter.drawText(
        QRectF(0, row.top(), m.label - Theme::px(6), m.line),
        Qt::AlignRight | Qt::AlignVCenter,
        QLatin1Char('+') + hex(static_cast<std::uint64_t>(line.begin - strip.begin), 2));
    for (std::int64_t column = 0; column < line.count; ++column) {
        drawByte(painter,
                 cellRect(m, index, column),
                 m_bytes[static_cast<std::size_t>(line.begin + column)]);
    }
}

void HexGrid::paintEvent(QPaintEvent* event) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const Metrics m = metricsFor(width());
    painter.setFont(Theme::font(TextRole::NumberAxis));
    painter.setPen(t.text3);
    for (int column = 0; column < m.perRow && !m_bytes.empty(); ++column) {
        QRectF head = cellRect(m, 0, column);
        head.moveTop(0);
        painter.drawText(head, Qt::AlignCenter, hex(static_cast<std::uint64_t>(column), 1));
    }
    for (std::size_t i = 0; i < m_lines.size(); ++i) {
        const QRectF row(0, (static_cast<double>(i) + 1) * m.line, width(), m.line);
        if (row.intersects(QRectF(event->rect()))) {
            drawLine(painter, m, i);
        }
    }
    const QRectF current = byteRect(m_current);
    if (!current.isEmpty() && !m_bytes.empty()) {
        const QRectF box = current.adjusted(0.5, 0.5, -0.5, -0.5);
        drawBox(painter, box, 3, QColor(), t.text, 2);
        if (hasFocus()) {
            drawBox(painter, box.adjusted(-1.5, -1.5, 1.5, 1.5), 4, QColor(), t.canvas, 2);
            drawFocusRing(painter, box.adjusted(-2.5, -2.5, 2.5, 2.5), 4);
        }
    }
}

std::uint64_t HexGrid::offsetOf(std::int64_t byte) const {
    for (const Strip& strip : m_strips) {
        if (byte >= strip.begin && byte < strip.begin + strip.count) {
            std::int64_t at = byte - strip.begin;
            for (const Piece& piece : strip.pieces) {
                if (at < piece.count) {
                    return piece.offset + static_cast<std::uint64_t>(at);
                }
                at -= piece.count;
            }
        }
    }
    return 0;
}

void HexGrid::describe() {
    if (m_bytes.empty()) {
        setAccessibleName(tr("Bytes in the file: none"));
        describeWidget(*this, {});
        return;
    }
    const Byte& byte = m_bytes[static_cast<std::size_t>(m_current)];
    setAccessibleName(tr("Bytes in the file"));
    QString text = tr("Byte %1 of %2 is 0x%3, at offset %4")
                       .arg(m_current)
                       .arg(m_bytes.size())
                       .arg(hex(byte.value, 2))
                       .arg(offsetOf(m_current));
    text += byte.used != 0 ? tr(", takes part in this weight") : tr(", takes no part");
    if (byte.flipped != 0) {
        text += tr(", flipped");
    }
    describeWidget(*this, text);
}

void HexGrid::choose(std::int64_t byte) {
    setCurrentByte(byte);
    emit byteChosen(byte);
}

QString HexGrid::tipFor(std::int64_t byte) const {
    return tr("Byte %1 of the block, at %2 = 0x%3 of the file")
        .arg(byte)
        .arg(formatCount(static_cast<qint64>(offsetOf(byte))), hex(offsetOf(byte), 8));
}

void HexGrid::rescale() {
    rebuild();
    updateGeometry();
}

void HexGrid::keyPressEvent(QKeyEvent* event) {
    if (event->matches(QKeySequence::Copy)) {
        QApplication::clipboard()->setText(dump());
        return;
    }
    CellWidget::keyPressEvent(event);
}

void HexGrid::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_lines = linesFor(metricsFor(width()).perRow);
}

QString HexGrid::dump() const {
    QString text;
    for (const Strip& strip : m_strips) {
        if (m_strips.size() > 1) {
            text += strip.title + QLatin1Char('\n');
        }
        std::int64_t byte = strip.begin;
        for (const Piece& piece : strip.pieces) {
            for (std::int64_t at = 0; at < piece.count; ++at, ++byte) {
                if (at % 16 == 0) {
                    text += QStringLiteral("0x%1 ").arg(
                        hex(piece.offset + static_cast<std::uint64_t>(at), 8));
                }
                text += QLatin1Char(' ') + hex(m_bytes[static_cast<std::size_t>(byte)].value, 2);
                if (at % 16 == 15 || at + 1 == piece.count) {
                    text += QLatin1Char('\n');
                }
            }
        }
    }
    return text;
}

}  // namespace loupe::app
