// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/cell_access.hpp"

#include "core/base/text.hpp"
#include "core/formats/codec.hpp"

#include <cmath>
#include <vector>

namespace loupe::app {

std::optional<double> cellValue(const Document& document, Cell cell) {
    const TensorInfo* tensor = document.tensor();
    const auto weights = document.weights();
    if (tensor == nullptr || !weights || cell.row < 0 || cell.col < 0 ||
        cell.row >= weights->rows() || cell.col >= weights->cols()) {
        return std::nullopt;
    }
    if (tensor->type != nullptr && tensor->type->format != nullptr) {
        if (const auto code = document.code(cell.row, cell.col)) {
            return decode(*tensor->type->format, *code);
        }
    }
    std::vector<double> row(static_cast<std::size_t>(weights->cols()));
    if (!weights->read(cell.row, 1, row.data())) {
        return std::nullopt;
    }
    return row[static_cast<std::size_t>(cell.col)];
}

std::optional<Cell> selectedCell(Document& document) {
    const std::optional<Cell> cell = document.cursor().selected();
    const auto weights = document.weights();
    if (!cell || !weights || cell->row < 0 || cell->col < 0 || cell->row >= weights->rows() ||
        cell->col >= weights->cols()) {
        return std::nullopt;
    }
    return cell;
}

std::int64_t storedIndex(const TensorInfo& tensor, Cell cell) {
    return tensor.transposed ? cell.col * tensor.rows + cell.row
                             : cell.row * tensor.cols + cell.col;
}

std::optional<Cell> largestInChannel(const Document& document,
                                     bool inputs,
                                     std::int64_t channel,
                                     double absmax) {
    const auto weights = document.weights();
    if (!weights) {
        return std::nullopt;
    }
    std::optional<Cell> best;
    double most = -1;
    if (!inputs) {
        std::vector<double> row(static_cast<std::size_t>(weights->cols()));
        if (!weights->read(channel, 1, row.data())) {
            return std::nullopt;
        }
        for (std::size_t col = 0; col < row.size(); ++col) {
            if (std::isfinite(row[col]) && std::abs(row[col]) > most) {
                most = std::abs(row[col]);
                best = Cell{channel, static_cast<std::int64_t>(col)};
            }
        }
        return best;
    }
    // Without codes a column costs a whole row for each of its cells: look at so many only.
    constexpr std::int64_t kRowsWithoutCodes = 256;
    const bool hasCodes = document.code(0, channel).has_value();
    const std::int64_t rows =
        hasCodes ? weights->rows() : std::min(weights->rows(), kRowsWithoutCodes);
    for (std::int64_t row = 0; row < rows && most < absmax; ++row) {
        const std::optional<double> value = cellValue(document, {row, channel});
        if (value && std::isfinite(*value) && std::abs(*value) > most) {
            most = std::abs(*value);
            best = Cell{row, channel};
        }
    }
    return best;
}

QString cellName(Cell cell) {
    return QObject::tr("row %1 · column %2").arg(cell.row).arg(cell.col);
}

bool isKeyboardFocus(const QFocusEvent& event) {
    return event.reason() == Qt::TabFocusReason || event.reason() == Qt::BacktabFocusReason ||
           event.reason() == Qt::ShortcutFocusReason;
}

QString plainNumber(double value) {
    return QString::fromStdString(shortest(value));
}

}  // namespace loupe::app
