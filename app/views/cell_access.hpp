// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/cursor.hpp"
#include "app/document/document.hpp"

#include <QFocusEvent>
#include <QString>

#include <cstdint>
#include <optional>

namespace loupe::app {

/// Value of one element of the selected tensor, with edits; reads its code where there is one, else
/// its row.
[[nodiscard]] std::optional<double> cellValue(const Document& document, Cell cell);

/// The selected cell, if it lies inside of the current tensor.
[[nodiscard]] std::optional<Cell> selectedCell(Document& document);

/// Index of the element in the stored tensor (row-major as stored).
[[nodiscard]] std::int64_t storedIndex(const TensorInfo& tensor, Cell cell);

/// The cell of largest magnitude in a column (`inputs`) or row; `absmax` as the statistics know it
/// ends the search early.
/// @cost one element per row, or one row
[[nodiscard]] std::optional<Cell> largestInChannel(const Document& document,
                                                   bool inputs,
                                                   std::int64_t channel,
                                                   double absmax);

/// "row 1926 · column 2547".
[[nodiscard]] QString cellName(Cell cell);

/// True where focus came by Tab or a shortcut: only then a ring is drawn.
[[nodiscard]] bool isKeyboardFocus(const QFocusEvent& event);

/// A number for the clipboard: the shortest that reads back.
[[nodiscard]] QString plainNumber(double value);

}  // namespace loupe::app
