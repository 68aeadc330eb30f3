// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/step.hpp"

#include <memory>

namespace loupe {

/// A matrix of a rotated basis seen in the original one: each row v reads as vQ'. Codes, scales and
/// mask are those of the rotated basis, which is what would be stored.
class RotatedBack final : public QuantizedMatrix {
public:
    /// `base` may be a QuantizedMatrix (its codes then show through) or plain rows.
    RotatedBack(std::shared_ptr<const RowSource> base,
                std::shared_ptr<const InputRotation> rotation);

    [[nodiscard]] std::int64_t rows() const override { return base_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return base_->cols(); }
    [[nodiscard]] bool isDouble() const override { return base_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    void release(std::int64_t first, std::int64_t count) const override;
    [[nodiscard]] bool hasCodes() const override;
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override;
    [[nodiscard]] int codeBits() const override;
    [[nodiscard]] bool codesUnsigned() const override;
    [[nodiscard]] const ScaleGrid* scales() const override;
    [[nodiscard]] const ScaleGrid* zeroPoints() const override;
    [[nodiscard]] bool hasMask() const override;
    [[nodiscard]] Result<void> mask(std::int64_t first,
                                    std::int64_t count,
                                    std::uint8_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;
    [[nodiscard]] std::span<const double> channelScale() const override;

private:
    std::shared_ptr<const RowSource> base_;
    const QuantizedMatrix* quantized_;  ///< base_ as such, or null
    std::shared_ptr<const InputRotation> rotation_;
};

}  // namespace loupe
