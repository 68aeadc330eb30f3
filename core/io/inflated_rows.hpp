// SPDX-License-Identifier: Apache-2.0
// Compressed data read by rows in bounded memory.
#pragma once

#include "core/formats/storage_type.hpp"
#include "core/io/tensor_source.hpp"
#include "core/io/zip_archive.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace loupe {

/// A deflated member of a zip archive, readable at any place. Small ones (8 MiB) are inflated once
/// and kept; of larger ones at most 128 points to go on from are kept, 4 MiB together, so that a
/// read inflates at most 1/128 of the member before what it wants. Thread-safe; readers that go on
/// where they stopped inflate nothing twice.
class InflatedBytes {
public:
    /// Inflates the member once from start to end, keeping nothing but the points.
    /// @errors Damaged: not the size or checksum that the directory says
    [[nodiscard]] static Result<std::shared_ptr<const InflatedBytes>> open(
        std::shared_ptr<const MappedFile> file, const ZipMember& member);
    InflatedBytes(const InflatedBytes&) = delete;
    InflatedBytes& operator=(const InflatedBytes&) = delete;
    ~InflatedBytes();

    [[nodiscard]] std::uint64_t size() const noexcept;
    /// Copies [offset, offset + out.size()), which must lie inside.
    /// @errors Damaged, Unreadable: the file changed
    [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;

private:
    InflatedBytes();
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

/// Elements in compressed bytes.
struct InflatedElements {
    std::shared_ptr<const InflatedBytes> bytes;
    std::uint64_t start = 0;  ///< of the first element, in bytes
    const StorageType* type = nullptr;
    int swapWidth = 0;  ///< as StoredElements::swapWidth
};

/// The rows of a tensor that is stored row-major as applyLayout() described it. Memory: 1 MiB for
/// each reading thread; where the tensor is read transposed, 64 MiB, and one pass over the data for
/// each 64 MiB of the result.
[[nodiscard]] std::shared_ptr<const RowSource> inflatedRows(const TensorInfo& tensor,
                                                            InflatedElements elements);
/// As makeTransposedRows() of rows.hpp.
[[nodiscard]] std::shared_ptr<const RowSource> inflatedTransposedRows(
    InflatedElements elements,
    std::int64_t batches,
    std::int64_t storedRows,
    std::int64_t storedCols,
    std::vector<std::int64_t> columnOf = {});

}  // namespace loupe
