// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QBoxLayout;
class QVBoxLayout;

namespace loupe::app {

class Actions;
class FileCommands;

/// What a window without a checkpoint shows: three ways to begin, recent files, a place to drop
/// one.
class StartPage : public QWidget {
    Q_OBJECT

public:
    StartPage(Actions& actions, FileCommands& files, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    QWidget* buildHead();
    QWidget* buildWays();
    QWidget* buildRecent();
    QWidget* buildFoot();
    void fillRecent();

    Actions& m_actions;
    FileCommands& m_files;
    QWidget* m_column = nullptr;
    QBoxLayout* m_halves = nullptr;
    QWidget* m_recent = nullptr;
    QVBoxLayout* m_recentRows = nullptr;
};

}  // namespace loupe::app
