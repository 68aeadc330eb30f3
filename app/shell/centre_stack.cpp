// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/centre_stack.hpp"

#include "app/shell/actions.hpp"
#include "app/views/matrix_view.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"

#include <QAbstractButton>
#include <QEvent>
#include <QHBoxLayout>
#include <QStackedWidget>
#include <QVBoxLayout>

namespace loupe::app {

CentreStack::CentreStack(Actions& actions, QWidget* parent) : QWidget(parent) {
    m_bar = new QWidget(this);
    auto* row = new QHBoxLayout(m_bar);
    m_choice = new SegmentedControl(m_bar);
    m_choice->setCompact(true);
    m_choice->setAccessibleName(tr("What the centre shows"));
    row->addWidget(m_choice);
    row->addStretch(1);
    m_stack = new QStackedWidget(this);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_bar);
    layout->addWidget(m_stack, 1);
    scale();
    connect(m_choice, &SegmentedControl::chosen, this, &CentreStack::showView);
    actions.bind(ActionId::showPicture, this, [this] { ask(QStringLiteral("matrix")); });
    actions.bind(ActionId::showLadder, this, [this] { ask(QStringLiteral("ladder")); });
    actions.bind(ActionId::showCurves, this, [this] { ask(QStringLiteral("curves")); });
    actions.bind(ActionId::showErrorA, this, [this] { showError(Side::A); });
    actions.bind(ActionId::showErrorB, this, [this] { showError(Side::B); });
}

void CentreStack::add(View* view, const QString& title) {
    m_stack->addWidget(view);
    m_titles << title;
    updateChoice();
}

void CentreStack::updateChoice() {
    std::vector<SegmentedControl::Option> options;
    for (int i = 0; i < m_stack->count(); ++i) {
        options.push_back({m_stack->widget(i)->objectName(), m_titles.at(i), m_titles.at(i)});
    }
    m_choice->setOptions(options);
    m_choice->setCurrent(currentId());
    m_bar->setVisible(options.size() > 1);
}

View* CentreStack::view(const QString& id) const {
    for (int i = 0; i < m_stack->count(); ++i) {
        if (m_stack->widget(i)->objectName() == id) {
            return qobject_cast<View*>(m_stack->widget(i));
        }
    }
    return nullptr;
}

View* CentreStack::current() const {
    return qobject_cast<View*>(m_stack->currentWidget());
}

QString CentreStack::currentId() const {
    return m_stack->currentWidget() != nullptr ? m_stack->currentWidget()->objectName() : QString();
}

void CentreStack::showView(const QString& id) {
    View* wanted = view(id);
    if (wanted == nullptr) {
        return;
    }
    const bool focused = m_stack->isAncestorOf(focusWidget());
    m_stack->setCurrentWidget(wanted);
    m_choice->setCurrent(id);
    if (focused) {
        wanted->setFocus();
    }
}

void CentreStack::ask(const QString& id) {
    showView(id);
    emit asked();
}

void CentreStack::showError(Side side) {
    if (auto* matrix = qobject_cast<MatrixView*>(view(QStringLiteral("matrix")))) {
        matrix->setQuantity(Quantity::Error, side);
        ask(matrix->objectName());
    }
}

QJsonObject CentreStack::save() const {
    return {{QStringLiteral("view"), currentId()}};
}

void CentreStack::restore(const QJsonObject& state) {
    const QString id = state[QStringLiteral("view")].toString();
    showView(view(id) != nullptr ? id : QStringLiteral("matrix"));
}

QString CentreStack::idOf(const QString& word) {
    const QString lower = word.toLower();
    if (lower == QLatin1String("ladder") || lower == QLatin1String("curves")) {
        return lower;
    }
    return lower == QLatin1String("picture") ? QStringLiteral("matrix") : QString();
}

void CentreStack::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::StyleChange && m_bar != nullptr) {
        scale();
    }
}

void CentreStack::scale() {
    m_bar->layout()->setContentsMargins(Theme::px(8), Theme::px(4), Theme::px(8), Theme::px(4));
}

}  // namespace loupe::app
