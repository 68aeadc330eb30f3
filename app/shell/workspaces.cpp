// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/workspaces.hpp"

#include <QAction>
#include <QBoxLayout>
#include <QStackedWidget>
#include <QTabBar>

namespace loupe::app {

Workspaces::Workspaces(
    QWidget& window, Document& document, QTabBar& tabs, QBoxLayout& bars, QStackedWidget& pages)
    : QObject(&window), m_document(document), m_tabs(tabs), m_bars(bars), m_pages(pages) {
    for (const WorkspaceDefinition* definition : allWorkspaces()) {
        const auto index = static_cast<int>(m_entries.size());
        m_entries.push_back({definition});
        m_tabs.addTab(tr(definition->title));
        auto* action = new QAction(tr("Workspace: %1").arg(tr(definition->title)), &window);
        action->setObjectName(QStringLiteral("workspace.%1").arg(QLatin1String(definition->id)));
        action->setShortcut(QKeySequence(Qt::ALT | static_cast<Qt::Key>(Qt::Key_1 + index)));
        m_tabs.setTabToolTip(index, action->shortcut().toString(QKeySequence::NativeText));
        connect(
            action, &QAction::triggered, this, [this, index] { m_tabs.setCurrentIndex(index); });
        window.addAction(action);
        m_actions.push_back(action);
    }
    connect(&m_tabs, &QTabBar::currentChanged, this, &Workspaces::show);
}

QString Workspaces::current() const {
    return QLatin1String(m_entries[static_cast<std::size_t>(m_tabs.currentIndex())].definition->id);
}

WorkspacePage* Workspaces::page() const {
    return m_entries[static_cast<std::size_t>(m_tabs.currentIndex())].page;
}

void Workspaces::select(const QString& id) {
    for (std::size_t i = 0; i < m_entries.size(); ++i) {
        if (id.compare(QLatin1String(m_entries[i].definition->id), Qt::CaseInsensitive) == 0) {
            m_tabs.setCurrentIndex(static_cast<int>(i));
            return;
        }
    }
    m_tabs.setCurrentIndex(0);
}

void Workspaces::make(Entry& entry) {
    entry.page = entry.definition->create(m_document, &m_pages);
    entry.page->setObjectName(QLatin1String(entry.definition->id));
    entry.page->setAccessibleName(tr(entry.definition->title));
    entry.contextBar = entry.page->contextBar();
    m_bars.insertWidget(m_bars.count() - 1, entry.contextBar);  // above the notices
    m_pages.addWidget(entry.page);
    if (!entry.state.isEmpty()) {
        entry.page->restore(entry.state);
    }
}

void Workspaces::show(int index) {
    Entry& chosen = m_entries[static_cast<std::size_t>(index)];
    if (chosen.page == nullptr && chosen.definition->create != nullptr) {
        make(chosen);
    }
    for (const Entry& entry : m_entries) {
        if (entry.contextBar != nullptr) {
            entry.contextBar->setVisible(&entry == &chosen);
        }
    }
    emit changed();
}

QJsonObject Workspaces::save() const {
    QJsonObject state{{QStringLiteral("current"), current()}};
    for (const Entry& entry : m_entries) {
        if (entry.definition->create != nullptr) {
            state[QLatin1String(entry.definition->id)] =
                entry.page != nullptr ? entry.page->save() : entry.state;
        }
    }
    return state;
}

void Workspaces::restore(const QJsonObject& state) {
    for (Entry& entry : m_entries) {
        entry.state = state[QLatin1String(entry.definition->id)].toObject();
        if (entry.page != nullptr) {
            entry.page->restore(entry.state);
        }
    }
    select(state[QStringLiteral("current")].toString());
}

}  // namespace loupe::app
