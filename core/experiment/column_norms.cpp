// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/column_norms.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

ColumnNorms::ColumnNorms(const std::vector<double>& squares) : norms_(squares.size()) {
    std::transform(squares.begin(), squares.end(), norms_.begin(), [](double square) {
        return std::sqrt(square);
    });
}

Result<void> ColumnNorms::read(std::int64_t /*first*/, std::int64_t count, float* out) const {
    if (count > 0) {
        std::transform(norms_.begin(), norms_.end(), out, [](double norm) {
            return static_cast<float>(norm);
        });
    }
    return {};
}

Result<void> ColumnNorms::read(std::int64_t /*first*/, std::int64_t count, double* out) const {
    if (count > 0) {
        std::copy(norms_.begin(), norms_.end(), out);
    }
    return {};
}

bool isColumnNorms(const RowSource* activations) {
    return dynamic_cast<const ColumnNorms*>(activations) != nullptr;
}

}  // namespace loupe
