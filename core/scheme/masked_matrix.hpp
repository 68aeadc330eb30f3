// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/bit_mask.hpp"
#include "core/scheme/step.hpp"

#include <memory>

namespace loupe {

/// A matrix with a mask laid over it: what a pruner returns, and what keeps an earlier mask after a
/// quantizer. Pruned weights read as exactly +0; codes, scales and levels are the base's. The codes
/// of pruned weights are the base's own and mean nothing: NAME.mask says which.
class MaskedMatrix final : public QuantizedMatrix {
public:
    /// `base` may be a QuantizedMatrix (its codes then show through) or plain rows.
    MaskedMatrix(std::shared_ptr<const RowSource> base, std::shared_ptr<const BitMask> mask);

    [[nodiscard]] const std::shared_ptr<const BitMask>& bits() const noexcept { return mask_; }
    [[nodiscard]] const std::shared_ptr<const RowSource>& base() const noexcept { return base_; }

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
    [[nodiscard]] bool hasMask() const override { return true; }
    [[nodiscard]] Result<void> mask(std::int64_t first,
                                    std::int64_t count,
                                    std::uint8_t* out) const override;
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::optional<std::pair<double, double>> clipInterval(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;
    [[nodiscard]] std::span<const double> channelScale() const override;

private:
    std::shared_ptr<const RowSource> base_;
    const QuantizedMatrix* quantized_;  ///< base_ as such, or null
    std::shared_ptr<const BitMask> mask_;
};

}  // namespace loupe
