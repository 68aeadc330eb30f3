// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/actions.hpp"

#include <QKeySequence>
#include <QMenu>
#include <QMenuBar>
#include <QWidget>

namespace loupe::app {

std::span<const ActionInfo> allActions() {
    static constexpr ActionInfo kTable[] = {
#define LOUPE_ACTION(id, menu, group, text, shortcut, help) \
    {ActionId::id, MenuId::menu, group, #id, text, shortcut, help},
#include "app/shell/actions.def"
#undef LOUPE_ACTION
    };
    return kTable;
}

Actions::Actions(QWidget* window) : QObject(window) {
    for (const ActionInfo& info : allActions()) {
        auto* action = new QAction(tr(info.text), this);
        action->setObjectName(QLatin1String(info.name));
        action->setShortcut(QKeySequence::fromString(QLatin1String(info.shortcut)));
        action->setData(QLatin1String(info.help));
        window->addAction(action);
        m_actions.push_back(action);
    }
}

void Actions::buildMenus(QMenuBar* bar) {
    static constexpr const char* kTitles[kMenuCount] = {QT_TR_NOOP("&File"),
                                                        QT_TR_NOOP("&Edit"),
                                                        QT_TR_NOOP("&View"),
                                                        QT_TR_NOOP("&Window"),
                                                        QT_TR_NOOP("&Help")};
    std::array<int, kMenuCount> lastGroup{};
    for (std::size_t i = 0; i < m_menus.size(); ++i) {
        m_menus[i] = bar->addMenu(tr(kTitles[i]));
    }
    for (const ActionInfo& info : allActions()) {
        const auto index = static_cast<std::size_t>(info.menu);
        if (info.group != lastGroup[index]) {
            m_menus[index]->addSeparator();
            lastGroup[index] = info.group;
        }
        m_menus[index]->addAction((*this)[info.id]);
    }
}

QMenu* Actions::addSubmenu(MenuId id, ActionId before, const QString& title) {
    auto* submenu = new QMenu(title, menu(id));
    menu(id)->insertMenu((*this)[before], submenu);
    return submenu;
}

}  // namespace loupe::app
