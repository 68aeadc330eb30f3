// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/layout.hpp"
#include "core/io/rows.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace loupe {

/// Where the elements of a tensor lie in a run of stored elements, all counted in elements: the
/// first one, and how far one step along each dimension goes (0: the same element again).
struct StridedPlace {
    std::int64_t start = 0;
    std::vector<std::int64_t> sizes;
    std::vector<std::int64_t> strides;
};

/// Elements from the first to the last that the place touches; 0 where it has none, empty where a
/// number is negative or the sum exceeds 2^62.
[[nodiscard]] std::optional<std::int64_t> stridedExtent(const StridedPlace& place);
/// Do the elements follow each other as in a C array?
[[nodiscard]] bool isContiguous(const StridedPlace& place);

/// The matrix that `tensor` (rows, cols and transposed as applyLayout() filled them in) is of
/// elements that lie at any strides; contiguous ones are read as layoutRows() does, and have raw().
/// Reads take blocks of 128 × 32 elements where columns are far apart; no memory beyond that.
/// Element types of whole bytes only, unless contiguous and from the run's start.
[[nodiscard]] std::shared_ptr<const RowSource> makeStridedRows(const TensorInfo& tensor,
                                                               StoredElements elements,
                                                               const StridedPlace& place);

}  // namespace loupe
