// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/theme.hpp"
#include "core/scheme/trace.hpp"

#include <QRectF>
#include <QSizeF>
#include <QString>

#include <optional>
#include <vector>

class QPainter;

namespace loupe::app {

/// A panel of a state on the page: its header, its column numbers and its cells. All panels share
/// one column axis: a column is as wide, and stands at the same place, in each of them.
struct PlacedPanel {
    const TracePanel* panel = nullptr;
    QRectF header;
    QRectF columnLabels;  ///< empty where the panel above has them
    QRectF cells;
    double cellWidth = 0;
    double cellHeight = 0;

    [[nodiscard]] std::int64_t rows() const { return panel->values->rows(); }
    [[nodiscard]] std::int64_t cols() const { return panel->values->cols(); }
    [[nodiscard]] QRectF cell(std::int64_t row, std::int64_t col) const {
        return {cells.left() + static_cast<double>(col) * cellWidth,
                cells.top() + static_cast<double>(row) * cellHeight,
                cellWidth,
                cellHeight};
    }
    /// The cells of a block, one piece.
    [[nodiscard]] QRectF block(std::int64_t row,
                               std::int64_t col,
                               std::int64_t height,
                               std::int64_t width) const {
        return {cells.left() + static_cast<double>(col) * cellWidth,
                cells.top() + static_cast<double>(row) * cellHeight,
                cellWidth * static_cast<double>(width),
                cellHeight * static_cast<double>(height)};
    }
    [[nodiscard]] std::optional<TraceCell> cellAt(QPointF point) const;
    /// The column of the layer that stands at a place.
    [[nodiscard]] std::int64_t originalColumn(std::int64_t place) const;
};

struct PanelPage {
    std::vector<PlacedPanel> panels;
    double height = 0;  ///< that the panels take; more than given: scroll
};

/// Places the panels of a state into `size`. Bars are left out where there is no room for them
/// beside the matrices. Where the panels have few rows, they are as high as if there were `stages`
/// of them, so that they stay where they are while more come.
[[nodiscard]] PanelPage placePanels(const TraceState& state, QSizeF size, std::size_t stages = 0);
/// The most panels of any state.
[[nodiscard]] std::size_t mostPanels(const Trace& trace);

/// The panel that the state is about: those above it came before.
[[nodiscard]] const TracePanel& mainPanel(const TraceState& state);

/// A text of a trace as it is written on a board: "w^2" with a raised two, "||x||" with norm bars.
[[nodiscard]] QString boardText(const std::string& text);

/// Squares as the character ("U_jj²", so that they keep their place beside a subscript).
[[nodiscard]] QString withSquares(QString text);

/// Draws a line of such a text with its subscripts lowered ("X_j") into `area`, from the left and
/// centred in its height. Null painter: only measures. Returns the width.
double drawBoardLine(
    QPainter* painter, const QRectF& area, const QString& text, TextRole role, const QColor& color);

/// The number that the panel's colours run to.
[[nodiscard]] double limitOf(const TracePanel& panel);

}  // namespace loupe::app
