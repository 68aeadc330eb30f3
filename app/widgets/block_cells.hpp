// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/cell_widget.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace loupe::app {

/// The elements of a block as cells in the colours of the signed map, the chosen one framed, those
/// that flipped bits changed with a corner. Choose by click or with the arrow keys.
class BlockCells : public CellWidget {
    Q_OBJECT

public:
    explicit BlockCells(QWidget* parent = nullptr);
    /// `changed`: as many as values, or empty.
    void setContent(std::vector<double> values, std::vector<bool> changed, std::int64_t current);
    /// What a cell is called in tool tips and for screen readers.
    void setNames(std::function<QString(std::int64_t)> names) { m_names = std::move(names); }
    [[nodiscard]] std::int64_t current() const { return m_current; }
    [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(m_values.size()); }
    [[nodiscard]] QRectF cellRect(std::int64_t cell) const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] int heightForWidth(int width) const override;

signals:
    void cellChosen(qlonglong cell);

protected:
    [[nodiscard]] std::int64_t cellCount() const override { return count(); }
    [[nodiscard]] std::int64_t chosenCell() const override { return m_current; }
    [[nodiscard]] int cellsPerRow() const override { return gridFor(width()).perRow; }
    [[nodiscard]] std::int64_t cellAt(const QPointF& pos) const override;
    [[nodiscard]] QRectF placeOf(std::int64_t cell) const override { return cellRect(cell); }
    [[nodiscard]] QString tipFor(std::int64_t cell) const override;
    void choose(std::int64_t cell) override;
    void paintEvent(QPaintEvent* event) override;

private:
    struct Grid {
        int perRow = 1;
        double cell = 1;
        double line = 1;
        double label = 0;
    };
    [[nodiscard]] Grid gridFor(int width) const;
    void describe();

    std::vector<double> m_values;
    std::vector<bool> m_changed;
    std::function<QString(std::int64_t)> m_names;
    std::int64_t m_current = 0;
    double m_most = 0;
};

}  // namespace loupe::app
