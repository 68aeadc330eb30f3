// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace loupe::app {

/// A cell of the current tensor's matrix.
struct Cell {
    std::int64_t row = 0;
    std::int64_t col = 0;
    friend bool operator==(const Cell&, const Cell&) = default;
};

struct Pin {
    int id = 0;
    Cell cell;
    QString note;
    friend bool operator==(const Pin&, const Pin&) = default;
};

/// High-rate state shared by all linked views; never in undo. Selection and pins are saved in the
/// session, hover is not.
class Cursor : public QObject {
    Q_OBJECT

public:
    using QObject::QObject;

    [[nodiscard]] std::optional<Cell> hover() const { return m_hover; }
    [[nodiscard]] std::optional<Cell> selected() const { return m_selected; }
    [[nodiscard]] const std::vector<Pin>& pins() const { return m_pins; }
    /// Values brushed in the histogram: cells inside are highlighted in the matrix.
    [[nodiscard]] std::optional<std::pair<double, double>> brushed() const { return m_brushed; }

    void setHover(std::optional<Cell> cell);
    void select(std::optional<Cell> cell);
    void setBrushed(std::optional<std::pair<double, double>> range);
    int addPin(Cell cell, const QString& note = {});
    void removePin(int id);
    void setPins(std::vector<Pin> pins);
    /// Asks the matrix view to bring a cell or channel into view ("one click to the heatmap").
    void reveal(Cell cell) { emit revealRequested(cell); }

signals:
    void hoverChanged();
    void selectionChanged();
    void pinsChanged();
    void brushedChanged();
    void revealRequested(loupe::app::Cell cell);

private:
    std::optional<Cell> m_hover;
    std::optional<Cell> m_selected;
    std::vector<Pin> m_pins;
    std::optional<std::pair<double, double>> m_brushed;
    int m_nextPin = 1;
};

}  // namespace loupe::app
