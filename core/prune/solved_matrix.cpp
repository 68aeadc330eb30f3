// SPDX-License-Identifier: Apache-2.0
#include "core/prune/solved_matrix.hpp"

#include "core/quant/board_numbers.hpp"
#include "core/scheme/masked_matrix.hpp"

#include <algorithm>

namespace loupe {

template <class T>
SolvedMatrix::SolvedMatrix(std::shared_ptr<const RowSource> original, const Matrix<T>& values)
    : original_(std::move(original)) {
    if (original_->isDouble()) {
        std::vector<double> all(values.data(), values.data() + values.size());
        values_ = makeRowSource(values.rows(), values.cols(), std::move(all));
        return;
    }
    std::vector<float> all(static_cast<std::size_t>(values.size()));
    std::transform(values.data(), values.data() + values.size(), all.begin(), [](T x) {
        return static_cast<float>(x);
    });
    values_ = makeRowSource(values.rows(), values.cols(), std::move(all));
}

template SolvedMatrix::SolvedMatrix(std::shared_ptr<const RowSource>, const Matrix<float>&);
template SolvedMatrix::SolvedMatrix(std::shared_ptr<const RowSource>, const Matrix<double>&);

std::vector<EquationLine> SolvedMatrix::explain(std::int64_t row, std::int64_t col) const {
    const auto place = static_cast<std::size_t>(col);
    std::vector<double> before(static_cast<std::size_t>(cols()));
    std::vector<double> after(before.size());
    if (!original_->read(row, 1, before.data()) || !values_->read(row, 1, after.data())) {
        return {};
    }
    const auto number = [](double value) { return BoardNumbers::text(value, 6); };
    std::vector<EquationLine> lines;
    lines.push_back({"weight", "before the step", number(before[place]), {}});
    if (after[place] != 0) {
        lines.push_back({"becomes",
                         joined({number(before[place]),
                                 after[place] < before[place] ? " - " : " + ",
                                 number(std::abs(after[place] - before[place]))}),
                         number(after[place]),
                         "moved to make up for the weights that were pruned"});
    }
    return lines;
}

StepOutput solvedOutput(const StepInput& input,
                        std::shared_ptr<const QuantizedMatrix> values,
                        std::shared_ptr<const BitMask> mask) {
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = input.storedBits;
    output.cost.overheadBits = 0;
    const std::int64_t weights = mask->rows() * mask->cols();
    output.cost.kept =
        weights > 0 ? static_cast<double>(mask->count()) / static_cast<double>(weights) : 1;
    output.cost.maskBits = 1;
    output.weights = std::make_shared<MaskedMatrix>(std::move(values), std::move(mask));
    return output;
}

}  // namespace loupe
