// SPDX-License-Identifier: Apache-2.0
// What the files of block formats share: reading little-endian fields and naming bits.
#pragma once

#include "core/blocks/block_layout.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace loupe::blocks {

/// A struct read from its bytes, wherever they lie.
template <typename Block>
[[nodiscard]] Block load(const std::byte* from) {
    Block block;
    std::memcpy(&block, from, sizeof(Block));
    return block;
}

/// FP16 bits as float, exactly.
[[nodiscard]] float halfToFloat(std::uint16_t bits);
/// Nearest FP16, ties to even; overflow gives infinity.
[[nodiscard]] std::uint16_t floatToHalf(float value);

/// The bits of a whole little-endian field.
[[nodiscard]] std::vector<BitRun> wholeBytes(int offset, int bytes);

/// A part whose code is read from the block.
[[nodiscard]] BlockPart part(std::string name,
                             BlockRole role,
                             std::vector<BitRun> bits,
                             const std::byte* block,
                             int blockBytes,
                             double value);

/// "found d = inf", or empty for a finite scale.
[[nodiscard]] std::string checkHalf(std::uint16_t bits, const char* name);

}  // namespace loupe::blocks
