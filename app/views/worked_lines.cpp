// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/worked_lines.hpp"

#include "app/plot/plot_style.hpp"

#include <QFontMetricsF>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// Core writes ASCII; the screen has a minus sign.
QString typeset(const std::string& text) {
    return QString::fromStdString(text).replace('-', QChar(0x2212));
}

double wrappedText(QPainter* painter,
                   const QRectF& room,
                   const QString& text,
                   TextRole role,
                   const QColor& color) {
    const QFont font = Theme::font(role);
    const int flags = int(Qt::AlignLeft | Qt::AlignTop) | Qt::TextWordWrap | Qt::TextWrapAnywhere;
    const QRectF used = QFontMetricsF(font).boundingRect(
        QRectF(room.left(), room.top(), room.width(), 10000), flags, text);
    if (painter != nullptr) {
        painter->setFont(font);
        painter->setPen(color);
        painter->drawText(
            QRectF(room.left(), room.top(), room.width(), used.height() + 2), flags, text);
    }
    return std::ceil(used.height());
}

}  // namespace

WorkedLines::WorkedLines(Side side, QWidget* parent) : QWidget(parent), m_side(side) {
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    setAccessibleName(side == Side::A ? tr("Scheme A worked out") : tr("Scheme B worked out"));
}

void WorkedLines::setLines(const QString& title, const std::vector<EquationLine>& lines) {
    m_title = title;
    m_message.clear();
    m_lines.clear();
    for (const EquationLine& line : lines) {
        m_lines.push_back({typeset(line.label),
                           typeset(line.expression),
                           typeset(line.result),
                           QString::fromStdString(line.note)});
    }
    setAccessibleDescription(text());
    updateGeometry();
    update();
}

void WorkedLines::setMessage(const QString& title, const QString& message, bool isError) {
    m_title = title;
    m_message = message;
    m_isError = isError;
    m_lines.clear();
    setAccessibleDescription(message);
    updateGeometry();
    update();
}

QString WorkedLines::text() const {
    QString text = m_title + '\n';
    for (const Line& line : m_lines) {
        text += line.label + "  " + line.expression + " = " + line.result +
                (line.note.isEmpty() ? "" : "  " + line.note) + '\n';
    }
    return text + m_message;
}

double WorkedLines::layoutLine(
    QPainter* painter, const Line& line, double left, double y, double width) const {
    const Theme& theme = Theme::current();
    const double height = lineHeight(TextRole::Equation) + Theme::px(2);
    QFont bold = Theme::font(TextRole::Equation);
    bold.setBold(true);
    // Parts between the equals signs stay together; a part that does not fit beside the last begins
    // a line.
    QStringList parts = line.expression.isEmpty() ? QStringList() : line.expression.split(" = ");
    parts << line.result;
    double x = left;
    for (qsizetype i = 0; i < parts.size(); ++i) {
        const bool isResult = i + 1 == parts.size();
        const QFont font = isResult ? bold : Theme::font(TextRole::Equation);
        const double part = QFontMetricsF(font).horizontalAdvance(parts[i]);
        QString lead = i == 0 ? QString() : x > left ? QStringLiteral(" = ") : QStringLiteral("= ");
        if (x > left && x + textWidth(lead, TextRole::Equation) + part > left + width) {
            y += height;
            x = left;
            lead = QStringLiteral("= ");
        }
        const double before = textWidth(lead, TextRole::Equation);
        if (!isResult && before + part > width) {
            y += wrappedText(painter,
                             QRectF(left, y, width, 0),
                             lead + parts[i],
                             TextRole::Equation,
                             theme.text2);
            continue;
        }
        if (painter != nullptr) {
            drawTextLine(*painter,
                         QRectF(x, y, before + 1, height),
                         Qt::AlignLeft,
                         lead,
                         TextRole::Equation,
                         theme.text2);
            painter->setFont(font);
            painter->setPen(isResult ? theme.text : theme.text2);
            painter->drawText(QRectF(x + before, y, part + 2, height),
                              int(Qt::AlignLeft | Qt::AlignVCenter),
                              parts[i]);
        }
        x += before + part;
    }
    if (!line.note.isEmpty()) {
        const double note = textWidth(line.note, TextRole::Small);
        if (x + Theme::px(10) + note <= left + width) {
            if (painter != nullptr) {
                drawTextLine(*painter,
                             QRectF(x + Theme::px(10), y, note + 2, height),
                             Qt::AlignLeft,
                             line.note,
                             TextRole::Small,
                             theme.text3);
            }
        } else {
            return y + height +
                   wrappedText(painter,
                               QRectF(left, y + height, width, 0),
                               line.note,
                               TextRole::Small,
                               theme.text3);
        }
    }
    return y + height;
}

double WorkedLines::layout(QPainter* painter, double width) const {
    const Theme& theme = Theme::current();
    const double badge = Theme::px(20);
    const double margin = badge + Theme::px(8);
    if (painter != nullptr) {
        drawSideBadge(*painter, QRectF(0, 0, badge, badge), m_side);
    }
    double y = std::max(badge,
                        wrappedText(painter,
                                    QRectF(margin, Theme::px(1), width - margin, 0),
                                    m_title,
                                    TextRole::Body,
                                    theme.text)) +
               Theme::px(3);
    if (!m_message.isEmpty()) {
        y += wrappedText(painter,
                         QRectF(margin, y, width - margin, 0),
                         m_message,
                         TextRole::Small,
                         m_isError ? theme.error : theme.text3);
    }
    double label = 0;
    for (const Line& line : m_lines) {
        label = std::max(label, textWidth(line.label, TextRole::Small));
    }
    const double left = margin + label + Theme::px(10);
    for (const Line& line : m_lines) {
        if (painter != nullptr) {
            drawTextLine(
                *painter,
                QRectF(margin, y, label + 2, lineHeight(TextRole::Equation) + Theme::px(2)),
                Qt::AlignLeft,
                line.label,
                TextRole::Small,
                theme.text3);
        }
        y = layoutLine(painter, line, left, y, std::max(width - left, double(Theme::px(60))));
    }
    return y + Theme::px(2);
}

void WorkedLines::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    layout(&painter, width());
}

int WorkedLines::heightForWidth(int width) const {
    return int(std::ceil(layout(nullptr, width)));
}
QSize WorkedLines::sizeHint() const {
    return {Theme::px(280), heightForWidth(std::max(width(), Theme::px(200)))};
}
QSize WorkedLines::minimumSizeHint() const {
    return {Theme::px(200), 0};
}

void WorkedLines::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    updateGeometry();
    update();
}

}  // namespace loupe::app
