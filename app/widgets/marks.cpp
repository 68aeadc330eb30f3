// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/marks.hpp"

#include <QPainter>

#include <algorithm>

#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

FactChip::FactChip(const QString& text, QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    setMono(true);
    setText(text);
}

void FactChip::setText(const QString& text) {
    m_text = text;
    setAccessibleName(text);
    updateGeometry();
    update();
}

void FactChip::setMono(bool mono) {
    setTextRole(this, mono ? TextRole::NumberAxis : TextRole::Caption);
    updateGeometry();
}

QSize FactChip::sizeHint() const { return {fontMetrics().horizontalAdvance(m_text) + Theme::px(18), Theme::px(20)}; }

QSize FactChip::minimumSizeHint() const { return {std::min(sizeHint().width(), Theme::px(48)), Theme::px(20)}; }

void FactChip::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    drawBox(painter, rect(), height() / 2.0, t.raised, t.line);
    painter.setPen(t.text2);
    painter.setFont(font());
    const QRect room = rect().adjusted(Theme::px(8), 0, -Theme::px(8), 0);
    painter.drawText(room, Qt::AlignCenter, fontMetrics().elidedText(m_text, Qt::ElideMiddle, room.width() + 2));
}

LetterBadge::LetterBadge(bool second, QWidget* parent) : QWidget(parent), m_second(second) {
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setAccessibleName(second ? tr("Scheme B") : tr("Scheme A"));
}

QSize LetterBadge::sizeHint() const { return {Theme::px(20), Theme::px(20)}; }

void LetterBadge::draw(QPainter& painter, const QRectF& rect, bool second) {
    const Theme& t = Theme::current();
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const double radius = rect.height() * 0.25;
    if (second) {
        // The dash divides the outline evenly: four corners and four sides alike.
        const double width = rect.height() * 0.08;
        QPen pen(t.schemeB, width);
        pen.setCapStyle(Qt::FlatCap);
        const double side = (rect.height() - width) / width;
        pen.setDashPattern({side * 0.22, side * 0.1924});
        pen.setDashOffset(side * 0.03);
        painter.setPen(pen);
        painter.setBrush(Qt::NoBrush);
        const double inset = width / 2;
        painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), radius, radius);
        painter.setPen(t.schemeB);
    } else {
        painter.setPen(Qt::NoPen);
        painter.setBrush(t.schemeA);
        painter.drawRoundedRect(rect, radius, radius);
        painter.setPen(t.canvas);
    }
    QFont face = Theme::font(TextRole::Heading);
    face.setPixelSize(std::max(6, qRound(rect.height() * 0.6)));
    painter.setFont(face);
    painter.drawText(rect, Qt::AlignCenter, second ? QStringLiteral("B") : QStringLiteral("A"));
    painter.restore();
}

void LetterBadge::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    const double side = std::min(width(), height());
    draw(painter, QRectF((width() - side) / 2, (height() - side) / 2, side, side), m_second);
}

TruthMark::TruthMark(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setTextRole(this, TextRole::Caption);
}

void TruthMark::setMark(Kind kind, const QString& text) {
    m_kind = kind;
    m_text = text;
    if (text.isEmpty()) {
        switch (kind) {
            case Kind::Exact: m_text = tr("exact"); break;
            case Kind::Sampled: m_text = tr("sampled"); break;
            case Kind::Pooled: m_text = tr("pooled"); break;
            case Kind::Emulated: m_text = tr("emulated"); break;
            case Kind::Extrapolated: m_text = tr("extrapolated"); break;
            case Kind::Clipped: m_text = tr("clipped"); break;
            case Kind::Nan: m_text = tr("NaN"); break;
            default: break;
        }
    }
    if (kind == Kind::Sampled && !m_text.startsWith(QChar(0x2248))) {
        m_text.prepend(QString(QChar(0x2248)) + QLatin1Char(' '));
    }
    setAccessibleName(m_text);
    setVisible(kind != Kind::None);
    updateGeometry();
    update();
}

int TruthMark::iconWidth() const { return m_kind == Kind::Exact || m_kind == Kind::Outlier ? Theme::px(16) : 0; }

QSize TruthMark::sizeHint() const {
    if (m_kind == Kind::None) {
        return {0, 0};
    }
    return {fontMetrics().horizontalAdvance(m_text) + iconWidth() + Theme::px(m_kind == Kind::Outlier ? 4 : 14), Theme::px(20)};
}

void TruthMark::paintEvent(QPaintEvent*) {
    if (m_kind == Kind::None) {
        return;
    }
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    QColor ink = t.warning;
    const QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
    switch (m_kind) {
        case Kind::Exact:
            ink = t.text2;
            drawBox(painter, rect(), 4, QColor(), t.border);
            break;
        case Kind::Pooled:
            ink = t.text2;
            drawBox(painter, rect(), height() / 2.0, t.raised, t.line);
            break;
        case Kind::Nan:
            ink = t.error;
            drawBox(painter, rect(), 4, QColor(), t.error);
            break;
        case Kind::Outlier: ink = t.outlier; break;
        default: {
            QPen pen(ink, 1);
            pen.setDashPattern({3, 2});
            painter.setPen(pen);
            painter.setBrush(Qt::NoBrush);
            painter.drawRoundedRect(box, 4, 4);
        }
    }
    double x = m_kind == Kind::Outlier ? 0 : Theme::px(7);
    const double middle = height() / 2.0;
    const double s = Theme::fontScale();
    if (m_kind == Kind::Exact) {
        painter.setPen(QPen(ink, 1.4 * s, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        const QPointF check[] = {{x + 0.5 * s, middle}, {x + 3.5 * s, middle + 3 * s}, {x + 9 * s, middle - 3.5 * s}};
        painter.drawPolyline(check, 3);
    } else if (m_kind == Kind::Outlier) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(ink);
        const QPointF diamond[] = {{x, middle}, {x + 5 * s, middle - 5 * s}, {x + 10 * s, middle}, {x + 5 * s, middle + 5 * s}};
        painter.drawPolygon(diamond, 4);
    }
    x += iconWidth();
    painter.setPen(ink);
    painter.setFont(font());
    painter.drawText(QRectF(x, 0, width() - x, height()), Qt::AlignLeft | Qt::AlignVCenter, m_text);
}

}  // namespace loupe::app
