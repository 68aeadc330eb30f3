// SPDX-License-Identifier: GPL-3.0-or-later
// Mouse, wheel, gestures and keys of the picture.
#include <QApplication>
#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QNativeGestureEvent>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

#include "app/plot/heatmap.hpp"
#include "app/plot/heatmap_parts.hpp"

namespace loupe::app {

namespace {

constexpr double kWheelStep = 1.25;
constexpr double kKeyStep = 1.5;

std::int64_t channelAt(double position, double first, double scale) {
    return static_cast<std::int64_t>(std::floor(first + position / scale));
}

}  // namespace

bool Heatmap::event(QEvent* event) {
    if (event->type() == QEvent::NativeGesture) {
        auto* gesture = static_cast<QNativeGestureEvent*>(event);
        if (gesture->gestureType() == Qt::ZoomNativeGesture) {
            zoomBy(1 + gesture->value(), gesture->position() - m_picture.topLeft());
            return true;
        }
    }
    if (event->type() == QEvent::ShortcutOverride && usesKey(*static_cast<QKeyEvent*>(event))) {
        event->accept();
        return true;
    }
    return QWidget::event(event);
}

void Heatmap::resizeEvent(QResizeEvent*) {
    applyLayout();
}

void Heatmap::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        applyLayout();
        invalidateColour();
    }
    QWidget::changeEvent(event);
}

void Heatmap::wheelEvent(QWheelEvent* event) {
    const QPointF at = event->position() - m_picture.topLeft();
    const double delta = event->angleDelta().y() != 0 ? event->angleDelta().y() : event->angleDelta().x();
    if (shape().empty() || delta == 0) {
        event->ignore();
        return;
    }
    double steps = delta / 120;
    if (event->modifiers() & Qt::ControlModifier) {
        steps /= 4;
    } else if (event->modifiers() & Qt::ShiftModifier) {
        steps *= 4;
    }
    zoomBy(std::pow(kWheelStep, steps), at);
    event->accept();
}

void Heatmap::mousePressEvent(QMouseEvent* event) {
    m_pressed = m_dragLast = event->position();
    m_moved = false;
    const Parts parts = layoutParts(size());
    if (parts.columnStrip.contains(event->position()) || parts.rowStrip.contains(event->position())) {
        const bool column = parts.columnStrip.contains(event->position());
        const std::int64_t index = column ? channelAt(event->position().x() - m_picture.left(), m_transform.left, m_transform.scaleX)
                                          : channelAt(event->position().y() - m_picture.top(), m_transform.top, m_transform.scaleY);
        if (index >= 0 && index < (column ? shape().cols : shape().rows)) {
            emit channelClicked(column, index);
        }
        return;
    }
    if (shape().empty() || !m_picture.contains(event->position())) {
        return;
    }
    const bool box = event->button() == Qt::RightButton || (event->button() == Qt::LeftButton && m_boxZoom);
    m_drag = box ? Drag::Box : event->button() == Qt::LeftButton || event->button() == Qt::MiddleButton ? Drag::Pan : Drag::None;
    m_box = {};
}

void Heatmap::mouseMoveEvent(QMouseEvent* event) {
    const QPointF at = event->position();
    if (m_drag == Drag::None) {
        hoverAt(at);
        return;
    }
    m_moved = m_moved || (at - m_pressed).manhattanLength() >= QApplication::startDragDistance();
    if (!m_moved) {
        return;
    }
    if (m_drag == Drag::Box) {
        m_box = QRectF(m_pressed, at).normalized().intersected(m_picture);
        update();
        return;
    }
    setCursor(Qt::ClosedHandCursor);
    PictureTransform next = m_transform;
    next.left -= (at.x() - m_dragLast.x()) / next.scaleX;
    next.top -= (at.y() - m_dragLast.y()) / next.scaleY;
    m_dragLast = at;
    moveTo(clampTransform(next, shape(), m_picture.size()), false);
}

void Heatmap::mouseReleaseEvent(QMouseEvent* event) {
    const Drag drag = std::exchange(m_drag, Drag::None);
    unsetCursor();
    if (drag == Drag::Box && m_moved && m_box.width() >= 4 && m_box.height() >= 4) {
        const QRectF box = m_box.translated(-m_picture.topLeft());
        const QRectF cells(QPointF(m_transform.col(box.left()), m_transform.row(box.top())),
                           QPointF(m_transform.col(box.right()), m_transform.row(box.bottom())));
        const bool square = m_aspect != Aspect::Fill;
        if (m_aspect == Aspect::OneToOne) {
            m_aspect = Aspect::Square;
        }
        moveTo(boxTransform(cells, shape(), m_picture.size(), square), false);
    } else if (drag != Drag::None && !m_moved && m_picture.contains(event->position())) {
        const std::optional<Cell> cell = cellFor(event->position());
        if (cell && drag == Drag::Pan && event->button() == Qt::LeftButton) {
            emit cellClicked(*cell);
        } else if (cell && event->button() == Qt::RightButton) {
            emit menuRequested(*cell, event->globalPosition().toPoint());
        }
    }
    if (!m_box.isNull() || (drag == Drag::Box && m_boxZoom)) {
        m_box = {};
        update();
        emit boxZoomEnded();
    }
}

void Heatmap::mouseDoubleClickEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton && m_picture.contains(event->position())) {
        fit();
    }
}

void Heatmap::contextMenuEvent(QContextMenuEvent* event) {
    if (event->reason() == QContextMenuEvent::Keyboard && m_selected) {
        const QPointF corner = m_picture.topLeft() + m_transform.cellRect(*m_selected).bottomRight();
        emit menuRequested(*m_selected, mapToGlobal(corner.toPoint()));
    }
    event->accept();  // the right button answers on release, because it also draws a box
}

void Heatmap::setBoxZoom(bool on) {
    m_boxZoom = on;
    on ? setCursor(Qt::CrossCursor) : unsetCursor();
}

void Heatmap::hoverAt(QPointF position) {
    m_hoverPosition = position;
    const Parts parts = layoutParts(size());
    std::optional<std::pair<bool, std::int64_t>> channel;
    if (parts.columnStrip.contains(position)) {
        channel = std::pair(true, channelAt(position.x() - m_picture.left(), m_transform.left, m_transform.scaleX));
    } else if (parts.rowStrip.contains(position)) {
        channel = std::pair(false, channelAt(position.y() - m_picture.top(), m_transform.top, m_transform.scaleY));
    }
    if (channel != m_hoverChannel) {
        m_hoverChannel = channel;
        update();
    }
    const std::optional<Cell> cell = cellFor(position);
    m_hoverIsMine = cell.has_value();
    m_hoverIsLargest = cell && m_frame.pooled() && m_pooling == Pooling::AbsMax && isLargest(*cell);
    if (cell != m_hover) {
        setHover(cell);
        m_hoverIsMine = cell.has_value();
        emit hovered(cell);
    }
}

void Heatmap::leaveEvent(QEvent*) {
    m_hoverChannel.reset();
    m_hoverIsMine = false;
    if (m_hover) {
        setHover(std::nullopt);
        emit hovered(std::nullopt);
    }
    update();
}

void Heatmap::focusInEvent(QFocusEvent* event) {
    const Qt::FocusReason reason = event->reason();
    m_keyboardFocus = reason == Qt::TabFocusReason || reason == Qt::BacktabFocusReason || reason == Qt::ShortcutFocusReason;
    QWidget::focusInEvent(event);
    update();
}

void Heatmap::focusOutEvent(QFocusEvent* event) {
    m_keyboardFocus = false;
    emit peekRequested(false);
    QWidget::focusOutEvent(event);
    update();
}

bool Heatmap::usesKey(const QKeyEvent& event) const {
    if (shape().empty() || (event.modifiers() & (Qt::AltModifier | Qt::MetaModifier))) {
        return false;
    }
    if (event.modifiers() & Qt::ControlModifier) {
        return event.key() == Qt::Key_G;
    }
    switch (event.key()) {
        case Qt::Key_Escape:
            return m_selected || m_brushed || !m_box.isNull();
        case Qt::Key_W: case Qt::Key_A: case Qt::Key_S: case Qt::Key_D:
        case Qt::Key_F: case Qt::Key_1: case Qt::Key_Plus: case Qt::Key_Equal: case Qt::Key_Minus:
        case Qt::Key_Left: case Qt::Key_Right: case Qt::Key_Up: case Qt::Key_Down:
        case Qt::Key_Space: case Qt::Key_Return: case Qt::Key_Enter: case Qt::Key_B: case Qt::Key_X:
            return true;
        default:
            return false;
    }
}

bool Heatmap::panKey(int key) {
    const bool shift = QApplication::keyboardModifiers() & Qt::ShiftModifier;
    const double share = shift ? 0.5 : 0.125;
    const double dx = share * m_picture.width() / m_transform.scaleX;
    const double dy = share * m_picture.height() / m_transform.scaleY;
    PictureTransform next = m_transform;
    switch (key) {
        case Qt::Key_A: case Qt::Key_Left: next.left -= dx; break;
        case Qt::Key_D: case Qt::Key_Right: next.left += dx; break;
        case Qt::Key_W: case Qt::Key_Up: next.top -= dy; break;
        case Qt::Key_S: case Qt::Key_Down: next.top += dy; break;
        default: return false;
    }
    moveTo(clampTransform(next, shape(), m_picture.size()), m_fit && clampTransform(next, shape(), m_picture.size()) == m_transform);
    return true;
}

bool Heatmap::zoomKey(const QKeyEvent& event) {
    // Round the selected cell if it is in view, so that + leads to what one looks at.
    std::optional<QPointF> at;
    if (m_selected && visibleCells().contains(*m_selected)) {
        at = m_transform.cellRect(*m_selected).center();
    }
    switch (event.key()) {
        case Qt::Key_F: fit(); return true;
        case Qt::Key_1: oneToOne(); return true;
        case Qt::Key_Plus: case Qt::Key_Equal: zoomBy(kKeyStep, at); return true;
        case Qt::Key_Minus: zoomBy(1 / kKeyStep, at); return true;
        default: return false;
    }
}

void Heatmap::moveSelection(std::int64_t rows, std::int64_t cols, bool byGroup) {
    Cell cell = *m_selected;
    std::int64_t size = 16;
    if (byGroup && m_groups) {
        const auto [first, last] = m_groups(cell);
        size = std::max<std::int64_t>(1, last - first);
        // To the first cell of the next or previous group.
        cols = cols > 0 ? last - cell.col : cols < 0 ? (cell.col > first ? first - cell.col : -size) : 0;
        rows *= size > 1 ? size : 16;
    } else if (byGroup) {
        rows *= size;
        cols *= size;
    }
    cell.row = std::clamp<std::int64_t>(cell.row + rows, 0, shape().rows - 1);
    cell.col = std::clamp<std::int64_t>(cell.col + cols, 0, shape().cols - 1);
    emit cellClicked(cell);
    // Follow it out of the picture by panning only.
    const QRectF rect = m_transform.cellRect(cell);
    PictureTransform next = m_transform;
    const auto follow = [](double& start, double from, double to, double length, double scale) {
        if (from < 0) {
            start += from / scale;
        } else if (to > length) {
            start += (to - length) / scale;
        }
    };
    follow(next.left, rect.left(), rect.right(), m_picture.width(), next.scaleX);
    follow(next.top, rect.top(), rect.bottom(), m_picture.height(), next.scaleY);
    if (next != m_transform) {
        moveTo(clampTransform(next, shape(), m_picture.size()), false);
    }
}

bool Heatmap::selectionKey(const QKeyEvent& event) {
    const bool byGroup = event.modifiers() & Qt::ShiftModifier;
    if (event.key() == Qt::Key_Return || event.key() == Qt::Key_Enter) {
        const Cell middle = m_transform.cellAt(QPointF(m_picture.width() / 2, m_picture.height() / 2));
        const Cell wanted = m_hover.value_or(middle);
        emit cellClicked({std::clamp<std::int64_t>(wanted.row, 0, shape().rows - 1), std::clamp<std::int64_t>(wanted.col, 0, shape().cols - 1)});
        return true;
    }
    if (!m_selected) {
        return false;
    }
    switch (event.key()) {
        case Qt::Key_Left: moveSelection(0, -1, byGroup); return true;
        case Qt::Key_Right: moveSelection(0, 1, byGroup); return true;
        case Qt::Key_Up: moveSelection(-1, 0, byGroup); return true;
        case Qt::Key_Down: moveSelection(1, 0, byGroup); return true;
        default: return false;
    }
}

bool Heatmap::actionKey(const QKeyEvent& event) {
    switch (event.key()) {
        case Qt::Key_Space:
            if (m_selected || m_hover) {
                emit pinRequested(m_selected ? *m_selected : *m_hover);
            }
            return true;
        case Qt::Key_Escape:
            if (!m_box.isNull()) {
                m_box = {};
                m_drag = Drag::None;
                update();
                emit boxZoomEnded();
            } else {
                emit clearRequested();
            }
            return true;
        case Qt::Key_B:
            if (!event.isAutoRepeat()) {
                emit peekRequested(true);
            }
            return true;
        case Qt::Key_X:
            emit swapRequested();
            return true;
        case Qt::Key_G:
            emit goToRequested();
            return true;
        default:
            return false;
    }
}

void Heatmap::keyPressEvent(QKeyEvent* event) {
    if (!usesKey(*event)) {
        QWidget::keyPressEvent(event);
        return;
    }
    if (!selectionKey(*event) && !zoomKey(*event) && !actionKey(*event) && !panKey(event->key())) {
        QWidget::keyPressEvent(event);
    }
}

void Heatmap::keyReleaseEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_B && !event->isAutoRepeat()) {
        emit peekRequested(false);
        return;
    }
    QWidget::keyReleaseEvent(event);
}

}  // namespace loupe::app
