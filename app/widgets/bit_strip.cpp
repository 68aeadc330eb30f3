// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/bit_strip.hpp"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QPixmap>
#include <QToolTip>

#include <algorithm>
#include <cmath>

#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/assert.hpp"
#include "core/formats/number_format.hpp"

namespace loupe::app {

namespace {

QColor black(double alpha) {
    QColor colour(Qt::black);
    colour.setAlphaF(static_cast<float>(alpha));
    return colour;
}

/// Dots or grid lines on a 5 px tile.
QBrush tile(bool grid) {
    constexpr int kScale = 4;
    QPixmap pixmap(5 * kScale, 5 * kScale);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setRenderHint(QPainter::Antialiasing);
    if (grid) {
        painter.fillRect(0, 0, kScale, 5 * kScale, black(0.25));
        painter.fillRect(kScale, 0, 4 * kScale, kScale, black(0.25));
    } else {
        painter.setPen(Qt::NoPen);
        painter.setBrush(black(0.35));
        painter.drawEllipse(QPointF(2.5 * kScale, 2.5 * kScale), 0.8 * kScale, 0.8 * kScale);
    }
    painter.end();
    QBrush brush(pixmap);
    brush.setTransform(QTransform::fromScale(1.0 / kScale, 1.0 / kScale));
    return brush;
}

QString binary(std::uint64_t value, int count) {
    QString text;
    for (int bit = count - 1; bit >= 0; --bit) {
        text += QLatin1Char(((value >> bit) & 1U) != 0 ? '1' : '0');
    }
    return text;
}

}  // namespace

QColor fieldColour(FieldKind kind) {
    const Theme& t = Theme::current();
    switch (kind) {
        case FieldKind::Sign: return t.bitSign;
        case FieldKind::Exponent: return t.bitExponent;
        case FieldKind::Fraction:
        case FieldKind::Integer:
        case FieldKind::HighBits:
        case FieldKind::GridIndex: return t.bitFraction;
        case FieldKind::Scale:
        case FieldKind::SubScale: return t.bitScale;
        case FieldKind::ZeroPoint:
        case FieldKind::SubMinimum: return t.bitZeroPoint;
        case FieldKind::Padding: return t.bitPadding;
    }
    return t.bitPadding;
}

QBrush fieldPattern(FieldKind kind) {
    switch (kind) {
        case FieldKind::Exponent: return hatchBrush(black(0.20), 5, 1.2);
        case FieldKind::HighBits:
        case FieldKind::SubScale: return tile(false);
        case FieldKind::GridIndex:
        case FieldKind::SubMinimum: return tile(true);
        case FieldKind::Padding: return hatchBrush(black(0.25), 6, 1.5, true);
        default: return Qt::NoBrush;
    }
}

QString fieldLetter(FieldKind kind) {
    switch (kind) {
        case FieldKind::Sign: return QStringLiteral("s");
        case FieldKind::Exponent: return QStringLiteral("e");
        case FieldKind::Fraction: return QStringLiteral("m");
        case FieldKind::Integer: return QStringLiteral("q");
        case FieldKind::HighBits: return QStringLiteral("h");
        case FieldKind::GridIndex: return QStringLiteral("g");
        case FieldKind::Scale: return QStringLiteral("d");
        case FieldKind::SubScale: return QStringLiteral("sc");
        case FieldKind::ZeroPoint: return QStringLiteral("z");
        case FieldKind::SubMinimum: return QStringLiteral("m");
        case FieldKind::Padding: return QString(QChar(0x2013));
    }
    return {};
}

std::vector<BitField> bitFields(const NumberFormat& format) {
    std::vector<BitField> fields;
    if (format.kind == FormatKind::Float) {
        const FloatLayout& layout = format.floating;
        const int below = layout.mantissaBits;
        if (layout.hasSign) {
            fields.push_back({QObject::tr("sign"), FieldKind::Sign, below + layout.exponentBits, 1});
        }
        if (layout.exponentBits > 0) {
            fields.push_back({QObject::tr("exponent"), FieldKind::Exponent, below, layout.exponentBits});
        }
        if (below > 0) {
            fields.push_back({QObject::tr("fraction"), FieldKind::Fraction, 0, below});
        }
        // TF32 is stored in 32 bits of which the lowest 13 are unused.
        const int used = below + layout.exponentBits + (layout.hasSign ? 1 : 0);
        if (used < format.bits) {
            for (BitField& field : fields) {
                field.first += format.bits - used;
            }
            fields.push_back({QObject::tr("unused"), FieldKind::Padding, 0, format.bits - used});
        }
    } else if (format.kind == FormatKind::Integer && format.integer.min < 0 && format.bits > 1) {
        fields.push_back({QObject::tr("sign"), FieldKind::Sign, format.bits - 1, 1});
        fields.push_back({QObject::tr("integer"), FieldKind::Integer, 0, format.bits - 1});
    } else {
        const bool codebook = format.kind == FormatKind::Codebook;
        fields.push_back({codebook ? QObject::tr("index") : QObject::tr("integer"), FieldKind::Integer, 0, format.bits});
    }
    return fields;
}

BitStrip::BitStrip(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    describe();
}

void BitStrip::setBits(std::uint64_t code, int bits, std::vector<BitField> fields) {
    LOUPE_ASSERT(bits >= 0 && bits <= 64, "a code has at most 64 bits");
    const bool resized = bits != m_bits || fields != m_fields;
    m_code = code;
    m_fields = std::move(fields);
    if (bits != m_bits) {
        m_bits = bits;
        m_current = std::max(0, bits - 1);
        m_hovered = -1;
    }
    describe();
    if (resized) {
        updateGeometry();
    }
    update();
}

void BitStrip::setReference(std::optional<std::uint64_t> code) {
    m_reference = code;
    update();
}

void BitStrip::setEditable(bool editable) {
    m_editable = editable;
    setFocusPolicy(editable ? Qt::StrongFocus : Qt::NoFocus);
    update();
}

void BitStrip::setCellRange(double least, double most) {
    m_leastCell = least;
    m_mostCell = most;
    updateGeometry();
    update();
}

void BitStrip::setShowFieldValues(bool show) {
    m_showValues = show;
    update();
}

void BitStrip::setCurrentBit(int bit) {
    m_current = std::clamp(bit, 0, std::max(0, m_bits - 1));
    describe();
    update();
}

const BitField* BitStrip::fieldOf(int bit) const {
    for (const BitField& field : m_fields) {
        if (bit >= field.first && bit < field.first + field.count) {
            return &field;
        }
    }
    return nullptr;
}

std::uint64_t BitStrip::fieldValue(const BitField& field) const {
    const std::uint64_t mask = field.count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << field.count) - 1;
    return (m_code >> field.first) & mask;
}

int BitStrip::gapsBefore(int bit, int perRow) const {
    // Gaps between fields within the row of the bit, to its left.
    const int fromLeft = m_bits - 1 - bit;
    const int rowStart = m_bits - 1 - fromLeft / perRow * perRow;
    int gaps = 0;
    for (int b = rowStart; b > bit; --b) {
        gaps += fieldOf(b) != fieldOf(b - 1) ? 1 : 0;
    }
    return gaps;
}

BitStrip::Geometry BitStrip::geometryFor(int width) const {
    Geometry g;
    const double scale = Theme::fontScale();
    g.gap = std::round(4 * scale);
    g.cellHeight = std::round(28 * scale);
    g.labelHeight = std::round(20 * scale);
    g.perRow = std::max(1, m_bits);
    const auto cellFor = [&](int perRow) {
        int gaps = 0;
        for (int row = 0; row * perRow < m_bits; ++row) {
            gaps = std::max(gaps, gapsBefore(std::max(0, m_bits - (row + 1) * perRow), perRow));
        }
        return (width - 2 - gaps * g.gap) / perRow;
    };
    g.cell = cellFor(g.perRow);
    for (const int perRow : {32, 16, 8}) {
        if (g.cell < m_leastCell * scale && perRow < m_bits) {
            g.perRow = perRow;
            g.cell = cellFor(perRow);
        }
    }
    g.cell = std::clamp(std::floor(g.cell * 2) / 2, 8.0, std::floor(m_mostCell * scale));
    g.rows = m_bits == 0 ? 0 : (m_bits + g.perRow - 1) / g.perRow;
    return g;
}

QRectF BitStrip::bitRect(int bit) const {
    const Geometry g = geometryFor(width());
    const int fromLeft = m_bits - 1 - bit;
    const double x = 1 + fromLeft % g.perRow * g.cell + gapsBefore(bit, g.perRow) * g.gap;
    return {x, 1 + fromLeft / g.perRow * g.rowHeight(), g.cell, g.cellHeight};
}

int BitStrip::bitAt(const QPointF& pos) const {
    for (int bit = 0; bit < m_bits; ++bit) {
        if (bitRect(bit).contains(pos)) {
            return bit;
        }
    }
    return -1;
}

QSize BitStrip::sizeHint() const {
    const double scale = Theme::fontScale();
    const int columns = std::max(1, std::min(m_bits, 32));
    return {static_cast<int>(columns * std::min(m_mostCell, 22.0) * scale + 16 * scale), heightForWidth(QWIDGETSIZE_MAX)};
}

QSize BitStrip::minimumSizeHint() const {
    const int columns = std::max(1, std::min(m_bits, 8));
    const int width = static_cast<int>(columns * m_leastCell * Theme::fontScale()) + Theme::px(10);
    return {width, heightForWidth(QWIDGETSIZE_MAX)};
}

int BitStrip::heightForWidth(int width) const {
    const Geometry g = geometryFor(width);
    return static_cast<int>(std::ceil(std::max(1, g.rows) * g.rowHeight())) + 2;
}

void BitStrip::drawField(QPainter& painter, const BitField& field, const Geometry& g) const {
    const Theme& t = Theme::current();
    const QColor colour = fieldColour(field.kind);
    const QBrush pattern = fieldPattern(field.kind);
    // A field may be broken over rows: one rounded box per row.
    int high = field.first + field.count - 1;
    while (high >= field.first) {
        int low = high;
        while (low > field.first && (m_bits - low) % g.perRow != 0) {
            --low;
        }
        const QRectF box = bitRect(high).united(bitRect(low));
        QPainterPath path;
        path.addRoundedRect(box, 3, 3);
        painter.fillPath(path, colour);
        if (pattern.style() != Qt::NoBrush) {
            painter.setBrushOrigin(box.topLeft());
            painter.fillPath(path, pattern);
        }
        painter.setRenderHint(QPainter::Antialiasing, false);
        for (int bit = high; bit > low; --bit) {
            const QRectF cell = bitRect(bit);
            painter.fillRect(QRectF(std::round(cell.right()), cell.top(), 1, cell.height()), black(0.28));
        }
        painter.setRenderHint(QPainter::Antialiasing);
        high = low - 1;
    }
    painter.setPen(t.bitText);
    QFont digits = Theme::font(TextRole::Equation);
    for (int bit = field.first; bit < field.first + field.count; ++bit) {
        const bool on = ((m_code >> bit) & 1U) != 0;
        digits.setBold(on && field.kind != FieldKind::Padding);
        painter.setFont(digits);
        painter.drawText(bitRect(bit), Qt::AlignCenter, QLatin1String(on ? "1" : "0"));
    }
}

void BitStrip::drawLabels(QPainter& painter, const Geometry& g) const {
    painter.setFont(Theme::font(TextRole::Caption));
    painter.setPen(Theme::current().text2);
    const QFontMetricsF metrics(painter.font());
    double lastRight = -1e9;
    int lastRow = -1;
    for (const BitField& field : m_fields) {
        if (field.first < 0 || field.first + field.count > m_bits) {
            continue;
        }
        // Under the row where the field ends; on several rows the last one.
        const int low = field.first;
        const int row = (m_bits - 1 - low) / g.perRow;
        const int rowHigh = m_bits - 1 - row * g.perRow;
        const QRectF box = bitRect(std::min(field.first + field.count - 1, rowHigh)).united(bitRect(low));
        const QString value = QString::number(fieldValue(field));
        QString text = m_showValues ? field.name + QLatin1Char(' ') + value : field.name;
        if (row != lastRow) {
            lastRight = -1e9;
            lastRow = row;
        }
        // A name may hang over its field as long as it does not touch its neighbour's.
        const auto place = [&](const QString& candidate) {
            const double w = metrics.horizontalAdvance(candidate);
            const double x = std::clamp(box.center().x() - w / 2, 0.0, std::max(0.0, width() - w));
            return QRectF(std::max(x, lastRight), box.bottom() + 2, w + 1, metrics.height());
        };
        const double slack = std::max(box.width() + 2 * g.gap, metrics.horizontalAdvance(field.name) + 1);
        if (metrics.horizontalAdvance(text) > slack) {
            text = m_showValues && metrics.horizontalAdvance(field.name) <= slack && box.width() > 3 * g.cell ? field.name
                   : m_showValues ? fieldLetter(field.kind) + QLatin1Char(' ') + value
                                  : fieldLetter(field.kind);
        }
        const QRectF rect = place(text);
        painter.drawText(rect, Qt::AlignLeft | Qt::AlignTop, text);
        lastRight = rect.right() + 6;
    }
}

void BitStrip::paintEvent(QPaintEvent*) {
    if (m_bits == 0) {
        return;
    }
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const Geometry g = geometryFor(width());
    for (const BitField& field : m_fields) {
        if (field.first >= 0 && field.first + field.count <= m_bits) {
            drawField(painter, field, g);
        }
    }
    if (m_reference) {
        for (int bit = 0; bit < m_bits; ++bit) {
            if (((m_code ^ *m_reference) >> bit & 1U) != 0) {
                // Edited: a bar under the digit.
                const QRectF cell = bitRect(bit);
                painter.fillRect(QRectF(cell.left() + 3, cell.bottom() - 4, cell.width() - 6, 2.5), t.bitText);
            }
        }
    }
    if (m_hovered >= 0 && m_editable) {
        const QRectF cell = bitRect(m_hovered).adjusted(0.5, 0.5, -0.5, -0.5);
        drawBox(painter, cell, 3, QColor(), t.bitText, 1.5);
    }
    drawLabels(painter, g);
    if (hasFocus() && m_editable) {
        const QRectF cell = bitRect(m_current);
        drawBox(painter, cell.adjusted(-1, -1, 1, 1), 4, QColor(), t.canvas, 4);
        drawFocusRing(painter, cell.adjusted(-1, -1, 1, 1), 4);
    }
}

QString BitStrip::explain(int bit) const {
    const BitField* field = fieldOf(bit);
    const bool on = ((m_code >> bit) & 1U) != 0;
    QString text = tr("Bit %1 is %2").arg(bit).arg(on ? 1 : 0);
    if (field != nullptr) {
        const int place = bit - field->first;
        if (field->kind == FieldKind::Fraction) {
            text += tr(": %1, worth 2<sup>%2%3</sup> of the leading 1").arg(field->name, QChar(0x2212)).arg(field->count - place);
        } else if (field->kind == FieldKind::Sign) {
            text += on ? tr(": the number is negative") : tr(": the number is not negative");
        } else {
            text += tr(": %1, worth 2<sup>%2</sup> = %3 of its value %4")
                        .arg(field->name)
                        .arg(place)
                        .arg(std::uint64_t{1} << place)
                        .arg(fieldValue(*field));
        }
    }
    if (m_reference && (((m_code ^ *m_reference) >> bit) & 1U) != 0) {
        text += tr(". Edited");
    }
    return m_editable ? text + tr(". Click flips it.") : text + QLatin1Char('.');
}

void BitStrip::describe() {
    if (m_bits == 0) {
        setAccessibleName(tr("Bits: none"));
        setAccessibleDescription({});
        return;
    }
    QStringList parts;
    for (const BitField& field : m_fields) {
        parts << tr("%1 %2 = %3").arg(field.name, binary(fieldValue(field), field.count)).arg(fieldValue(field));
    }
    setAccessibleName(tr("Bits: %1").arg(parts.join(QStringLiteral(", "))));
    QString description = explain(m_current);
    description.remove(QStringLiteral("<sup>")).remove(QStringLiteral("</sup>"));
    setAccessibleDescription(description);
    QAccessibleEvent changed(this, QAccessible::NameChanged);
    QAccessible::updateAccessibility(&changed);
}

bool BitStrip::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int bit = bitAt(help->pos());
        if (bit >= 0) {
            QToolTip::showText(help->globalPos(), explain(bit), this, bitRect(bit).toAlignedRect());
        } else {
            QToolTip::hideText();
        }
        return true;
    }
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) {
        updateGeometry();
    }
    return QWidget::event(event);
}

void BitStrip::keyPressEvent(QKeyEvent* event) {
    const auto go = [&](int bit) {
        setCurrentBit(bit);
        emit bitHovered(m_current);
    };
    if (event->matches(QKeySequence::Copy)) {
        const int digits = (m_bits + 3) / 4;
        QApplication::clipboard()->setText(QStringLiteral("0x") + QString::number(m_code, 16).toUpper().rightJustified(digits, '0') +
                                           QLatin1Char('\t') + binary(m_code, m_bits));
        return;
    }
    if (!m_editable || m_bits == 0) {
        QWidget::keyPressEvent(event);
        return;
    }
    const bool on = ((m_code >> m_current) & 1U) != 0;
    switch (event->key()) {
        case Qt::Key_Left: go(m_current + 1); return;
        case Qt::Key_Right: go(m_current - 1); return;
        case Qt::Key_Home: go(m_bits - 1); return;
        case Qt::Key_End: go(0); return;
        case Qt::Key_Space:
        case Qt::Key_Return:
        case Qt::Key_Enter: emit bitToggled(m_current); return;
        case Qt::Key_0:
        case Qt::Key_1:
            if (on != (event->key() == Qt::Key_1)) {
                emit bitToggled(m_current);
            }
            go(m_current - 1);
            return;
        default: QWidget::keyPressEvent(event);
    }
}

void BitStrip::mousePressEvent(QMouseEvent* event) {
    const int bit = event->button() == Qt::LeftButton && m_editable ? bitAt(event->position()) : -1;
    if (bit < 0) {
        QWidget::mousePressEvent(event);
        return;
    }
    setCurrentBit(bit);
    emit bitToggled(bit);
}

void BitStrip::mouseMoveEvent(QMouseEvent* event) {
    setHovered(bitAt(event->position()));
    QWidget::mouseMoveEvent(event);
}

void BitStrip::leaveEvent(QEvent* event) {
    setHovered(-1);
    QWidget::leaveEvent(event);
}

void BitStrip::setHovered(int bit) {
    if (bit != m_hovered) {
        m_hovered = bit;
        setCursor(bit >= 0 && m_editable ? Qt::PointingHandCursor : Qt::ArrowCursor);
        emit bitHovered(bit);
        update();
    }
}

}  // namespace loupe::app
