// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/layout.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// What a reader gathers while it lists tensors of one or several files.
struct Listing {
    SourceInfo info;
    std::vector<TensorInfo> tensors;
    std::vector<std::shared_ptr<const MappedFile>>
        files;  ///< parallel to info.files; null: missing
    /// Of files that are read by a source of their own (PyTorch shards), parallel to them and null
    /// for others; empty: none is. Their tensors keep their names.
    std::vector<std::shared_ptr<const TensorSource>> sources{};
    std::vector<bool> bigEndian{};  ///< of the files' numbers, parallel to them; empty: none is
};

/// Index of the first tensor whose name occurred before, if any. O(n) by hashing.
[[nodiscard]] std::optional<std::size_t> firstDuplicate(const std::vector<TensorInfo>& tensors);

/// Finishes a listing: matrix shapes by layout, totals; tensors stored row-major in mapped files.
[[nodiscard]] std::shared_ptr<const TensorSource> makeStoredSource(Listing listing,
                                                                   Layout layout,
                                                                   const ModelConfig& config);

/// Totals of parameters and bytes into info, saturating.
void addTotals(SourceInfo& info, std::span<const TensorInfo> tensors);

}  // namespace loupe
