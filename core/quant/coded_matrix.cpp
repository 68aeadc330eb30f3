// SPDX-License-Identifier: Apache-2.0
#include "core/quant/coded_matrix.hpp"

#include "core/base/assert.hpp"
#include "core/quant/board_numbers.hpp"

#include <algorithm>

namespace loupe {

CodedMatrix::CodedMatrix(Parts parts) : parts_(std::move(parts)) {
    LOUPE_ASSERT(static_cast<std::int64_t>(parts_.codes.size()) == parts_.rows * parts_.cols,
                 "one code per weight");
}

double CodedMatrix::valueOf(std::size_t entry, std::int64_t code) const {
    const double scale = parts_.scales.values[entry];
    const double zero = zeroAt(entry);
    if (parts_.isDouble) {
        return scale * (static_cast<double>(code) - zero);
    }
    return static_cast<double>(static_cast<float>(scale) *
                               (static_cast<float>(code) - static_cast<float>(zero)));
}

template <class T>
void CodedMatrix::dequantize(std::int64_t first, std::int64_t count, T* out) const {
    const std::int8_t* code = parts_.codes.data() + first * parts_.cols;
    for (std::int64_t row = first; row < first + count; ++row) {
        for (std::int64_t col = 0; col < parts_.cols; ++col) {
            *out++ = static_cast<T>(valueOf(parts_.scales.entryOf(row, col), *code++));
        }
    }
}

Result<void> CodedMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    dequantize(first, count, out);
    return {};
}

Result<void> CodedMatrix::read(std::int64_t first, std::int64_t count, double* out) const {
    dequantize(first, count, out);
    return {};
}

Result<void> CodedMatrix::codes(std::int64_t first, std::int64_t count, std::int32_t* out) const {
    const std::int8_t* begin = parts_.codes.data() + first * parts_.cols;
    std::copy(begin, begin + count * parts_.cols, out);
    return {};
}

std::pair<std::int64_t, std::int64_t> CodedMatrix::codeRange() const {
    const std::int64_t half = std::int64_t{1} << (parts_.bits - 1);
    return {-half, half - 1};
}

std::vector<Level> CodedMatrix::levels(std::int64_t row, std::int64_t col) const {
    std::vector<Level> all;
    const std::size_t entry = parts_.scales.entryOf(row, col);
    const auto [low, high] = codeRange();
    for (std::int64_t code = low; code <= high; ++code) {
        all.push_back({code, valueOf(entry, code)});
    }
    return all;
}

std::pair<std::int64_t, std::int64_t> CodedMatrix::groupColumns(std::int64_t,
                                                                std::int64_t col) const {
    if (!parts_.scales.columnEntry.empty()) {
        return {col, col + 1};  // the group's columns are scattered
    }
    const std::int64_t width = parts_.scales.colsPerEntry;
    return {col / width * width, std::min(parts_.cols, (col / width + 1) * width)};
}

std::vector<EquationLine> CodedMatrix::explain(std::int64_t row, std::int64_t col) const {
    const auto number = [](double value) { return BoardNumbers::text(value, 6); };
    const std::size_t entry = parts_.scales.entryOf(row, col);
    const auto place = static_cast<std::size_t>(row * parts_.cols + col);
    const std::int64_t code = parts_.codes[place];
    const std::string scale = number(parts_.scales.values[entry]);
    const std::string zero = number(zeroAt(entry));
    std::vector<EquationLine> lines;
    if (!parts_.rounded.empty()) {
        std::vector<double> before(static_cast<std::size_t>(parts_.cols));
        std::string was;
        if (parts_.original != nullptr && parts_.original->read(row, 1, before.data())) {
            was = joined({"was ", number(before[static_cast<std::size_t>(col)])});
        }
        lines.push_back({"moved to",
                         "errors of earlier columns pushed here",
                         number(static_cast<double>(parts_.rounded[place])),
                         was});
    }
    lines.push_back({"scale", "of its group", scale, {}});
    if (!parts_.zeroPoints.values.empty()) {
        lines.push_back({"zero point", "of its group", zero, {}});
    }
    lines.push_back({"becomes",
                     parts_.zeroPoints.values.empty()
                         ? joined({std::to_string(code), " · ", scale})
                         : joined({scale, " · (", std::to_string(code), " - ", zero, ")"}),
                     number(valueOf(entry, code)),
                     {}});
    return lines;
}

}  // namespace loupe
