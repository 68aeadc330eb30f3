// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/matrix_texts.hpp"

#include <algorithm>
#include <cmath>

#include "app/plot/color_setting.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

namespace loupe::app {

namespace {

constexpr std::size_t kRowsKept = 256;
constexpr std::int64_t kExactCells = 10'000;
constexpr std::int64_t kPooledSide = 100;

/// Reads a row once and keeps it.
template <class T, class Read>
const std::vector<T>* rowOf(std::map<std::int64_t, std::vector<T>>& rows, std::int64_t row, std::int64_t cols, Read read) {
    const auto found = rows.find(row);
    if (found != rows.end()) {
        return found->second.empty() ? nullptr : &found->second;
    }
    if (rows.size() >= kRowsKept) {
        rows.clear();
    }
    std::vector<T> values(static_cast<std::size_t>(cols));
    if (!read(values.data())) {
        values.clear();
    }
    const auto [at, added] = rows.emplace(row, std::move(values));
    return at->second.empty() ? nullptr : &at->second;
}

bool inside(const RowSource& source, Cell cell) {
    return cell.row >= 0 && cell.row < source.rows() && cell.col >= 0 && cell.col < source.cols();
}

QString number(float value) {
    return QString::fromStdString(shortest(value));
}

/// First cell of each of `parts` equal parts, and the end.
std::vector<std::int64_t> edges(std::int64_t first, std::int64_t count, std::int64_t parts) {
    std::vector<std::int64_t> at;
    for (std::int64_t i = 0; i <= parts; ++i) {
        at.push_back(first + count * i / parts);
    }
    return at;
}

QString exactTsv(const Heatmap& heatmap, const QString& quantity, const CellRange& range) {
    const Result<std::shared_ptr<const CellBlock>> block = readCells(*heatmap.plane(), heatmap.frame().window(), range);
    if (!block) {
        return {};
    }
    QString text = quantity + ": row";
    for (std::int64_t c = 0; c < range.cols; ++c) {
        text += "\t" + QString::number(range.firstCol + c);
    }
    text += "\n";
    for (std::int64_t r = 0; r < range.rows; ++r) {
        text += QString::number(range.firstRow + r);
        for (std::int64_t c = 0; c < range.cols; ++c) {
            text += "\t" + number((*block)->at({range.firstRow + r, range.firstCol + c}));
        }
        text += "\n";
    }
    return text;
}

QString pooledTsv(const Heatmap& heatmap, const QString& quantity, const CellRange& range, Pooling pooling) {
    const PlaneData& plane = *heatmap.plane();
    // Whole cells per value, so that the header's ranges are exact where the pyramid's blocks allow it.
    const std::int64_t rows = std::min(range.rows, kPooledSide);
    const std::int64_t cols = std::min(range.cols, kPooledSide);
    Viewport view;
    view.left = static_cast<double>(range.firstCol);
    view.top = static_cast<double>(range.firstRow);
    view.cellsPerPixelX = static_cast<double>(range.cols) / static_cast<double>(cols);
    view.cellsPerPixelY = static_cast<double>(range.rows) / static_cast<double>(rows);
    view.width = static_cast<int>(cols);
    view.height = static_cast<int>(rows);
    const Result<Texels> texels = sampleViewport(*plane.pyramid, plane.fill, view, pooling);
    if (!texels) {
        return {};
    }
    const char* name = pooling == Pooling::AbsMax ? "largest |x|, signed" : pooling == Pooling::Mean ? "mean" : "smallest";
    QString text = QString("# %1: %2 of up to %3 x %4 cells per value; rows %5-%6, columns %7-%8\n")
                       .arg(quantity, name)
                       .arg(texels->cellsX)
                       .arg(texels->cellsY)
                       .arg(range.firstRow)
                       .arg(range.firstRow + range.rows - 1)
                       .arg(range.firstCol)
                       .arg(range.firstCol + range.cols - 1);
    const std::vector<std::int64_t> rowEdges = edges(range.firstRow, range.rows, rows);
    const std::vector<std::int64_t> colEdges = edges(range.firstCol, range.cols, cols);
    const auto span = [](const std::vector<std::int64_t>& at, std::size_t i) {
        return at[i] + 1 == at[i + 1] ? QString::number(at[i]) : QString("%1-%2").arg(at[i]).arg(at[i + 1] - 1);
    };
    text += "rows";
    for (std::size_t c = 0; c < static_cast<std::size_t>(cols); ++c) {
        text += "\t" + span(colEdges, c);
    }
    text += "\n";
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
        text += span(rowEdges, r);
        for (std::size_t c = 0; c < static_cast<std::size_t>(cols); ++c) {
            text += "\t" + number(texels->values[r * static_cast<std::size_t>(cols) + c]);
        }
        text += "\n";
    }
    return text;
}

}  // namespace

void MatrixTexts::reset() {
    m_sides[0] = m_sides[1] = m_weights = Rows();
}

std::shared_ptr<const SchemeResult> MatrixTexts::result(Side side) {
    if (m_document.scheme(side).isEmpty()) {
        return nullptr;
    }
    std::shared_ptr<const SchemeResult> value = m_document.analyses().scheme(side).value;
    Rows& rows = m_sides[side == Side::A ? 0 : 1];
    if (rows.owner != value) {
        rows = Rows();
        rows.owner = value;
    }
    return value;
}

std::optional<std::int64_t> MatrixTexts::code(Side side, Cell cell) {
    const std::shared_ptr<const SchemeResult> scheme = result(side);
    if (!scheme || !scheme->quantized || !scheme->quantized->hasCodes() || !inside(*scheme->quantized, cell)) {
        return std::nullopt;
    }
    const auto* row = rowOf(m_sides[side == Side::A ? 0 : 1].codes, cell.row, scheme->quantized->cols(), [&](std::int32_t* out) {
        return scheme->quantized->codes(cell.row, 1, out).has_value();
    });
    return row != nullptr ? std::optional<std::int64_t>((*row)[static_cast<std::size_t>(cell.col)]) : std::nullopt;
}

std::optional<double> MatrixTexts::schemeValue(Side side, Cell cell) {
    const std::shared_ptr<const SchemeResult> scheme = result(side);
    if (!scheme || !scheme->quantized || !inside(*scheme->quantized, cell)) {
        return std::nullopt;
    }
    const auto* row = rowOf(m_sides[side == Side::A ? 0 : 1].values, cell.row, scheme->quantized->cols(), [&](float* out) {
        return scheme->quantized->read(cell.row, 1, out).has_value();
    });
    return row != nullptr ? std::optional<double>(static_cast<double>((*row)[static_cast<std::size_t>(cell.col)])) : std::nullopt;
}

std::optional<double> MatrixTexts::weight(Cell cell) {
    const std::shared_ptr<const RowSource> weights = m_document.weights();
    if (!weights || !inside(*weights, cell)) {
        return std::nullopt;
    }
    if (m_weights.owner != weights) {
        m_weights = Rows();
        m_weights.owner = weights;
    }
    const auto* row = rowOf(m_weights.values, cell.row, weights->cols(), [&](float* out) { return weights->read(cell.row, 1, out).has_value(); });
    return row != nullptr ? std::optional<double>(static_cast<double>((*row)[static_cast<std::size_t>(cell.col)])) : std::nullopt;
}

QString MatrixTexts::hexCode(Cell cell) const {
    const std::optional<std::uint64_t> code = m_document.code(cell.row, cell.col);
    const TensorInfo* tensor = m_document.tensor();
    if (!code || tensor == nullptr || tensor->type == nullptr) {
        return {};
    }
    const auto elements = std::max<std::uint64_t>(1, tensor->parameters);
    const int digits = static_cast<int>(std::clamp<std::uint64_t>((8 * tensor->bytes / elements + 3) / 4, 1, 16));
    return "0x" + QString("%1").arg(*code, digits, 16, QChar('0')).toUpper();
}

QString MatrixTexts::cell(CellTextMode mode, Quantity quantity, Side side, Cell cell, float value, double top) {
    switch (mode) {
        case CellTextMode::Value:
            return quantity == Quantity::Codes ? formatCount(static_cast<qint64>(value)) : cellText(static_cast<double>(value), top);
        case CellTextMode::Code: {
            const std::optional<std::int64_t> found = code(side, cell);
            return found ? formatCount(*found) : QString();
        }
        case CellTextMode::Error: {
            const std::optional<double> after = schemeValue(side, cell);
            const std::optional<double> before = weight(cell);
            return after && before ? cellText(*after - *before, top) : QString();
        }
        case CellTextMode::Bits:
            return hexCode(cell);
        case CellTextMode::Off:
            return {};
    }
    return {};
}

QStringList MatrixTexts::readout(Quantity quantity, Side side, Cell cell, float value) {
    const QString letter = side == Side::A ? "A" : "B";
    const auto exact = [](double number) { return std::isfinite(number) ? formatExact(number) : formatNumber(number); };
    const QString own = exact(static_cast<double>(value));
    const std::optional<double> stored = quantity == Quantity::Original ? std::nullopt : weight(cell);
    QStringList lines;
    switch (quantity) {
        case Quantity::Original: {
            const QString hex = hexCode(cell);
            return {hex.isEmpty() ? own : own + "   " + hex};
        }
        case Quantity::Scheme: lines << letter + " " + own; break;
        case Quantity::Error: lines << letter + " error " + own; break;
        case Quantity::Codes: lines << letter + " code " + formatCount(static_cast<qint64>(value)); break;
        case Quantity::Difference:
            lines << own << (value > 0 ? "A is closer" : value < 0 ? "B is closer" : "equally close");
            break;
        case Quantity::SchemesDiffer: lines << "A − B " + own; break;
    }
    if (stored) {
        lines << "w " + exact(*stored);
    }
    return lines;
}

QString MatrixTexts::sentence(Cell cell) {
    QString text = QString("row %1, column %2").arg(cell.row).arg(cell.col);
    const std::optional<double> stored = weight(cell);
    if (!stored) {
        return text;
    }
    text += ", weight " + formatExact(*stored);
    for (const Side side : {Side::A, Side::B}) {
        const std::optional<double> after = schemeValue(side, cell);
        if (!after) {
            continue;
        }
        text += side == Side::A ? "; scheme A:" : "; scheme B:";
        if (const std::optional<std::int64_t> found = code(side, cell)) {
            text += " code " + formatCount(*found) + ",";
        }
        text += " error " + formatNumber(*after - *stored);
    }
    return text;
}

QString matrixTsv(const Heatmap& heatmap, const QString& quantity, Pooling pooling) {
    if (!heatmap.plane()) {
        return {};
    }
    const CellRange range = heatmap.visibleCells();
    if (range.empty()) {
        return {};
    }
    const QString name = toAscii(quantity);
    return range.count() <= kExactCells ? exactTsv(heatmap, name, range) : pooledTsv(heatmap, name, range, pooling);
}

}  // namespace loupe::app
