// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/describe.hpp"

#include <QAccessible>
#include <QKeyEvent>
#include <QWidget>

namespace loupe::app {

void describeWidget(QWidget& widget, const QString& text) {
    if (text != widget.accessibleDescription()) {
        widget.setAccessibleDescription(text);
        QAccessibleEvent event(&widget, QAccessible::DescriptionChanged);
        QAccessible::updateAccessibility(&event);
    }
}

std::optional<QPoint> arrowOf(const QKeyEvent& event) {
    switch (event.key()) {
        case Qt::Key_Left:
            return QPoint(-1, 0);
        case Qt::Key_Right:
            return QPoint(1, 0);
        case Qt::Key_Up:
            return QPoint(0, -1);
        case Qt::Key_Down:
            return QPoint(0, 1);
        default:
            return std::nullopt;
    }
}

}  // namespace loupe::app
