// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "core/io/tensor_source.hpp"

namespace loupe {

/// How statistics read a source: which of the fast paths its bytes allow.
enum class ElementPath : std::uint8_t {
    Codes,   ///< stored bytes of at most 16 bits per element: count bit patterns
    Float,   ///< FP32 in memory, or anything that a float holds exactly
    Double,  ///< FP64, 32- and 64-bit integers
};

struct ElementReader {
    const RowSource* source = nullptr;
    std::optional<RawMatrix> raw;
    ElementPath path = ElementPath::Float;
    bool direct = false;  ///< raw bytes are little-endian float (Float) or double (Double) and need no decoding

    explicit ElementReader(const RowSource& from);

    /// Decodes rows [row, row + rows) x columns [col, col + cols) into out[rows·cols]; whole rows only, without raw bytes.
    [[nodiscard]] Result<void> read(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* out) const;
    [[nodiscard]] Result<void> read(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, double* out) const;
};

/// How a pass is cut into chunks; depends on the shape alone.
struct ChunkGrid {
    std::int64_t rowsPerChunk = 1;
    std::int64_t colsPerChunk = 1;
    std::int64_t colChunks = 1;
    std::int64_t chunks = 0;

    ChunkGrid(std::int64_t rows, std::int64_t cols, bool wholeRows);
    struct Place {
        std::int64_t row, rows, col, cols;
    };
    [[nodiscard]] Place place(std::int64_t chunk, std::int64_t rows, std::int64_t cols) const;
};

}  // namespace loupe
