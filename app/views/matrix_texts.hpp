// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringList>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "app/document/document.hpp"
#include "app/plot/heatmap.hpp"
#include "app/views/matrix_actions.hpp"

namespace loupe::app {

/// What cells say in words: texts in large cells, the read-out beside the pointer, the sentence for screen readers, the
/// clipboard. Rows of codes and errors are kept while the scheme stays.
class MatrixTexts {
public:
    explicit MatrixTexts(Document& document) : m_document(document) {}

    /// Forgets rows of another scheme or tensor.
    void reset();
    [[nodiscard]] QString cell(CellTextMode mode, Quantity quantity, Side side, Cell cell, float value, double top);
    [[nodiscard]] QStringList readout(Quantity quantity, Side side, Cell cell, float value);
    /// "row 12, column 40, weight −0.031, A: code −4, error 0.002".
    [[nodiscard]] QString sentence(Cell cell);
    [[nodiscard]] std::optional<std::int64_t> code(Side side, Cell cell);
    [[nodiscard]] std::optional<double> schemeValue(Side side, Cell cell);
    [[nodiscard]] std::optional<double> weight(Cell cell);
    [[nodiscard]] QString hexCode(Cell cell) const;

private:
    struct Rows {
        std::shared_ptr<const void> owner;
        std::map<std::int64_t, std::vector<std::int32_t>> codes;
        std::map<std::int64_t, std::vector<float>> values;
    };
    [[nodiscard]] std::shared_ptr<const SchemeResult> result(Side side);

    Document& m_document;
    Rows m_sides[2];
    Rows m_weights;
};

/// TSV of the cells in view: exact up to 10,000 cells, else pooled onto a grid of at most 100 x 100 with what each number
/// covers said in the header.
[[nodiscard]] QString matrixTsv(const Heatmap& heatmap, const QString& quantity, Pooling pooling);

}  // namespace loupe::app
