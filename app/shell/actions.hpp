// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAction>
#include <QObject>
#include <QString>

#include <array>
#include <span>
#include <vector>

class QMenu;
class QMenuBar;
class QWidget;

namespace loupe::app {

enum class ActionId {
#define LOUPE_ACTION(id, menu, group, text, shortcut, help) id,
#include "app/shell/actions.def"
#undef LOUPE_ACTION
};

enum class MenuId { File, Edit, View, Window, Help };
inline constexpr int kMenuCount = 5;

/// One line of actions.def.
struct ActionInfo {
    ActionId id;
    MenuId menu;
    int group;
    const char* name;  ///< id as text; objectName of the QAction
    const char* text;
    const char* shortcut;  ///< portable text; may be empty
    const char* help;
};

[[nodiscard]] std::span<const ActionInfo> allActions();

/// The QActions of the table and the menus made from it.
class Actions : public QObject {
    Q_OBJECT

public:
    /// Creates the actions on `window`, so that shortcuts work anywhere in it.
    explicit Actions(QWidget* window);

    [[nodiscard]] QAction* operator[](ActionId id) const {
        return m_actions[static_cast<std::size_t>(id)];
    }
    template <class Receiver, class Slot>
    void bind(ActionId id, Receiver* receiver, Slot slot) {
        connect((*this)[id], &QAction::triggered, receiver, slot);
    }
    /// Fills the bar with the menus of the table.
    void buildMenus(QMenuBar* bar);
    [[nodiscard]] QMenu* menu(MenuId id) const { return m_menus[static_cast<std::size_t>(id)]; }
    /// Makes a submenu of `id`'s menu in front of `before`.
    QMenu* addSubmenu(MenuId id, ActionId before, const QString& title);

private:
    std::vector<QAction*> m_actions;
    std::array<QMenu*, kMenuCount> m_menus{};
};

}  // namespace loupe::app
