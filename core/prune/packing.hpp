// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/scheme/bit_mask.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace loupe {

/// How a pruned matrix lies in memory (spec/algorithms.md 6.6).
enum class SparseLayout : std::uint8_t {
    Dense,    ///< every value, zeros too
    Bitmask,  ///< kept values, one bit per weight
    Csr16,    ///< kept values, a 16-bit column index each, a 32-bit end for each row
    Csr32,    ///< the same with 32-bit indices
    Pattern,  ///< N values of every M, and the place of each within its group
};

/// N of every M neighbours of a row.
struct SparsePattern {
    std::int64_t keep = 2;
    std::int64_t block = 4;
};

/// Bits of a place within a group of M: 2 for M = 4, 3 for M = 8.
[[nodiscard]] int placeBitCount(std::int64_t block);
/// "01" for the second of four.
[[nodiscard]] std::string placeBits(std::int64_t place, std::int64_t block);
/// Does every group of M keep at most N? A last group of m < M may keep min(N, m).
[[nodiscard]] bool followsPattern(const BitMask& mask, const SparsePattern& pattern);
/// Places that a row stores: min(N, m) for each group of m.
[[nodiscard]] std::int64_t storedPerRow(std::int64_t cols, const SparsePattern& pattern);
/// The place of each stored weight within its group, [rows, storedPerRow]: kept ones in order, then
/// free places where a group keeps fewer than N. 0 from column `upTo` on.
/// The mask must follow the pattern.
[[nodiscard]] Matrix<double> metadataPlaces(const BitMask& mask,
                                            const SparsePattern& pattern,
                                            std::int64_t upTo);

/// Values of b bits each (codes, or the bits of floats) under a mask, in their layout. Streams are
/// packed least significant bit first and end at a full byte.
struct PackedMatrix {
    SparseLayout layout = SparseLayout::Dense;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    int valueBits = 16;
    SparsePattern pattern{};             ///< of SparseLayout::Pattern
    std::vector<std::uint8_t> values;    ///< stored values, rows in order
    std::vector<std::uint8_t> index;     ///< bits of the mask, column indices, or places
    std::vector<std::uint32_t> rowEnds;  ///< CSR: stored values up to the end of each row
    std::uint64_t valueStreamBits = 0;   ///< before padding to a byte
    std::uint64_t indexStreamBits = 0;

    [[nodiscard]] std::uint64_t bits() const {
        return valueStreamBits + indexStreamBits + 32 * rowEnds.size();
    }
    /// Stored bits over all weights of the matrix, pruned ones too.
    [[nodiscard]] double bitsPerWeight() const {
        return rows * cols > 0 ? static_cast<double>(bits()) / static_cast<double>(rows * cols) : 0;
    }
};

/// Packs `values` [rows·cols], of which only the lowest `valueBits` (1 to 32) bits are stored.
/// @errors Invalid: columns that do not fit into 16 bits, more kept values than a 32-bit end can
///         count, or a mask that breaks the pattern
[[nodiscard]] Result<PackedMatrix> pack(SparseLayout layout,
                                        const BitMask& mask,
                                        const std::vector<std::uint32_t>& values,
                                        int valueBits,
                                        const SparsePattern& pattern = {});

/// The matrix again: pruned values are 0. @errors Invalid: streams too short, an index outside of
/// the matrix, rows that end before they begin
[[nodiscard]] Result<std::vector<std::uint32_t>> unpack(const PackedMatrix& packed);

}  // namespace loupe
