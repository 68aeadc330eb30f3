// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QRectF>
#include <QWidget>

#include <optional>
#include <utility>

namespace loupe::app {

class AttentionModel;

/// Where the parts of the grid lie.
struct TileLayout {
    QRectF cells;
    QRectF keys;     ///< the row of K and V blocks above
    QRectF queries;  ///< the column of Q blocks on the left
    QRectF outputs;  ///< the column of O blocks on the right
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    [[nodiscard]] QRectF cell(std::int64_t row, std::int64_t col) const;
};

/// Q blocks by K and V blocks: what is computed, what runs, what a causal mask leaves out. A click
/// or the arrow keys choose the tile that is followed.
class TileGrid : public QWidget {
    Q_OBJECT

public:
    explicit TileGrid(AttentionModel& model, QWidget* parent = nullptr);

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] TileLayout layOut(const QRectF& area) const;
    /// Draws the grid into `area`.
    void paintTo(QPainter& painter, const QRectF& area) const;
    /// Every computed tile as TSV with a header line.
    [[nodiscard]] QString copyText() const;
    /// The followed tile as a sentence.
    [[nodiscard]] QString describe() const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;

private:
    void refresh();
    void paintBlocks(QPainter& painter, const TileLayout& layout) const;
    void paintCells(QPainter& painter, const TileLayout& layout) const;
    void paintStrips(QPainter& painter, const TileLayout& layout) const;
    void paintRunning(QPainter& painter, const TileLayout& layout) const;
    void paintLegend(QPainter& painter, const QRectF& area) const;

    AttentionModel& m_model;
    bool m_ring = false;
};

}  // namespace loupe::app
