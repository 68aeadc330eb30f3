// SPDX-License-Identifier: Apache-2.0
// What the sources of rows share, wherever their bytes lie.
#pragma once

#include "core/base/assert.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace loupe {

/// A source that decodes to both precisions by one template: `Derived` has
/// `template <class T> Result<void> readAs(first, count, T* out) const`, which is called with rows
/// that lie in the matrix.
template <class Derived>
class TypedRows : public RowSource {
public:
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return readChecked(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return readChecked(first, count, out);
    }

private:
    template <class T>
    Result<void> readChecked(std::int64_t first, std::int64_t count, T* out) const {
        LOUPE_ASSERT(first >= 0 && count >= 0 && first <= rows() - count, "rows lie in the matrix");
        return static_cast<const Derived*>(this)->readAs(first, count, out);
    }
};

/// `batches` matrices, each stored as [rows, cols] and read transposed: [batches·cols, rows].
struct TransposedStack {
    std::int64_t batches = 1;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    /// Which column of the result a stored row becomes; empty: its own number.
    std::vector<std::int64_t> columnOf{};

    [[nodiscard]] std::int64_t resultRows() const { return batches * cols; }
    [[nodiscard]] std::int64_t column(std::int64_t storedRow) const {
        return columnOf.empty() ? storedRow : columnOf[static_cast<std::size_t>(storedRow)];
    }
    /// Index of the first element of a stored row.
    [[nodiscard]] std::int64_t start(std::int64_t batch, std::int64_t storedRow) const {
        return (batch * rows + storedRow) * cols;
    }
};

}  // namespace loupe
