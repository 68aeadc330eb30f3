// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe {

/// A run of elements in a file. `bytes` is checked against type and count by whoever makes one.
struct StoredElements {
    std::shared_ptr<const MappedFile> file;
    std::uint64_t offset = 0;  ///< in bytes, from the file's start
    std::uint64_t bytes = 0;
    const StorageType* type = nullptr;
    /// > 1: big-endian words of so many bytes; in blocks, every word that their layout has.
    int swapWidth = 0;
    const BlockLayout* block = nullptr;  ///< stored in blocks instead of elements of `type`
};

/// Are values of this type read as double (64-bit types)?
[[nodiscard]] bool isDoubleType(const StorageType& type);

/// Values of elements [first, first + count), which must lie in the run.
void decodeStored(const StoredElements& elements,
                  std::int64_t first,
                  std::int64_t count,
                  float* out);
void decodeStored(const StoredElements& elements,
                  std::int64_t first,
                  std::int64_t count,
                  double* out);

/// A matrix stored row after row.
[[nodiscard]] std::shared_ptr<const RowSource> makeStoredRows(StoredElements elements,
                                                              std::int64_t rows,
                                                              std::int64_t cols);

/// `batches` matrices, each stored as [storedRows, storedCols], read transposed:
/// [batches·storedCols, storedRows]. Reads go through small tiles, so that n rows cost about n/16
/// passes over the stored matrix's cache lines, not n. `columnOf` (or empty): which column of the
/// result stored row s becomes; for column-major arrays of rank 3 and more.
[[nodiscard]] std::shared_ptr<const RowSource> makeTransposedRows(
    StoredElements elements,
    std::int64_t batches,
    std::int64_t storedRows,
    std::int64_t storedCols,
    std::vector<std::int64_t> columnOf = {});

}  // namespace loupe
