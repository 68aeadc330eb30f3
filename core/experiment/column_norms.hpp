// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"

#include <memory>
#include <vector>

namespace loupe {

/// What an importance matrix knows of a layer's inputs: only how large each one is. Read as
/// activations it is the one row sqrt(sum of squares) of each input, which has the column norms
/// ||X_j||_2 of the real ones (up to the one factor that the file leaves open) and nothing else of
/// them: neither their products nor their extremes, and no output to compare.
class ColumnNorms final : public RowSource {
public:
    /// @param squares sum of squares of each input
    explicit ColumnNorms(const std::vector<double>& squares);
    [[nodiscard]] std::int64_t rows() const override { return 1; }
    [[nodiscard]] std::int64_t cols() const override {
        return static_cast<std::int64_t>(norms_.size());
    }
    [[nodiscard]] bool isDouble() const override { return true; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;

private:
    std::vector<double> norms_;
};

/// Are these activations only column norms?
[[nodiscard]] bool isColumnNorms(const RowSource* activations);

}  // namespace loupe
