// SPDX-License-Identifier: Apache-2.0
// Packed block formats: a fixed number of elements in a fixed number of bytes, as ggml and the MX
// formats store weights. One file and one line in blocks.def per format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// What a field of a block, or a part of an element, is for; views colour by it.
enum class BlockRole : std::uint8_t {
    Scale,      ///< multiplies the whole block
    Minimum,    ///< is subtracted from (or added to) the whole block
    SubScales,  ///< scales (and minima) of parts of the block, themselves packed
    Codes,      ///< the elements' codes, or their low bits
    HighBits,   ///< further bits of the codes
    Signs,      ///< signs of groups of elements
    Grid,       ///< indices into a codebook of vectors
    ZeroPoint,  ///< the code that means zero
    Sums,       ///< sums kept for dot products; no element needs them
};

/// One member of a block's struct, in the order of the bytes.
struct BlockField {
    std::string_view name;  ///< as in the format's own definition: "d", "qs", "scales"
    int offset = 0;         ///< bytes from the block's start
    int bytes = 0;
    BlockRole role = BlockRole::Codes;
    std::string_view meaning;  ///< one short sentence
};

/// Bits [bit, bit + width) of one byte give bits [shift, shift + width) of a figure.
struct BitRun {
    std::int64_t byte = 0;  ///< from the block's start (or in BlockView::bytes)
    int bit = 0;            ///< lowest bit, 0 to 7
    int width = 0;
    int shift = 0;
};

/// A figure of the equation of one element, and the bits that it is made of.
struct BlockPart {
    std::string name;  ///< "q", "d", "scale 3", "min 3", "zero"
    BlockRole role = BlockRole::Codes;
    std::vector<BitRun> bits;
    std::uint64_t code = 0;  ///< those bits put together
    double value = 0;        ///< what they mean in the equation
};

/// One element of a block taken apart.
struct BlockElement {
    std::vector<BlockPart> parts;  ///< every bit that this element depends on, once
    std::string formula;           ///< with names: "(d · sc) · q − dmin · m"
    std::string equation;  ///< with this element's numbers: "(0.0625 · 13) · 7 − 0.03125 · 2"
    double value = 0;      ///< exactly what unpack gives
};

/// One block format as data and functions.
struct BlockLayout {
    std::string_view id;       ///< contract name: "q4_k", "ggml_mxfp4", "mxfp4", "nvfp4"
    std::string_view title;    ///< for people: "Q4_K"
    std::string_view source;   ///< document and section
    std::string_view summary;  ///< one sentence: what it is used for
    std::optional<std::uint32_t>
        ggmlType;                        ///< id of the type in GGUF files; empty: not one of ggml's
    int elements = 0;                    ///< per block
    int bytes = 0;                       ///< per block
    int codeBits = 0;                    ///< of one element's code, scales not counted
    std::span<const BlockField> fields;  ///< cover the bytes without gap or overlap
    /// Decodes `count` whole blocks. FP32 in the order of the format's definition; no NaN check.
    void (*unpack)(const std::byte* blocks, std::int64_t count, float* out) = nullptr;
    /// Encodes `count` whole blocks of finite values as the format's reference quantizer does,
    /// without an importance matrix. Null: only decoded.
    void (*pack)(const float* values, std::int64_t count, std::byte* blocks) = nullptr;
    /// Takes element `index` of a block apart.
    BlockElement (*element)(const std::byte* block, int index) = nullptr;
    /// Why a block is not valid (a scale that is infinite or NaN), or empty.
    std::string (*check)(const std::byte* block) = nullptr;

    /// Stored bits for each element, scales included: 8·bytes / elements.
    [[nodiscard]] double bitsPerWeight() const { return 8.0 * bytes / elements; }
};

/// Every block format, in the order of blocks.def.
[[nodiscard]] std::span<const BlockLayout* const> allBlockLayouts();
/// By contract name; nullptr if there is none.
[[nodiscard]] const BlockLayout* findBlockLayout(std::string_view id);
/// By the number that GGUF files use; nullptr if it is not a block format that is known here.
[[nodiscard]] const BlockLayout* findGgmlBlock(std::uint32_t type);

/// The code that these bits of `bytes` make.
[[nodiscard]] std::uint64_t gatherBits(std::span<const std::byte> bytes,
                                       std::span<const BitRun> bits);

}  // namespace loupe
