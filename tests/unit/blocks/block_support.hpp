// SPDX-License-Identifier: Apache-2.0
// Random blocks of every format.
#pragma once

#include "core/blocks/block_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace loupe::test {

/// Random bytes with scales that checkpoints could have: finite, not zero, some subnormal.
[[nodiscard]] std::vector<std::byte> tameBlock(const BlockLayout& layout, std::uint64_t seed);
/// Random bytes throughout: scales may be infinite or NaN.
[[nodiscard]] std::vector<std::byte> wildBlock(const BlockLayout& layout, std::uint64_t seed);
[[nodiscard]] std::vector<float> unpackBlocks(const BlockLayout& layout,
                                              const std::vector<std::byte>& blocks);

/// Bytes that make a block invalid, and what its check must name.
struct Poison {
    std::int64_t offset = 0;
    std::vector<std::byte> bytes;
    std::string name;
};
[[nodiscard]] std::vector<Poison> poisons(const BlockLayout& layout);

}  // namespace loupe::test
