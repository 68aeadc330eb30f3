// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/plot/color_setting.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"

#include <QAbstractScrollArea>

#include <optional>
#include <vector>

namespace loupe::app {

/// How a metric's values become colours, as the atlas opens: zero pinned for signed ones, a
/// logarithmic range where a metric spans decades, and else up to the value that 95 % of the cells
/// stay under where the largest is far above it. `mode` says so.
[[nodiscard]] ColorSetting atlasColors(const AtlasMetric& metric,
                                       const AtlasValues& values,
                                       QString* mode = nullptr);

/// Roles by layers, one coloured cell each, stack under stack, and what is outside of the layers as
/// a list below. Only what is visible is painted. Arrows walk over the cells, Enter opens one.
class AtlasPicture : public QAbstractScrollArea {
    Q_OBJECT

public:
    explicit AtlasPicture(AtlasModel& model, QWidget* parent = nullptr);

    void setColors(const ColorSetting& colors);
    [[nodiscard]] const ColorSetting& colors() const { return m_colors; }

    /// Where a cell is, in the viewport's pixels; empty: it has no place.
    [[nodiscard]] QRectF cellRect(std::size_t cell) const;
    [[nodiscard]] std::optional<std::size_t> cellAt(QPointF viewportPoint) const;
    /// "layer 3, q: 12.5 kB. model.layers.3…, [64, 64] fp16": what is read out.
    [[nodiscard]] QString sentence(std::size_t cell) const;
    [[nodiscard]] double lastPaintMs() const { return m_lastPaintMs; }

    /// The whole atlas, not only what is visible, `width` wide.
    [[nodiscard]] double exportHeight(double width) const;
    void paintExport(QPainter& painter, const QRectF& target) const;

signals:
    void hovered(std::optional<std::size_t> cell);
    /// Enter or a double click.
    void opened(std::size_t tensor);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    /// A stretch of a section's layers, or the list outside of them.
    struct Block {
        std::size_t section = 0;
        std::size_t firstLayer = 0;
        std::size_t columns = 0;  ///< layers, or places in a row of the list
        std::size_t rows = 0;
        double head = 0;  ///< top of the title; negative: goes on from the block above
        double axis = 0;  ///< top of the layer numbers
        double top = 0;   ///< of the cells
        double left = 0;
        double cellWidth = 0, cellHeight = 0;
        double pitch = 0;  ///< from one place of the list to the next; else the cell's width
        bool labels = true;
        [[nodiscard]] double bottom() const { return top + static_cast<double>(rows) * cellHeight; }
    };
    struct Geometry {
        std::vector<Block> blocks;
        double height = 0;
        double labelWidth = 0;
    };

    [[nodiscard]] Geometry layOut(double width, double height) const;
    void addGrid(Geometry& made, std::size_t section, double width, double rowHeight) const;
    void addList(Geometry& made, std::size_t section, double width, double rowHeight) const;
    [[nodiscard]] std::int32_t cellOf(const Block& block, std::size_t row, std::size_t col) const;
    [[nodiscard]] QRectF rectOf(const Block& block, std::size_t row, std::size_t col) const;
    [[nodiscard]] std::optional<std::size_t> cellIn(const Geometry& geometry, QPointF point) const;
    [[nodiscard]] QRectF contentRect(std::size_t cell) const;
    void relayout();
    void paintContent(QPainter& painter,
                      const Geometry& geometry,
                      const QRectF& visible,
                      bool on) const;
    void paintHead(QPainter& painter,
                   const Geometry& geometry,
                   const Block& block,
                   double right) const;
    void paintBlock(QPainter& painter,
                    const Geometry& geometry,
                    const Block& block,
                    const QRectF& visible) const;
    void paintCell(QPainter& painter, const QRectF& rect, std::size_t cell) const;
    void paintSelection(QPainter& painter) const;
    void select(std::optional<std::size_t> cell);
    void step(int dx, int dy);
    void hover(std::optional<std::size_t> cell);
    void announce();

    AtlasModel& m_model;
    ColorSetting m_colors;
    Geometry m_geometry;
    std::optional<std::size_t> m_hover;
    bool m_ring = false;
    double m_lastPaintMs = 0;
};

}  // namespace loupe::app
