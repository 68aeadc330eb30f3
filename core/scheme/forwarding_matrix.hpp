// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/step.hpp"

#include <memory>

namespace loupe {

/// A matrix laid over another: answers every question with the base's answer, or, over plain rows,
/// as a matrix without codes does. What a layer changes it overrides.
class ForwardingMatrix : public QuantizedMatrix {
public:
    explicit ForwardingMatrix(std::shared_ptr<const RowSource> base);

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
    [[nodiscard]] bool zeroPointsAreReal() const override;
    [[nodiscard]] bool hasMask() const override;
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
    [[nodiscard]] const BlockLayout* packedLayout() const override;
    [[nodiscard]] Result<void> packed(std::int64_t first,
                                      std::int64_t count,
                                      std::byte* out) const override;
    [[nodiscard]] std::span<const double> channelScale() const override;

protected:
    /// The base as a quantized matrix; null over plain rows.
    [[nodiscard]] const QuantizedMatrix* quantizedBase() const noexcept { return quantized_; }

private:
    std::shared_ptr<const RowSource> base_;
    const QuantizedMatrix* quantized_;
};

}  // namespace loupe
