// SPDX-License-Identifier: Apache-2.0
// What the block microscope shows: where the bits of one weight lie in its files, and what becomes
// of them. Filled by whatever knows the layout: a block format, a packed checkpoint scheme, a plain
// float.
#pragma once

#include "core/base/result.hpp"
#include "core/blocks/block_layout.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// A run of bytes of a file that belongs to the block. The runs' bytes, one after the other, are
/// BlockView::bytes.
struct BlockSpan {
    std::string tensor;        ///< stored tensor that the bytes belong to
    int file = 0;              ///< index into SourceInfo::files
    std::uint64_t offset = 0;  ///< from the file's start
    std::int64_t bytes = 0;
};

/// A named stretch of BlockView::bytes, drawn in the colour of its role.
struct BlockViewField {
    std::string name;
    std::string meaning;
    BlockRole role = BlockRole::Codes;
    std::int64_t begin = 0;  ///< into BlockView::bytes
    std::int64_t bytes = 0;
};

/// The block (or the element, or the group) that holds one weight.
struct BlockView {
    std::string layout;  ///< "q4_k", "gptq", "fp16"
    std::string title;   ///< for people
    std::string source;  ///< where the layout is defined
    std::vector<BlockSpan> spans;
    std::vector<std::byte> bytes;
    std::vector<BlockViewField> fields;
    /// Where each element of the block lies in the matrix [out, in].
    std::vector<std::pair<std::int64_t, std::int64_t>> cells;
    std::int64_t element = 0;  ///< index into cells of the weight that was asked for
    double bitsPerWeight = 0;  ///< stored, scales included
    /// The values of all elements as these bytes decode (of bytes.size() bytes): for bits flipped
    /// by hand.
    std::function<std::vector<double>(std::span<const std::byte> bytes)> decode;
    /// Takes one element apart; BitRun::byte counts in `bytes`.
    std::function<BlockElement(std::span<const std::byte> bytes, std::int64_t element)> explain;
};

}  // namespace loupe
