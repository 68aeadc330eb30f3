// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/bit_mask.hpp"
#include "core/scheme/forwarding_matrix.hpp"

namespace loupe {

/// A matrix with a mask laid over it: what a pruner returns, and what keeps an earlier mask after a
/// quantizer. Pruned weights read as exactly +0; codes, scales and levels are the base's. The codes
/// of pruned weights are the base's own and mean nothing: NAME.mask says which.
class MaskedMatrix final : public ForwardingMatrix {
public:
    /// `base` may be a QuantizedMatrix (its codes then show through) or plain rows.
    MaskedMatrix(std::shared_ptr<const RowSource> base, std::shared_ptr<const BitMask> mask);

    [[nodiscard]] const std::shared_ptr<const BitMask>& bits() const noexcept { return mask_; }

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    [[nodiscard]] bool hasMask() const override { return true; }
    [[nodiscard]] Result<void> mask(std::int64_t first,
                                    std::int64_t count,
                                    std::uint8_t* out) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    std::shared_ptr<const BitMask> mask_;
};

}  // namespace loupe
