// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/experiment/experiment_spec.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace loupe::app {

/// A matrix with some elements replaced: flipped bits laid over a checkpoint that is never written.
/// raw() is empty, because the bytes in memory are no longer what is read.
class EditedRows final : public RowSource {
public:
    struct Patch {
        std::int64_t col = 0;
        double value = 0;
    };
    using Patches = std::map<std::int64_t, std::vector<Patch>>;

    EditedRows(std::shared_ptr<const RowSource> base, Patches patches)
        : m_base(std::move(base)), m_patches(std::move(patches)) {}

    [[nodiscard]] std::int64_t rows() const override { return m_base->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return m_base->cols(); }
    [[nodiscard]] bool isDouble() const override { return m_base->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    void release(std::int64_t first, std::int64_t count) const override {
        m_base->release(first, count);
    }

private:
    template <class T>
    [[nodiscard]] Result<void> readPatched(std::int64_t first, std::int64_t count, T* out) const;

    std::shared_ptr<const RowSource> m_base;
    Patches m_patches;
};

/// Index of an element in the stored tensor, which may lie transposed.
[[nodiscard]] inline std::int64_t storedIndex(const TensorInfo& tensor,
                                              std::int64_t row,
                                              std::int64_t col) {
    return tensor.transposed ? col * tensor.rows + row : row * tensor.cols + col;
}

/// `base` with the edits that concern `tensor`; `base` itself where there are none. Edits outside
/// of the tensor or with codes that its format does not have are left out.
[[nodiscard]] std::shared_ptr<const RowSource> withEdits(std::shared_ptr<const RowSource> base,
                                                         const TensorInfo& tensor,
                                                         std::span<const Edit> edits);

}  // namespace loupe::app
