// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/block_struct.hpp"

#include "app/widgets/describe.hpp"
#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kBar = 28;
constexpr double kLeastMark = 5;

}  // namespace

BlockStruct::BlockStruct(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    describe();
}

void BlockStruct::setContent(std::vector<Strip> strips,
                             std::vector<Field> fields,
                             std::vector<Mark> marks) {
    const bool resized = strips.size() != m_strips.size();
    m_strips = std::move(strips);
    m_fields = std::move(fields);
    m_marks = std::move(marks);
    m_current = std::clamp(m_current, 0, std::max(0, static_cast<int>(m_fields.size()) - 1));
    if (resized) {
        updateGeometry();
    }
    describe();
    update();
}

void BlockStruct::setCurrentField(int field) {
    const int next = std::clamp(field, 0, std::max(0, static_cast<int>(m_fields.size()) - 1));
    if (next != m_current) {
        m_current = next;
        describe();
        update();
    }
}

double BlockStruct::stripHeight() const {
    const double scale = Theme::fontScale();
    return std::round((18 + kBar + 16 + 6) * scale);
}

QSize BlockStruct::sizeHint() const {
    return {Theme::px(420),
            static_cast<int>(stripHeight() *
                             static_cast<double>(std::max<std::size_t>(1, m_strips.size())))};
}

QSize BlockStruct::minimumSizeHint() const {
    return {Theme::px(160), sizeHint().height()};
}

std::size_t BlockStruct::stripOf(std::int64_t byte) const {
    for (std::size_t i = 0; i < m_strips.size(); ++i) {
        if (byte >= m_strips[i].begin && byte < m_strips[i].begin + m_strips[i].bytes) {
            return i;
        }
    }
    return 0;
}

BlockStruct::Bar BlockStruct::bar(std::size_t strip) const {
    // All bars have one scale; only a bar too short to be seen is drawn wider.
    std::int64_t longest = 1;
    for (const Strip& at : m_strips) {
        longest = std::max(longest, at.bytes);
    }
    const double scale = Theme::fontScale();
    Bar made;
    made.left = 2;
    made.scale = (width() - 4.0) / static_cast<double>(longest);
    const double own = static_cast<double>(m_strips[strip].bytes);
    made.scale = std::max(made.scale, 24 * scale / std::max(1.0, own));
    made.top = std::round(static_cast<double>(strip) * stripHeight() + 18 * scale);
    return made;
}

QRectF BlockStruct::fieldRect(int index) const {
    const Field& field = m_fields[static_cast<std::size_t>(index)];
    const std::size_t strip = stripOf(field.begin);
    const Bar at = bar(strip);
    const double x = static_cast<double>(field.begin - m_strips[strip].begin);
    return {at.left + x * at.scale,
            at.top,
            static_cast<double>(field.bytes) * at.scale,
            std::round(kBar * Theme::fontScale())};
}

QRectF BlockStruct::markRect(const Mark& mark) const {
    const std::size_t strip = stripOf(mark.byte);
    const Bar at = bar(strip);
    const double begin =
        static_cast<double>(mark.byte - m_strips[strip].begin) + (8 - mark.bit - mark.width) / 8.0;
    QRectF rect(at.left + begin * at.scale,
                at.top,
                (static_cast<double>(mark.bytes) - 1 + mark.width / 8.0) * at.scale,
                std::round(kBar * Theme::fontScale()));
    if (rect.width() < kLeastMark) {
        const double middle = rect.center().x();
        rect.setLeft(middle - kLeastMark / 2);
        rect.setWidth(kLeastMark);
    }
    return rect;
}

int BlockStruct::fieldAt(const QPointF& pos) const {
    for (int i = 0; i < static_cast<int>(m_fields.size()); ++i) {
        const QRectF rect = fieldRect(i);
        const double slack = rect.width() < 6 ? 3 : 0;
        if (rect.adjusted(-slack, -Theme::px(16), slack, 0).contains(pos)) {
            return i;
        }
    }
    return -1;
}

void BlockStruct::drawStrip(QPainter& painter, std::size_t strip) const {
    const Theme& t = Theme::current();
    for (int i = 0; i < static_cast<int>(m_fields.size()); ++i) {
        const Field& field = m_fields[static_cast<std::size_t>(i)];
        if (stripOf(field.begin) != strip) {
            continue;
        }
        const QRectF box = fieldRect(i).adjusted(0, 0, -1, 0);
        QPainterPath path;
        path.addRoundedRect(box, 2, 2);
        painter.fillPath(path, fieldColour(field.kind));
        const QBrush pattern = fieldPattern(field.kind);
        if (pattern.style() != Qt::NoBrush) {
            painter.setBrushOrigin(box.topLeft());
            painter.fillPath(path, pattern);
        }
        if (i == m_current) {
            painter.fillRect(QRectF(box.left(), box.bottom() + 1, box.width(), 2), t.text);
        }
    }
}

void BlockStruct::drawNames(QPainter& painter, std::size_t strip) const {
    const Theme& t = Theme::current();
    const double scale = Theme::fontScale();
    const Bar at = bar(strip);
    painter.setFont(Theme::font(TextRole::Caption));
    const QFontMetricsF metrics(painter.font());
    double left = 0;
    for (int i = 0; i < static_cast<int>(m_fields.size()); ++i) {
        const Field& field = m_fields[static_cast<std::size_t>(i)];
        if (stripOf(field.begin) != strip) {
            continue;
        }
        const QRectF box = fieldRect(i);
        QString text = field.name;
        const QString longer = QStringLiteral("%1 · %2 B").arg(field.name).arg(field.bytes);
        const double x = std::max(left, box.left());
        if (metrics.horizontalAdvance(longer) <= box.right() - x) {
            text = longer;
        }
        // Names of narrow fields hang over to the right; what has no room at all is left out, the
        // tool tip and the list of parts still name it.
        const double w = metrics.horizontalAdvance(text);
        if (x > box.right() + 24 * scale || x + w > width()) {
            continue;
        }
        painter.setPen(i == m_current ? t.text : t.text2);
        painter.drawText(QRectF(x, at.top - 18 * scale, w + 2, 16 * scale),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         text);
        left = x + w + 6 * scale;
    }
}

void BlockStruct::drawRuler(QPainter& painter, std::size_t strip) const {
    const Theme& t = Theme::current();
    const double scale = Theme::fontScale();
    const Bar at = bar(strip);
    painter.setFont(Theme::font(TextRole::NumberAxis));
    painter.setPen(t.text3);
    const QFontMetricsF metrics(painter.font());
    const double top = at.top + kBar * scale + 3 * scale;
    const auto draw = [&](std::int64_t byte, double x, bool last) {
        const QString text = QString::number(byte);
        const double w = metrics.horizontalAdvance(text);
        painter.drawText(QRectF(last ? x - w : x, top, w + 2, 14 * scale),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         text);
        return x + w + 6 * scale;
    };
    const Strip& own = m_strips[strip];
    const double end = at.left + static_cast<double>(own.bytes) * at.scale;
    const double endWidth = metrics.horizontalAdvance(QString::number(own.bytes));
    double free = 0;
    for (int i = 0; i < static_cast<int>(m_fields.size()); ++i) {
        const Field& field = m_fields[static_cast<std::size_t>(i)];
        const QRectF box = fieldRect(i);
        const std::int64_t byte = field.begin - own.begin;
        const double w = metrics.horizontalAdvance(QString::number(byte));
        if (stripOf(field.begin) == strip && box.left() >= free &&
            box.left() + w + 6 * scale <= end - endWidth) {
            free = draw(byte, box.left(), false);
        }
    }
    draw(own.bytes, std::max(end, free + endWidth), true);
}

void BlockStruct::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    for (std::size_t strip = 0; strip < m_strips.size(); ++strip) {
        if (m_strips.size() > 1) {
            painter.setFont(Theme::font(TextRole::Caption));
            painter.setPen(t.text2);
            painter.drawText(
                QRectF(0, static_cast<double>(strip) * stripHeight(), width(), Theme::px(18)),
                Qt::AlignLeft | Qt::AlignVCenter,
                painter.fontMetrics().elidedText(m_strips[strip].title, Qt::ElideMiddle, width()));
        }
        drawStrip(painter, strip);
        if (m_strips.size() == 1) {
            drawNames(painter, strip);
        }
        drawRuler(painter, strip);
    }
    for (const Mark& mark : m_marks) {
        const QRectF box = markRect(mark).adjusted(0, -2, 0, 2);
        drawBox(painter, box.adjusted(-1, -1, 1, 1), 3, QColor(), t.canvas, 1);
        drawBox(painter, box, 2, QColor(), t.text, 2);
    }
    if (hasFocus() && !m_fields.empty()) {
        drawFocusRing(painter, fieldRect(m_current).adjusted(-2, -3, 2, 3), 3);
    }
}

void BlockStruct::describe() {
    setAccessibleName(tr("Block struct"));
    if (m_fields.empty()) {
        setAccessibleDescription({});
        return;
    }
    const Field& field = m_fields[static_cast<std::size_t>(m_current)];
    describeWidget(*this,
                   tr("Field %1 of %2: %3, bytes %4 to %5. %6")
                       .arg(m_current + 1)
                       .arg(m_fields.size())
                       .arg(field.name)
                       .arg(field.begin)
                       .arg(field.begin + field.bytes - 1)
                       .arg(field.meaning));
}

void BlockStruct::choose(int field) {
    if (field >= 0 && field < static_cast<int>(m_fields.size())) {
        setCurrentField(field);
        emit fieldChosen(field);
    }
}

bool BlockStruct::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int index = fieldAt(help->pos());
        if (index >= 0) {
            const Field& field = m_fields[static_cast<std::size_t>(index)];
            const QString range =
                field.bytes == 1
                    ? tr("byte %1").arg(field.begin)
                    : tr("bytes %1 to %2").arg(field.begin).arg(field.begin + field.bytes - 1);
            QToolTip::showText(help->globalPos(),
                               QStringLiteral("%1, %2: %3").arg(field.name, range, field.meaning),
                               this,
                               fieldRect(index).toAlignedRect());
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

void BlockStruct::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
        case Qt::Key_Left:
            return choose(m_current - 1);
        case Qt::Key_Right:
            return choose(m_current + 1);
        case Qt::Key_Home:
            return choose(0);
        case Qt::Key_End:
            return choose(static_cast<int>(m_fields.size()) - 1);
        default:
            QWidget::keyPressEvent(event);
    }
}

void BlockStruct::mousePressEvent(QMouseEvent* event) {
    const int field = event->button() == Qt::LeftButton ? fieldAt(event->position()) : -1;
    if (field < 0) {
        QWidget::mousePressEvent(event);
        return;
    }
    choose(field);
}

}  // namespace loupe::app
