// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/chip.hpp"

#include "app/widgets/theme.hpp"

#include <QPainter>

namespace loupe::app {

Chip::Chip(Kind kind, QWidget* parent) : QLabel(parent), m_kind(kind) {
    setTextRole(this, kind == Kind::Fact ? TextRole::Number : TextRole::Small);
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

int Chip::iconSpace() const {
    return m_kind == Kind::Fact ? 0 : Theme::px(17);
}

QSize Chip::sizeHint() const {
    const int padding = m_kind == Kind::Outlier ? 2 : 8;
    return {fontMetrics().horizontalAdvance(text()) + iconSpace() + 2 * Theme::px(padding),
            Theme::px(20)};
}

void Chip::paintEvent(QPaintEvent*) {
    const Theme& theme = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
    QColor ink = theme.text2;
    int left = Theme::px(m_kind == Kind::Outlier ? 2 : 8);
    painter.setBrush(Qt::NoBrush);
    if (m_kind == Kind::Fact) {
        painter.setPen(QPen(theme.line, 1));
        painter.setBrush(theme.raised);
        painter.drawRoundedRect(box, Theme::px(10), Theme::px(10));
    } else if (m_kind == Kind::Exact) {
        painter.setPen(QPen(theme.border, 1));
        painter.drawRoundedRect(box, Theme::px(4), Theme::px(4));
        const double y = height() / 2.0;
        painter.setPen(QPen(theme.text2, 1.5, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        painter.drawPolyline(QPolygonF({{left + 1.0, y},
                                        {left + Theme::px(4) * 1.0, y + Theme::px(3)},
                                        {left + Theme::px(10) * 1.0, y - Theme::px(4)}}));
    } else if (m_kind == Kind::Warning) {
        ink = theme.warning;
        painter.setPen(QPen(theme.warning, 1, Qt::DashLine));
        painter.drawRoundedRect(box, Theme::px(4), Theme::px(4));
        themedIcon(QStringLiteral("warning"))
            .paint(&painter,
                   QRect(left, (height() - Theme::px(12)) / 2, Theme::px(12), Theme::px(12)));
    } else {
        ink = theme.outlier;
        const double y = height() / 2.0;
        const double r = Theme::px(4);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.outlier);
        painter.drawPolygon(
            QPolygonF({{left + r, y - r}, {left + 2 * r, y}, {left + r, y + r}, {left * 1.0, y}}));
    }
    left += iconSpace();
    painter.setPen(ink);
    painter.drawText(rect().adjusted(left, 0, 0, 0), Qt::AlignLeft | Qt::AlignVCenter, text());
}

}  // namespace loupe::app
