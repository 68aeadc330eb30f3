// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"
#include "core/scheme/bit_mask.hpp"
#include "core/scheme/step.hpp"

#include <memory>
#include <vector>

namespace loupe {

/// Weights that a solver moved, kept beside those that it was given: no formula of one weight gives
/// them. In the precision of the original.
class SolvedMatrix final : public QuantizedMatrix {
public:
    /// `values` [rows, cols] are rounded to float unless the original is double.
    template <class T>
    SolvedMatrix(std::shared_ptr<const RowSource> original, const Matrix<T>& values);

    [[nodiscard]] std::int64_t rows() const override { return values_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return values_->cols(); }
    [[nodiscard]] bool isDouble() const override { return values_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return values_->read(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return values_->read(first, count, out);
    }
    /// What the weight was and how far the updates moved it.
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    std::shared_ptr<const RowSource> original_;
    std::shared_ptr<const RowSource> values_;
};

/// The output of a solver that prunes and moves weights: `values` under `mask`. The values of an
/// earlier quantizer are off its grid now, so that kept weights cost what the stored ones do.
[[nodiscard]] StepOutput solvedOutput(const StepInput& input,
                                      std::shared_ptr<const QuantizedMatrix> values,
                                      std::shared_ptr<const BitMask> mask);

}  // namespace loupe
