// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

class QWidget;

namespace loupe::app {

class Actions;

/// The help text of that name (resources/help/views/NAME.md, else resources/help/NAME.md); empty if
/// there is none.
[[nodiscard]] QString helpText(const QString& name);

/// Shows a help text; without one for `name`, the page about starting.
void showHelp(const QString& name, QWidget* parent);

/// Every action with its shortcut, from actions.def, and the docks' Ctrl+digits.
void showShortcuts(Actions& actions, QWidget* window);

/// Version, licence, what computes here (threads, CPU kernels, GPU: asked in the background).
void showAbout(QWidget* parent);

}  // namespace loupe::app
