// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/workspace.hpp"

#include <QJsonObject>
#include <QObject>

#include <vector>

class QAction;
class QBoxLayout;
class QStackedWidget;
class QTabBar;

namespace loupe::app {

/// The workspaces' tabs, their keys (Alt+1, Alt+2, …) and their pages, which are made when they are
/// first shown.
class Workspaces : public QObject {
    Q_OBJECT

public:
    /// Pages go into `pages`, their context bars into `bars` (after the tensor's).
    Workspaces(QWidget& window,
               Document& document,
               QTabBar& tabs,
               QBoxLayout& bars,
               QStackedWidget& pages);

    /// Id of the workspace that is shown.
    [[nodiscard]] QString current() const;
    /// Goes to a workspace; an unknown id to the first.
    void select(const QString& id);
    /// The page that is shown; null in Inspect.
    [[nodiscard]] WorkspacePage* page() const;
    [[nodiscard]] bool busy() const { return page() != nullptr && page()->busy(); }
    /// One per workspace, for menus and the command palette.
    [[nodiscard]] const std::vector<QAction*>& actions() const { return m_actions; }

    /// Which workspace, and the state of each page.
    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    /// Another workspace is shown.
    void changed();

private:
    struct Entry {
        const WorkspaceDefinition* definition = nullptr;
        WorkspacePage* page = nullptr;
        QWidget* contextBar = nullptr;
        QJsonObject state{};  ///< for when the page is made
    };
    void show(int index);
    void make(Entry& entry);

    Document& m_document;
    QTabBar& m_tabs;
    QBoxLayout& m_bars;
    QStackedWidget& m_pages;
    std::vector<Entry> m_entries;
    std::vector<QAction*> m_actions;
};

}  // namespace loupe::app
