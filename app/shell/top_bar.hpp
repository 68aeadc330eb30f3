// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QMenuBar;
class QTabBar;
class QToolButton;

namespace loupe::app {

class Actions;

/// Logo, menus, workspace tabs and the command field; goes through QMainWindow::setMenuWidget
/// together with the context bar.
class TopBar : public QWidget {
    Q_OBJECT

public:
    explicit TopBar(Actions& actions, QWidget* parent = nullptr);

    [[nodiscard]] QMenuBar* menuBar() const { return m_menus; }
    /// All menus behind one button, where they and the tabs have no room side by side.
    [[nodiscard]] QToolButton* folded() const { return m_folded; }
    [[nodiscard]] QTabBar* workspaces() const { return m_tabs; }
    [[nodiscard]] QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool event(QEvent* event) override;

private:
    void fold();

    QMenuBar* m_menus = nullptr;
    QToolButton* m_folded = nullptr;
    QTabBar* m_tabs = nullptr;
    QToolButton* m_command = nullptr;
};

}  // namespace loupe::app
