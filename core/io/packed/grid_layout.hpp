// SPDX-License-Identifier: Apache-2.0
// Codes that lie row after row [out, in], with scales on a grid of blocks: most schemes.
#pragma once

#include "core/io/packed/packed.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::packed {

/// How zero points (or biases) of the blocks are stored.
enum class ZeroKind : std::uint8_t {
    None,
    Elements,     ///< one number for each block, as the scales lie
    AlongBlocks,  ///< packed in words along a row of blocks
    AlongRows,    ///< packed in words along the rows (compressed-tensors)
    Bias,         ///< a number that is added after scaling (MLX)
};

struct GridLayout {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    int bits = 8;
    std::int64_t rowBytes = 0;      ///< of codes (of a pair of rows)
    std::int64_t codesPerWord = 0;  ///< > 0: so many codes in each 32-bit word, its top bits unused
    bool pairedRows = false;        ///< a byte holds codes of two rows, the even one's low
    std::vector<float> values;      ///< of each code
    std::int64_t blockRows = 1;
    std::int64_t blockCols = 1;
    std::int64_t scaleCols = 1;  ///< scales in a row of blocks, as stored (may be padded)
    ZeroKind zero = ZeroKind::None;
    std::int64_t zeroWords = 0;         ///< words in a row (AlongBlocks)
    std::int64_t zeroCodesPerWord = 0;  ///< as codesPerWord
    int zeroOffset = 0;                 ///< subtracted from a stored zero point
    std::shared_ptr<const std::vector<std::int32_t>> groupOf;  ///< null or empty: col / blockCols
    bool divide = false;  ///< by the tensor's scale; else multiply
    float after = 1;      ///< factor after scaling
    std::string afterText;
    Result16 result = Result16::Fp32;  ///< what the product is rounded to
    bool innerRounding = false;        ///< round q − z, and q · scale before a bias, as well
    std::string scheme;
    std::string title;
    std::string_view source;
};

struct GridParts {
    Part codes;
    Part scales;
    Part zeros;         ///< or none
    Part tensorScales;  ///< or none: one for the tensor, or for each of as many equal stacks
};

/// Values of every code of an n-bit integer that is stored with `offset` added.
[[nodiscard]] std::vector<float> offsetValues(int bits, std::int64_t offset);
/// Values of every code of a format of at most 8 bits.
[[nodiscard]] std::vector<float> formatValues(std::string_view format);

/// Which stored tensors the parts of a grid are.
struct GridNames {
    std::size_t codes = 0;
    std::size_t scales = 0;
    std::optional<std::size_t> zeros;
    std::optional<std::size_t> tensorScales;
    std::optional<std::size_t> groupIndex;
    std::string_view scalesAs;  ///< "e8m0", "fp8_e4m3": how bytes of scales are read
};
/// What opens the parts later.
[[nodiscard]] OpenMatrix openGrid(GridLayout layout, GridNames names);

/// What the layout says of groups and zero points.
void describeGroups(const GridLayout& layout, Found& found);

/// @errors Damaged where a part is shorter than the layout says
[[nodiscard]] Result<std::shared_ptr<const PackedMatrix>> makeGridMatrix(GridLayout layout,
                                                                         GridParts parts);

}  // namespace loupe::packed
