// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/inflated_rows.hpp"
#include "core/io/layout.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace loupe {

/// Where a .npy array lies: a file, or a member of an archive.
struct NpyPlace {
    const MappedFile& file;
    std::uint64_t begin = 0;    ///< of the array's magic, in the file
    std::uint64_t size = 0;     ///< of header and data
    std::uint64_t present = 0;  ///< so many of them can be read; less where a member is compressed
};

/// What a .npy header says.
struct NpyArray {
    TensorInfo tensor;            ///< without offset and layout
    std::uint64_t dataStart = 0;  ///< from the array's magic
    bool fortranOrder = false;
    int swapWidth = 0;  ///< as StoredElements::swapWidth
    std::string version;
    std::string descr;
};

/// Reads a header. Where dataStart is larger than what is present, nothing else is known yet.
/// @errors Damaged, Unsupported: naming file, offset, what was expected and found
[[nodiscard]] Result<NpyArray> readNpyArray(const NpyPlace& place, std::string name);
/// Fills in rows, cols and transposed.
void layOutNpy(NpyArray& array, Layout layout, const ModelConfig& config);
/// The rows of an array whose data begin at `offset` of `file`.
[[nodiscard]] Result<std::shared_ptr<const RowSource>> npyRows(
    const NpyArray& array, const std::shared_ptr<const MappedFile>& file, std::uint64_t offset);

/// The same where the array is compressed; its own byte order counts, not that of `elements`.
[[nodiscard]] Result<std::shared_ptr<const RowSource>> npyRows(const NpyArray& array,
                                                               InflatedElements elements);

}  // namespace loupe
