// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

class QWidget;

namespace loupe::app {

/// Goes to the Algorithms workspace of the window that `from` belongs to and plays the scheme's
/// last step on the open tensor. False where no method tells that step.
bool playInAlgorithms(const QWidget& from, const QString& scheme);

}  // namespace loupe::app
