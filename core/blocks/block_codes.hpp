// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/blocks/block_layout.hpp"

#include <cstdint>
#include <optional>

namespace loupe {

/// How many codes of one element are finite, both zeros counted; empty where elements have no code
/// of their own but share an index into a codebook of vectors.
[[nodiscard]] std::optional<std::uint64_t> finiteCodes(const BlockLayout& layout);

}  // namespace loupe
