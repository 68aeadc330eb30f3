// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/format_table.hpp"

#include "app/plot/plot_style.hpp"
#include "app/views/cell_access.hpp"
#include "app/widgets/bit_strip.hpp"
#include "core/base/text.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

QString utf8(std::string_view text) {
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

FormatRow makeRow(const NumberFormat& format, double value) {
    FormatRow row;
    row.format = &format;
    Result<EncodedNumber> number = encodeValue(format, value);
    if (number) {
        row.number = std::move(*number);
    } else {
        row.problem = QString::fromStdString(number.error().what);
    }
    return row;
}

/// value - w, the sign that the error has.
std::optional<double> signedError(const FormatRow& row, double value) {
    if (!row.number || !std::isfinite(row.number->value) || !std::isfinite(value)) {
        return std::nullopt;
    }
    return row.number->value - value;
}

QString signedNumber(double value, int digits) {
    return value == 0 ? QStringLiteral("0") : (value > 0 ? "+" : "") + formatNumber(value, digits);
}

QString relativeText(double error, double value) {
    if (error == 0) {
        return QStringLiteral("0");
    }
    if (value == 0) {
        return {};
    }
    const double percent = 100 * error / std::abs(value);
    return std::abs(percent) >= 0.01 && std::abs(percent) < 1e4
               ? signedNumber(percent, 3) + " %"
               : signedNumber(error / std::abs(value), 3);
}

}  // namespace

FormatTable::FormatTable(QWidget* parent) : QWidget(parent) {
    setObjectName("formatTable");
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAccessibleName(tr("The weight in every format"));
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
}

void FormatTable::setValue(std::optional<double> value,
                           const NumberFormat* stored,
                           std::uint64_t storedCode) {
    const bool same = value && m_value && std::memcmp(&*value, &*m_value, sizeof(double)) == 0 &&
                      stored == m_stored;
    if (same) {
        return;
    }
    m_value = value;
    m_stored = stored;
    m_rows.clear();
    if (value) {
        for (const NumberFormat* format : allFormats()) {
            FormatRow row = makeRow(*format, *value);
            if (format == stored) {
                // The very code: NaN payloads and the sign of zero stay.
                row.number = describeCode(*format, storedCode);
                row.problem.clear();
            }
            m_rows.push_back(std::move(row));
        }
    }
    if (m_currentRow >= m_rows.size()) {
        m_currentRow = 0;
    }
    updateGeometry();
    update();
}

std::optional<std::size_t> FormatTable::rowOf(const NumberFormat& format) const {
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        if (m_rows[i].format == &format) {
            return i;
        }
    }
    return std::nullopt;
}

void FormatTable::flip(std::size_t index, int bit) {
    if (index >= m_rows.size() || bit < 0 || bit >= m_rows[index].format->bits) {
        return;
    }
    FormatRow& row = m_rows[index];
    if (row.format == m_stored) {
        emit storedBitToggled(bit);
        return;
    }
    const std::uint64_t code = (row.number ? row.number->code : 0) ^ (std::uint64_t{1} << bit);
    const FormatRow nearest = makeRow(*row.format, *m_value);
    row.number = describeCode(*row.format, code);
    row.problem.clear();
    row.whatIf = !nearest.number || nearest.number->code != code;
    if (!row.whatIf) {
        row = nearest;
    }
    update();
    emit rowChanged(index);
}

void FormatTable::resetRow(std::size_t index) {
    if (index < m_rows.size() && m_rows[index].whatIf) {
        m_rows[index] = makeRow(*m_rows[index].format, *m_value);
        update();
        emit rowChanged(index);
    }
}

FormatTable::Columns FormatTable::columns(double width) const {
    Columns at;
    double name = textWidth("FP8 E4M3 IEEE", TextRole::Small);
    for (const FormatRow& row : m_rows) {
        name = std::max(name, textWidth(utf8(row.format->title), TextRole::Small));
    }
    at.nameRight = Theme::px(8) + name;
    at.bitsLeft = at.nameRight + Theme::px(12);
    const double number = textWidth(QStringLiteral("−8.888e−88"), TextRole::Number);
    const double percent = textWidth(QStringLiteral("+88.88 %"), TextRole::Number);
    const double value = textWidth(QStringLiteral("−0.0182647705"), TextRole::Number);
    // A narrow panel leaves out the relative error, then the error: bits and value never.
    at.relativeRight = width - Theme::px(8);
    at.showRelative = width >= Theme::px(440);
    at.errorRight = at.showRelative ? at.relativeRight - percent - Theme::px(10) : at.relativeRight;
    at.showError = width >= Theme::px(360);
    at.valueRight = at.showError ? at.errorRight - number - Theme::px(10) : at.errorRight;
    const double room = at.valueRight - value - Theme::px(12) - at.bitsLeft;
    const double least = Theme::px(9);
    at.bitsPerLine = 8;
    for (const int bits : {64, 32, 16}) {
        if (room >= bits * least + 3 * Theme::px(3)) {
            at.bitsPerLine = bits;
            break;
        }
    }
    at.cell = std::clamp(
        std::floor((room - 3 * Theme::px(3)) / at.bitsPerLine), least, double(Theme::px(14)));
    return at;
}

int FormatTable::lines(const FormatRow& row, const Columns& at) const {
    return (row.format->bits + at.bitsPerLine - 1) / at.bitsPerLine;
}

double FormatTable::rowHeight(std::size_t row, const Columns& at) const {
    double height = Theme::px(6) + lines(m_rows[row], at) * Theme::px(18);
    if (row == m_currentRow) {
        height += lineHeight(TextRole::Small) + Theme::px(4);
    }
    return std::max(height, double(Theme::px(24)));
}

double FormatTable::rowTop(std::size_t row, const Columns& at) const {
    double y = lineHeight(TextRole::Caption) + Theme::px(6);
    for (std::size_t i = 0; i < row; ++i) {
        y += rowHeight(i, at);
    }
    return y;
}

QRectF FormatTable::bitRect(std::size_t row, int bit, const Columns& at) const {
    const NumberFormat& format = *m_rows[row].format;
    const int place = format.bits - 1 - bit;
    const int line = place / at.bitsPerLine;
    const int column = place % at.bitsPerLine;
    // A gap of 3 where a field begins, counted within the line.
    double gaps = 0;
    for (const BitField& field : bitFields(format)) {
        const int begin = format.bits - field.first - field.count;
        if (begin > line * at.bitsPerLine && begin <= place && begin / at.bitsPerLine == line) {
            gaps += Theme::px(3);
        }
    }
    const double y = rowTop(row, at) + Theme::px(4) + line * Theme::px(18);
    return {at.bitsLeft + column * at.cell + gaps, y, at.cell, double(Theme::px(16))};
}

QRectF FormatTable::bitRect(std::size_t row, int bit) const {
    if (row >= m_rows.size() || bit < 0 || bit >= m_rows[row].format->bits) {
        return {};
    }
    return bitRect(row, bit, columns(width()));
}

std::optional<std::pair<std::size_t, int>> FormatTable::bitAt(QPointF pos) const {
    const Columns at = columns(width());
    for (std::size_t row = 0; row < m_rows.size(); ++row) {
        const double top = rowTop(row, at);
        if (pos.y() < top || pos.y() >= top + rowHeight(row, at)) {
            continue;
        }
        for (int bit = 0; bit < m_rows[row].format->bits; ++bit) {
            if (bitRect(row, bit, at).contains(pos)) {
                return std::pair(row, bit);
            }
        }
        return std::pair(row, -1);
    }
    return std::nullopt;
}

void FormatTable::paintRow(QPainter& painter,
                           std::size_t index,
                           const Columns& at,
                           double width) const {
    const Theme& theme = Theme::current();
    const FormatRow& row = m_rows[index];
    const QRectF rect(0, rowTop(index, at), width, rowHeight(index, at));
    const double line = Theme::px(24);
    if (index == m_currentRow) {
        painter.fillRect(rect, theme.selected);
        painter.fillRect(QRectF(rect.left(), rect.top(), 3, rect.height()), theme.text);
    }
    painter.fillRect(QRectF(rect.left(), rect.bottom() - 1, rect.width(), 1), theme.grid);
    const bool stored = row.format == m_stored;
    drawTextLine(painter,
                 QRectF(Theme::px(8), rect.top(), at.nameRight, line),
                 Qt::AlignLeft,
                 utf8(row.format->title),
                 stored ? TextRole::Heading : TextRole::Small,
                 theme.text);
    if (!row.number) {
        const QRectF room(at.bitsLeft, rect.top(), width - at.bitsLeft - Theme::px(8), line);
        drawTextLine(painter,
                     room,
                     Qt::AlignLeft,
                     QFontMetricsF(Theme::font(TextRole::Small))
                         .elidedText(row.problem, Qt::ElideMiddle, room.width()),
                     TextRole::Small,
                     theme.text3);
        return;
    }
    QFont digits = Theme::font(TextRole::NumberAxis);
    painter.setRenderHint(QPainter::Antialiasing, false);
    for (const BitField& field : bitFields(*row.format)) {
        for (int bit = field.first; bit < field.first + field.count; ++bit) {
            const QRectF cell = bitRect(index, bit, at).adjusted(0, 0, -1, 0);
            painter.fillRect(cell, fieldColour(field.kind));
            const QString digit = (row.number->code >> bit) & 1 ? "1" : "0";
            painter.setFont(digits);
            painter.setPen(theme.bitText);
            painter.drawText(cell, Qt::AlignCenter, digit);
            if (hasFocus() && index == m_currentRow && bit == m_currentBit) {
                painter.setPen(QPen(theme.focus, 2));
                painter.setBrush(Qt::NoBrush);
                painter.drawRect(cell.adjusted(-1, -1, 1, 1));
            }
        }
    }
    const QString value = formatExact(row.number->value, row.format->bits <= 32);
    drawTextLine(painter,
                 QRectF(0, rect.top(), at.valueRight, line),
                 Qt::AlignRight,
                 value,
                 TextRole::Number,
                 row.whatIf ? theme.warning : theme.text);
    if (const auto error = signedError(row, *m_value); error && at.showError) {
        drawTextLine(painter,
                     QRectF(0, rect.top(), at.errorRight, line),
                     Qt::AlignRight,
                     signedNumber(*error, 4),
                     TextRole::Number,
                     theme.text2);
        if (at.showRelative) {
            drawTextLine(painter,
                         QRectF(0, rect.top(), at.relativeRight, line),
                         Qt::AlignRight,
                         relativeText(*error, *m_value),
                         TextRole::Number,
                         theme.text2);
        }
    }
    if (index == m_currentRow) {
        paintDetail(painter,
                    index,
                    QRectF(at.bitsLeft,
                           rect.bottom() - lineHeight(TextRole::Small) - Theme::px(5),
                           width - at.bitsLeft - Theme::px(8),
                           lineHeight(TextRole::Small)));
    }
}

void FormatTable::paintDetail(QPainter& painter, std::size_t index, const QRectF& rect) const {
    const FormatRow& row = m_rows[index];
    QStringList parts;
    if (row.whatIf) {
        parts << tr("what if: not the nearest; Esc goes back");
    }
    parts << QString::fromStdString(row.number->bitsHex);
    const bool single = row.format->bits <= 32;
    if (row.number->below) {
        parts << tr("below %1").arg(formatExact(*row.number->below, single));
    }
    if (row.number->above) {
        parts << tr("above %1").arg(formatExact(*row.number->above, single));
    }
    if (row.number->overflow) {
        parts << tr("overflow");
    }
    if (row.number->underflow) {
        parts << tr("underflow");
    }
    const QString text = QFontMetricsF(Theme::font(TextRole::Small))
                             .elidedText(parts.join("   "), Qt::ElideRight, rect.width());
    drawTextLine(painter,
                 rect,
                 Qt::AlignLeft,
                 text,
                 TextRole::Small,
                 row.whatIf ? Theme::current().warning : Theme::current().text2);
}

void FormatTable::paint(QPainter& painter, double width) const {
    if (m_rows.empty()) {
        return;
    }
    const Theme& theme = Theme::current();
    const Columns at = columns(width);
    const double head = lineHeight(TextRole::Caption) + Theme::px(4);
    const auto title = [&](double left, double right, Qt::Alignment align, const QString& text) {
        drawTextLine(painter,
                     QRectF(left, 0, right - left, head),
                     align,
                     text,
                     TextRole::Caption,
                     theme.text3);
    };
    title(Theme::px(8), at.nameRight, Qt::AlignLeft, tr("format"));
    title(at.bitsLeft, at.valueRight, Qt::AlignLeft, tr("bits: click to flip"));
    title(0, at.valueRight, Qt::AlignRight, tr("value"));
    if (at.showError) {
        title(0, at.errorRight, Qt::AlignRight, tr("error"));
    }
    if (at.showRelative) {
        title(0, at.relativeRight, Qt::AlignRight, tr("relative"));
    }
    for (std::size_t row = 0; row < m_rows.size(); ++row) {
        paintRow(painter, row, at, width);
    }
}

void FormatTable::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    paint(painter, width());
}

int FormatTable::heightForWidth(int width) const {
    if (m_rows.empty()) {
        return 0;
    }
    const Columns at = columns(width);
    return int(std::ceil(rowTop(m_rows.size(), at))) + Theme::px(4);
}

QSize FormatTable::sizeHint() const {
    return {Theme::px(560), heightForWidth(std::max(width(), Theme::px(400)))};
}
QSize FormatTable::minimumSizeHint() const {
    return {Theme::px(260), 0};
}

void FormatTable::setCurrent(std::size_t row, int bit) {
    if (m_rows.empty()) {
        return;
    }
    const bool moved = row != m_currentRow;
    m_currentRow = std::min(row, m_rows.size() - 1);
    m_currentBit = std::clamp(bit, 0, m_rows[m_currentRow].format->bits - 1);
    const FormatRow& current = m_rows[m_currentRow];
    setAccessibleDescription(
        tr("%1: %2, bit %3")
            .arg(utf8(current.format->title),
                 current.number ? formatExact(current.number->value, current.format->bits <= 32)
                                : current.problem)
            .arg(m_currentBit));
    if (moved) {
        emit rowChanged(m_currentRow);
    }
    update();
}

void FormatTable::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) {
        return;
    }
    if (const auto hit = bitAt(event->position())) {
        setCurrent(hit->first, hit->second >= 0 ? hit->second : m_currentBit);
        if (hit->second >= 0) {
            flip(hit->first, hit->second);
        }
    }
}

void FormatTable::mouseMoveEvent(QMouseEvent* event) {
    const auto hit = bitAt(event->position());
    setCursor(hit && hit->second >= 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
}

bool FormatTable::event(QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) {
        update();
    }
    return QWidget::event(event);
}

void FormatTable::keyPressEvent(QKeyEvent* event) {
    if (m_rows.empty()) {
        QWidget::keyPressEvent(event);
        return;
    }
    switch (event->key()) {
        case Qt::Key_Down:
            setCurrent(m_currentRow + 1, m_currentBit);
            return;
        case Qt::Key_Up:
            setCurrent(m_currentRow > 0 ? m_currentRow - 1 : 0, m_currentBit);
            return;
        case Qt::Key_Left:
            setCurrent(m_currentRow, m_currentBit + 1);
            return;
        case Qt::Key_Right:
            setCurrent(m_currentRow, m_currentBit - 1);
            return;
        case Qt::Key_Space:
            flip(m_currentRow, m_currentBit);
            return;
        case Qt::Key_Escape:
            if (m_rows[m_currentRow].whatIf) {
                resetRow(m_currentRow);
                return;
            }
            break;
        default:
            break;
    }
    QWidget::keyPressEvent(event);
}

void FormatTable::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    updateGeometry();
    update();
}

QString FormatTable::copyText() const {
    QString text = "format\tbits\tvalue\texact\tabsolute_error\trelative_error\tbelow\tabove\n";
    const auto optional = [](const std::optional<double>& number) {
        return number ? plainNumber(*number) : QString();
    };
    for (const FormatRow& row : m_rows) {
        text += utf8(row.format->id) + '\t';
        if (!row.number) {
            text += "\t\t\t\t\t\t\n";
            continue;
        }
        const std::optional<double> error = signedError(row, *m_value);
        const std::optional<double> absolute =
            error ? std::optional(std::abs(*error)) : std::nullopt;
        const std::optional<double> relative = absolute && *m_value != 0
                                                   ? std::optional(*absolute / std::abs(*m_value))
                                                   : std::nullopt;
        text += QString::fromStdString(row.number->bitsHex) + '\t' +
                plainNumber(row.number->value) + '\t' + QString::fromStdString(row.number->exact) +
                '\t' + optional(absolute) + '\t' + optional(relative) + '\t' +
                optional(row.number->below) + '\t' + optional(row.number->above) + '\n';
    }
    return text;
}

}  // namespace loupe::app
