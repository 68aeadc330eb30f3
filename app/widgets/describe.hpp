// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPoint>
#include <QString>

#include <optional>

class QKeyEvent;
class QWidget;

namespace loupe::app {

/// What a screen reader says of a widget now; it is told where that has changed.
void describeWidget(QWidget& widget, const QString& text);

/// Where an arrow key points: (-1, 0) for Left; empty for other keys.
[[nodiscard]] std::optional<QPoint> arrowOf(const QKeyEvent& event);

}  // namespace loupe::app
