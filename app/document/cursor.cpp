// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/cursor.hpp"

#include <algorithm>

namespace loupe::app {

void Cursor::setHover(std::optional<Cell> cell) {
    if (cell != m_hover) {
        m_hover = cell;
        emit hoverChanged();
    }
}

void Cursor::select(std::optional<Cell> cell) {
    if (cell != m_selected) {
        m_selected = cell;
        emit selectionChanged();
    }
}

void Cursor::setBrushed(std::optional<std::pair<double, double>> range) {
    if (range != m_brushed) {
        m_brushed = range;
        emit brushedChanged();
    }
}

int Cursor::addPin(Cell cell, const QString& note) {
    const int id = m_nextPin++;
    m_pins.push_back({id, cell, note});
    emit pinsChanged();
    return id;
}

void Cursor::removePin(int id) {
    if (std::erase_if(m_pins, [id](const Pin& pin) { return pin.id == id; }) > 0) {
        emit pinsChanged();
    }
}

void Cursor::setPins(std::vector<Pin> pins) {
    if (pins == m_pins) {
        return;
    }
    m_pins = std::move(pins);
    m_nextPin = 1;
    for (const Pin& pin : m_pins) {
        m_nextPin = std::max(m_nextPin, pin.id + 1);
    }
    emit pinsChanged();
}

}  // namespace loupe::app
