// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/rotated.hpp"

#include "core/base/text.hpp"

#include <algorithm>

namespace loupe {

Result<void> RotatedBack::read(std::int64_t first, std::int64_t count, float* out) const {
    std::vector<double> values(static_cast<std::size_t>(count * cols()));
    if (Result<void> done = read(first, count, values.data()); !done) {
        return done;
    }
    std::transform(
        values.begin(), values.end(), out, [](double value) { return static_cast<float>(value); });
    return {};
}

Result<void> RotatedBack::read(std::int64_t first, std::int64_t count, double* out) const {
    if (Result<void> done = base()->read(first, count, out); !done) {
        return done;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        rotation_->backward(out + row * cols());
    }
    return {};
}

std::vector<EquationLine> RotatedBack::explain(std::int64_t row, std::int64_t col) const {
    std::vector<EquationLine> lines = ForwardingMatrix::explain(row, col);
    for (EquationLine& line : lines) {
        line.label = "rotated " + line.label;
    }
    std::vector<double> values(static_cast<std::size_t>(cols()));
    if (read(row, 1, values.data())) {
        lines.push_back(
            {"becomes",
             "row " + std::to_string(row) + " turned back, column " + std::to_string(col),
             shortest(static_cast<float>(values[static_cast<std::size_t>(col)])),
             "a mix of all rotated weights of the row"});
    }
    return lines;
}

}  // namespace loupe
