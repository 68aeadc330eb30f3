// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/context_row.hpp"

#include "app/widgets/marks.hpp"
#include "app/widgets/theme.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QSlider>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr double kSliderWidth = 110;  ///< a slider can do with less than it asks for

}  // namespace

ContextRow::ContextRow(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_row = new QHBoxLayout(this);
    m_row->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    m_row->setSpacing(Theme::px(6));
}

QSize ContextRow::sizeHint() const {
    return {Theme::px(600), Theme::px(40)};
}

QSize ContextRow::minimumSizeHint() const {
    return {Theme::px(320), Theme::px(40)};
}

void ContextRow::fold(const std::vector<std::pair<QWidget*, bool>>& optional,
                      const std::vector<const QWidget*>& absent) {
    int needed = m_row->contentsMargins().left() + m_row->contentsMargins().right();
    for (const QWidget* child : findChildren<QWidget*>(QString(), Qt::FindDirectChildrenOnly)) {
        const bool counts =
            std::none_of(optional.begin(),
                         optional.end(),
                         [child](const auto& entry) { return entry.first == child; }) &&
            std::find(absent.begin(), absent.end(), child) == absent.end();
        if (counts) {
            needed += (qobject_cast<const QSlider*>(child) != nullptr ? Theme::px(kSliderWidth)
                                                                      : child->sizeHint().width()) +
                      m_row->spacing();
        }
    }
    for (const auto& [widget, wanted] : optional) {
        const int more = widget->sizeHint().width() + m_row->spacing();
        const bool fits = wanted && needed + more <= width();
        widget->setVisible(fits);
        needed += fits ? more : 0;
    }
}

void ContextRow::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
    painter.setPen(Theme::current().line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
}

SubjectRow::SubjectRow(QWidget* parent) : ContextRow(parent) {
    row()->setSpacing(Theme::px(8));
    m_title = new QLabel(this);
    setTextRole(m_title, TextRole::Heading);
    row()->addWidget(m_title);
    m_facts = new FactChip({}, this);
    row()->addWidget(m_facts);
    row()->addStretch(1);
}

void SubjectRow::setSubject(const QString& title, const QString& facts) {
    m_title->setText(title);
    m_facts->setText(facts);
    m_facts->setVisible(!facts.isEmpty());
}

QString SubjectRow::subject() const {
    return m_facts->text().isEmpty() ? m_title->text()
                                     : m_title->text() + QStringLiteral(", ") + m_facts->text();
}

}  // namespace loupe::app
