// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/view_dock.hpp"

#include "app/widgets/elided_label.hpp"
#include "app/widgets/theme.hpp"

#include <QAction>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPainter>
#include <QShowEvent>
#include <QToolButton>

#include <algorithm>

namespace loupe::app {

DockHeader::DockHeader(ViewDock& dock) : QWidget(&dock), m_dock(dock) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), 0, Theme::px(6), 0);
    layout->setSpacing(Theme::px(8));
    m_title = new QLabel(dock.windowTitle(), this);
    setTextRole(m_title, TextRole::Heading);
    m_subtitle = new ElidedLabel(this, Qt::ElideRight);
    setTextRole(m_subtitle, TextRole::Small);
    setTone(m_subtitle, Tone::Tertiary);
    m_subtitle->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    layout->addWidget(m_title);
    layout->addWidget(m_subtitle, 1);
    for (QToolButton*& icon : m_icons) {
        icon = new QToolButton(this);
        icon->setAutoRaise(true);
        icon->setVisible(false);
        layout->addWidget(icon);
    }
    m_menu = new QToolButton(this);
    m_menu->setAutoRaise(true);
    m_menu->setIcon(themedIcon(QStringLiteral("more")));
    m_menu->setToolTip(tr("Panel menu"));
    m_menu->setAccessibleName(tr("Menu of %1").arg(dock.windowTitle()));
    connect(m_menu, &QToolButton::clicked, this, &DockHeader::openMenu);
    layout->addWidget(m_menu);
}

void DockHeader::showView(const View& view) {
    m_subtitle->setText(view.subtitle());
    const std::vector<QAction*> actions = view.headerActions();
    for (std::size_t i = 0; i < 2; ++i) {
        QAction* action = i < actions.size() ? actions[i] : nullptr;
        if (action != nullptr && m_icons[i]->defaultAction() != action) {
            m_icons[i]->setDefaultAction(action);
            m_icons[i]->setToolButtonStyle(Qt::ToolButtonIconOnly);
            m_icons[i]->setAccessibleName(action->text());
        }
        m_icons[i]->setVisible(action != nullptr && !action->icon().isNull());
    }
}

void DockHeader::setLead(QWidget* lead) {
    m_lead = lead;
    auto* row = static_cast<QHBoxLayout*>(layout());
    row->insertWidget(0, lead, 1);
    row->setStretchFactor(m_subtitle, 0);
    m_title->hide();
    m_subtitle->hide();
    lead->show();
}

QSize DockHeader::sizeHint() const {
    return {Theme::px(120),
            std::max(Theme::px(32), m_lead != nullptr ? m_lead->sizeHint().height() : 0)};
}

void DockHeader::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
}

void DockHeader::openMenu() {
    QMenu menu(this);
    View& view = m_dock.view();
    const std::vector<QAction*> own = view.headerActions();
    for (QAction* action : own) {
        menu.addAction(action);
    }
    if (!own.empty()) {
        menu.addSeparator();
    }
    menu.addAction(tr("Copy numbers"), this, [&] { emit m_dock.copyRequested(&view); })
        ->setEnabled(!view.copyText().isEmpty());
    menu.addAction(tr("Export…"), this, [&] { emit m_dock.exportRequested(&view); })
        ->setEnabled(view.canExport());
    menu.addAction(tr("What is this?"), this, [&] { emit m_dock.helpRequested(&view); });
    menu.addSeparator();
    menu.addAction(m_dock.isFloating() ? tr("Put back into the window") : tr("Float"),
                   this,
                   [this] { m_dock.setFloating(!m_dock.isFloating()); });
    menu.addAction(tr("Close"), &m_dock, &QDockWidget::close);
    menu.exec(m_menu->mapToGlobal(QPoint(0, m_menu->height())));
}

ViewDock::ViewDock(const ViewDefinition& definition, Document& document, QWidget* parent)
    : QDockWidget(tr(definition.title), parent), m_definition(definition), m_document(document) {
    setObjectName(QStringLiteral("dock.%1").arg(QLatin1String(definition.id)));
    setAccessibleName(windowTitle());
    setAutoFillBackground(true);  // else lines that the window draws between docks shine through
    m_header = new DockHeader(*this);
    setTitleBarWidget(m_header);
}

View& ViewDock::view() {
    if (m_view == nullptr) {
        m_view = m_definition.create(m_document, this);
        m_view->setObjectName(QLatin1String(m_definition.id));
        if (m_view->accessibleName().isEmpty()) {
            m_view->setAccessibleName(windowTitle());
        }
        connect(m_view, &View::subtitleChanged, this, [this] { m_header->showView(*m_view); });
        setWidget(m_view);
        if (QWidget* lead = m_view->headerLead()) {
            m_header->setLead(lead);
        }
        m_header->showView(*m_view);
        if (!m_pendingState.isEmpty()) {
            m_view->restore(m_pendingState);
        }
    }
    return *m_view;
}

void ViewDock::restoreView(const QJsonObject& state) {
    m_pendingState = state;
    if (m_view != nullptr) {
        m_view->restore(state);
    }
}

QJsonObject ViewDock::saveView() const {
    return m_view != nullptr ? m_view->save() : m_pendingState;
}

void ViewDock::showEvent(QShowEvent* event) {
    view().show();
    QDockWidget::showEvent(event);
}

}  // namespace loupe::app
