// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <cstdint>

namespace loupe::app {

/// Things in rows of which one is chosen, by click or with the arrow keys, Home and End; each has a
/// tool tip. How they look and where they are is the heirs' matter.
class CellWidget : public QWidget {
    Q_OBJECT

public:
    explicit CellWidget(QWidget* parent = nullptr);
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }

protected:
    [[nodiscard]] virtual std::int64_t cellCount() const = 0;
    [[nodiscard]] virtual std::int64_t chosenCell() const = 0;
    /// How far Up and Down go.
    [[nodiscard]] virtual int cellsPerRow() const = 0;
    /// -1: none there.
    [[nodiscard]] virtual std::int64_t cellAt(const QPointF& pos) const = 0;
    [[nodiscard]] virtual QRectF placeOf(std::int64_t cell) const = 0;
    [[nodiscard]] virtual QString tipFor(std::int64_t cell) const = 0;
    /// A person chose a cell that exists.
    virtual void choose(std::int64_t cell) = 0;
    /// Another font: sizes change.
    virtual void rescale() { updateGeometry(); }

    bool event(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

private:
    void chooseIfAny(std::int64_t cell);
};

}  // namespace loupe::app
