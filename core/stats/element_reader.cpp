// SPDX-License-Identifier: Apache-2.0
#include "core/stats/element_reader.hpp"

#include <algorithm>
#include <bit>

#include "core/base/assert.hpp"

namespace loupe {

namespace {

constexpr std::int64_t kElementsPerChunk = std::int64_t{1} << 18;
constexpr std::int64_t kMostColumns = std::int64_t{1} << 16;
/// Partial column sums are merged one chunk at a time: enough rows that this costs little.
constexpr std::int64_t kLeastRows = 16;

template <class T>
Result<void> readTile(const ElementReader& reader, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, T* out) {
    const std::int64_t width = reader.source->cols();
    if (!reader.raw) {
        LOUPE_ASSERT(col == 0 && cols == width, "whole rows where the bytes are not at hand");
        return reader.source->read(row, rows, out);
    }
    if (cols == width) {
        decodeElements(*reader.raw->type, reader.raw->bytes, row * width, rows * width, out);
        return {};
    }
    for (std::int64_t r = 0; r < rows; ++r) {
        decodeElements(*reader.raw->type, reader.raw->bytes, (row + r) * width + col, cols, out + r * cols);
    }
    return {};
}

}  // namespace

ElementReader::ElementReader(const RowSource& from) : source(&from), raw(from.raw()) {
    path = from.isDouble() ? ElementPath::Double : ElementPath::Float;
    if (!raw) {
        return;
    }
    const StorageType& type = *raw->type;
    if (type.isComplex()) {
        path = type.bits > 64 ? ElementPath::Double : ElementPath::Float;
    } else if (type.bits <= 16) {
        path = ElementPath::Codes;
    } else if (type.id == "fp32" || type.id == "tf32") {
        path = ElementPath::Float;
        direct = type.id == "fp32" && std::endian::native == std::endian::little;
    } else {
        path = ElementPath::Double;
        direct = type.id == "fp64" && std::endian::native == std::endian::little;
    }
}

Result<void> ElementReader::read(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* out) const {
    return readTile(*this, row, rows, col, cols, out);
}

Result<void> ElementReader::read(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, double* out) const {
    return readTile(*this, row, rows, col, cols, out);
}

ChunkGrid::ChunkGrid(std::int64_t rows, std::int64_t cols, bool wholeRows) {
    if (rows <= 0 || cols <= 0) {
        return;
    }
    colsPerChunk = wholeRows ? cols : std::min(cols, kMostColumns);
    // A tall chunk of few columns, or a few rows of many; a multiple of the kernels' strips.
    rowsPerChunk = std::max(wholeRows ? 1 : kLeastRows, kElementsPerChunk / colsPerChunk);
    rowsPerChunk = rowsPerChunk > 8 ? rowsPerChunk / 8 * 8 : rowsPerChunk;
    colChunks = (cols + colsPerChunk - 1) / colsPerChunk;
    chunks = (rows + rowsPerChunk - 1) / rowsPerChunk * colChunks;
}

ChunkGrid::Place ChunkGrid::place(std::int64_t chunk, std::int64_t rows, std::int64_t cols) const {
    const std::int64_t row = chunk / colChunks * rowsPerChunk;
    const std::int64_t col = chunk % colChunks * colsPerChunk;
    return {row, std::min(rowsPerChunk, rows - row), col, std::min(colsPerChunk, cols - col)};
}

}  // namespace loupe
