// SPDX-License-Identifier: Apache-2.0
// Codes in the order of Marlin's tiles: 16 inputs by 64 outputs, as the fragments of a GPU's matrix
// instruction want them; dense, or (Marlin 2:4) two kept inputs of every four with an index of
// which.
#pragma once

#include "core/io/packed/packed.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace loupe::packed {

struct TileLayout {
    std::int64_t outputs = 0;
    std::int64_t inputs = 0;
    int bits = 4;
    std::int64_t groups = 1;  ///< of inputs, of one size
    bool sparse = false;      ///< 2:4
    /// Scales lie in the order of a matrix with several groups (else in that of one).
    bool groupedScales = false;
    std::string scheme;
    std::string title;
    std::string_view source;
};

struct TileParts {
    Part codes;
    Part scales;  ///< [groups, outputs], permuted
    Part meta;    ///< of 2:4: 16-bit words, four bits for every four inputs
};

/// Bit of the code of (output, kept input) in the stream of codes.
[[nodiscard]] std::int64_t tileCodeBit(const TileLayout& layout,
                                       std::int64_t output,
                                       std::int64_t input);
/// Element of the scale of (output, group).
[[nodiscard]] std::int64_t tileScaleAt(const TileLayout& layout,
                                       std::int64_t output,
                                       std::int64_t group);
/// 16-bit word of the indices of (output, input); its nibble input / 4 % 4 counts.
[[nodiscard]] std::int64_t tileMetaAt(const TileLayout& layout,
                                      std::int64_t output,
                                      std::int64_t input);

/// @errors Damaged where sides are no whole tiles or a part is shorter than the layout says
[[nodiscard]] Result<std::shared_ptr<const PackedMatrix>> makeTileMatrix(TileLayout layout,
                                                                         TileParts parts);

}  // namespace loupe::packed
