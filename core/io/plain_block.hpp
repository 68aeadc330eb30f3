// SPDX-License-Identifier: Apache-2.0
// Where one weight of rows that are stored as they are lies in its file: plain elements and block
// formats.
#pragma once

#include "core/io/rows.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace loupe {

/// Rows whose elements lie in a file as they are. A RowSource that is one also inherits this;
/// TensorSource::block() asks for it.
class StoredPlaces {
public:
    virtual ~StoredPlaces() = default;
    [[nodiscard]] virtual const StoredElements& elements() const = 0;
    /// How many elements there are.
    [[nodiscard]] virtual std::int64_t count() const = 0;
    /// So many elements follow one another in one row of the file.
    [[nodiscard]] virtual std::int64_t storedRowLength() const = 0;
    /// Position among the elements of (row, col) of the matrix, and the way back.
    [[nodiscard]] virtual std::int64_t indexOf(std::int64_t row, std::int64_t col) const = 0;
    [[nodiscard]] virtual std::pair<std::int64_t, std::int64_t> cellOf(
        std::int64_t index) const = 0;

protected:
    StoredPlaces() = default;
    StoredPlaces(const StoredPlaces&) = default;
    StoredPlaces& operator=(const StoredPlaces&) = default;
};

/// The block that holds the weight at (row, col) of the tensor's matrix `rows`. Of plain elements
/// the "block" is the weight's 16 neighbours in the file, aligned, cut at the end of a stored row.
/// `path` is for errors only.
/// @errors the tensor's problem; Invalid outside of the matrix; Unsupported where the bytes do not
/// lie in a file as they are; Damaged where the file has become shorter
[[nodiscard]] Result<BlockView> storedBlock(const TensorInfo& tensor,
                                            const RowSource& rows,
                                            std::int64_t row,
                                            std::int64_t col,
                                            const std::string& path);

/// Why the microscope has nothing to show of compressed, text and generated data.
[[nodiscard]] Error notInFile(const TensorInfo& tensor, const std::string& path);

}  // namespace loupe
