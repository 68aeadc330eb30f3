// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/quiet_end.hpp"

#include <QWidget>

namespace loupe::app {

QuietEnd::~QuietEnd() {
    const QList<QObject*> children = m_owner->findChildren<QObject*>();
    for (QObject* child : children) {
        QObject::disconnect(child, nullptr, m_owner, nullptr);
    }
}

}  // namespace loupe::app
