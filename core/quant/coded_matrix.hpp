// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/step.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe {

/// Weights on integer grids whose codes are kept, because no formula of one weight gives them
/// (GPTQ, SparseGPT, HQQ): w^ = scale · (code − zero point), in the weights' precision.
class CodedMatrix final : public QuantizedMatrix {
public:
    struct Parts {
        std::int64_t rows = 0;
        std::int64_t cols = 0;
        int bits = 4;           ///< 2 to 8; codes are in [−2^(bits−1), 2^(bits−1)−1]
        bool isDouble = false;  ///< the weights are FP64
        std::vector<std::int8_t> codes;  ///< [rows, cols]
        ScaleGrid scales;                ///< entryOf() finds a weight's scale
        ScaleGrid zeroPoints;            ///< empty values: none, the grid is symmetric
        bool realZeroPoints = false;
        /// The weights before the step, for explain(); may be null.
        std::shared_ptr<const RowSource> original;
        /// What the solver rounded at each weight, where it differs from `original`: [rows, cols]
        /// or empty. For explain().
        std::vector<float> rounded;
    };

    explicit CodedMatrix(Parts parts);

    [[nodiscard]] std::int64_t rows() const override { return parts_.rows; }
    [[nodiscard]] std::int64_t cols() const override { return parts_.cols; }
    [[nodiscard]] bool isDouble() const override { return parts_.isDouble; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override;
    [[nodiscard]] int codeBits() const override { return parts_.bits; }
    [[nodiscard]] const ScaleGrid* scales() const override { return &parts_.scales; }
    [[nodiscard]] const ScaleGrid* zeroPoints() const override {
        return parts_.zeroPoints.values.empty() ? nullptr : &parts_.zeroPoints;
    }
    [[nodiscard]] bool zeroPointsAreReal() const override { return parts_.realZeroPoints; }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;
    [[nodiscard]] const Parts& parts() const { return parts_; }

private:
    template <class T>
    void dequantize(std::int64_t first, std::int64_t count, T* out) const;
    [[nodiscard]] double zeroAt(std::size_t entry) const {
        return parts_.zeroPoints.values.empty() ? 0 : parts_.zeroPoints.values[entry];
    }
    [[nodiscard]] double valueOf(std::size_t entry, std::int64_t code) const;

    Parts parts_;
};

}  // namespace loupe
