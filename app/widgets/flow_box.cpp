// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/flow_box.hpp"

#include "app/widgets/theme.hpp"

#include <QEvent>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kSwatch = 14;

void setWrapping(QWidget& widget) {
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    widget.setSizePolicy(policy);
}

}  // namespace

FlowBox::FlowBox(QWidget* parent) : QWidget(parent) {
    setWrapping(*this);
}

void FlowBox::add(QWidget* child) {
    child->setParent(this);
    m_children.push_back(child);
    relayout();
}

void FlowBox::relayout() {
    place(width(), true);
    updateGeometry();
}

int FlowBox::place(int width, bool move) const {
    const int gap = Theme::px(m_spacing);
    int x = 0;
    int y = 0;
    int line = 0;
    for (QWidget* child : m_children) {
        if (child->isHidden()) {
            continue;
        }
        const int w = std::min(width, std::max(child->sizeHint().width(), child->minimumWidth()));
        const int h =
            child->hasHeightForWidth() ? child->heightForWidth(w) : child->sizeHint().height();
        if (x > 0 && x + w > width) {
            x = 0;
            y += line + gap / 2;
            line = 0;
        }
        if (move) {
            child->setGeometry(x, y, w, h);
        }
        x += w + gap;
        line = std::max(line, h);
    }
    return y + line;
}

QSize FlowBox::sizeHint() const {
    const int width = Theme::px(420);
    return {width, heightForWidth(width)};
}

QSize FlowBox::minimumSizeHint() const {
    int width = 0;
    for (const QWidget* child : m_children) {
        width = child->isHidden() ? width : std::max(width, child->minimumSizeHint().width());
    }
    return {width, 0};
}

int FlowBox::heightForWidth(int width) const {
    return place(width, false);
}

bool FlowBox::event(QEvent* event) {
    if (event->type() == QEvent::LayoutRequest) {
        relayout();
    }
    return QWidget::event(event);
}

void FlowBox::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    place(width(), true);
}

FieldLegend::FieldLegend(QWidget* parent) : QWidget(parent) {
    setWrapping(*this);
    setTextRole(this, TextRole::Caption);
}

void FieldLegend::setEntries(std::vector<std::pair<FieldKind, QString>> entries) {
    if (entries == m_entries) {
        return;
    }
    m_entries = std::move(entries);
    QStringList words;
    for (const auto& [kind, text] : m_entries) {
        words << text;
    }
    setAccessibleName(tr("Colours: %1").arg(words.join(QStringLiteral(", "))));
    updateGeometry();
    update();
}

std::vector<QRectF> FieldLegend::places(double width) const {
    const QFontMetricsF metrics(font());
    const double scale = Theme::fontScale();
    const double height = std::round(18 * scale);
    std::vector<QRectF> made;
    double x = 0;
    double y = 0;
    for (const auto& [kind, text] : m_entries) {
        const double w = (kSwatch + 5) * scale + metrics.horizontalAdvance(text);
        if (x > 0 && x + w > width) {
            x = 0;
            y += height;
        }
        made.emplace_back(x, y, w, height);
        x += w + 12 * scale;
    }
    return made;
}

QSize FieldLegend::sizeHint() const {
    const int width = Theme::px(380);
    return {width, heightForWidth(width)};
}

QSize FieldLegend::minimumSizeHint() const {
    return {Theme::px(80), Theme::px(18)};
}

int FieldLegend::heightForWidth(int width) const {
    const std::vector<QRectF> all = places(width);
    return all.empty() ? 0 : static_cast<int>(std::ceil(all.back().bottom()));
}

void FieldLegend::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setFont(font());
    const double side = kSwatch * Theme::fontScale();
    const std::vector<QRectF> all = places(width());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& [kind, text] = m_entries[i];
        const QRectF box(all[i].left(), all[i].center().y() - side / 2 + 1, side, side - 2);
        QPainterPath path;
        path.addRoundedRect(box, 2, 2);
        painter.fillPath(path, fieldColour(kind));
        const QBrush pattern = fieldPattern(kind);
        if (pattern.style() != Qt::NoBrush) {
            painter.setBrushOrigin(box.topLeft());
            painter.fillPath(path, pattern);
        }
        painter.setPen(t.text2);
        painter.drawText(all[i].adjusted(side + 5 * Theme::fontScale(), 0, 2, 0),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         text);
    }
}

}  // namespace loupe::app
