// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/edited_rows.hpp"

#include "core/formats/codec.hpp"

namespace loupe::app {

template <class T>
Result<void> EditedRows::readPatched(std::int64_t first, std::int64_t count, T* out) const {
    if (Result<void> done = m_base->read(first, count, out); !done) {
        return done;
    }
    for (auto it = m_patches.lower_bound(first); it != m_patches.end() && it->first < first + count;
         ++it) {
        T* row = out + (it->first - first) * cols();
        for (const Patch& patch : it->second) {
            row[patch.col] = static_cast<T>(patch.value);
        }
    }
    return {};
}

Result<void> EditedRows::read(std::int64_t first, std::int64_t count, float* out) const {
    return readPatched(first, count, out);
}

Result<void> EditedRows::read(std::int64_t first, std::int64_t count, double* out) const {
    return readPatched(first, count, out);
}

std::shared_ptr<const RowSource> withEdits(std::shared_ptr<const RowSource> base,
                                           const TensorInfo& tensor,
                                           std::span<const Edit> edits) {
    const NumberFormat* format = tensor.type != nullptr ? tensor.type->format : nullptr;
    if (!base || format == nullptr) {
        return base;
    }
    const std::int64_t stride = tensor.transposed ? tensor.rows : tensor.cols;
    EditedRows::Patches patches;
    for (const Edit& edit : edits) {
        const bool fits = format->bits >= 64 || (edit.code >> format->bits) == 0;
        if (edit.tensor != tensor.name || edit.index < 0 ||
            edit.index >= tensor.rows * tensor.cols || !fits) {
            continue;
        }
        const std::int64_t major = edit.index / stride;
        const std::int64_t minor = edit.index % stride;
        const std::int64_t row = tensor.transposed ? minor : major;
        const std::int64_t col = tensor.transposed ? major : minor;
        patches[row].push_back({col, decode(*format, edit.code)});
    }
    return patches.empty() ? base
                           : std::make_shared<EditedRows>(std::move(base), std::move(patches));
}

}  // namespace loupe::app
