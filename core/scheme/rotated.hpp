// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/forwarding_matrix.hpp"

namespace loupe {

/// A matrix of a rotated basis seen in the original one: each row v reads as vQ'. Codes, scales and
/// mask are those of the rotated basis, which is what would be stored. Levels and clipping bounds
/// are not shown: a weight of the original basis has none of its own.
class RotatedBack final : public ForwardingMatrix {
public:
    /// `base` may be a QuantizedMatrix (its codes then show through) or plain rows.
    RotatedBack(std::shared_ptr<const RowSource> base,
                std::shared_ptr<const InputRotation> rotation)
        : ForwardingMatrix(std::move(base)), rotation_(std::move(rotation)) {}

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    [[nodiscard]] std::vector<Level> levels(std::int64_t, std::int64_t) const override {
        return {};
    }
    [[nodiscard]] std::optional<std::pair<double, double>> clipInterval(
        std::int64_t, std::int64_t) const override {
        return std::nullopt;
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    std::shared_ptr<const InputRotation> rotation_;
};

}  // namespace loupe
