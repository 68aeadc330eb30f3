// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/cell_widget.hpp"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QToolTip>

namespace loupe::app {

CellWidget::CellWidget(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
}

void CellWidget::chooseIfAny(std::int64_t cell) {
    if (cell >= 0 && cell < cellCount()) {
        choose(cell);
    }
}

bool CellWidget::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        if (const std::int64_t cell = cellAt(help->pos()); cell >= 0) {
            QToolTip::showText(
                help->globalPos(), tipFor(cell), this, placeOf(cell).toAlignedRect());
        } else {
            QToolTip::hideText();
        }
        return true;
    }
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) {
        rescale();
    }
    return QWidget::event(event);
}

void CellWidget::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
        case Qt::Key_Left:
            return chooseIfAny(chosenCell() - 1);
        case Qt::Key_Right:
            return chooseIfAny(chosenCell() + 1);
        case Qt::Key_Up:
            return chooseIfAny(chosenCell() - cellsPerRow());
        case Qt::Key_Down:
            return chooseIfAny(chosenCell() + cellsPerRow());
        case Qt::Key_Home:
            return chooseIfAny(0);
        case Qt::Key_End:
            return chooseIfAny(cellCount() - 1);
        default:
            QWidget::keyPressEvent(event);
    }
}

void CellWidget::mousePressEvent(QMouseEvent* event) {
    const std::int64_t cell =
        event->button() == Qt::LeftButton ? cellAt(event->position()) : std::int64_t{-1};
    if (cell < 0) {
        QWidget::mousePressEvent(event);
        return;
    }
    chooseIfAny(cell);
}

}  // namespace loupe::app
