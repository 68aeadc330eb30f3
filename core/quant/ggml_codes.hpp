// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/blocks/block_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loupe {

/// What a step needs to know of ggml's block types beyond their layout.
struct GgmlCodes {
    std::string_view id;   ///< of the layout
    std::int32_t low = 0;  ///< range of the codes, in units of the (sub-)block's scale
    std::int32_t high = 0;
    int sharing = 0;  ///< neighbours that share all their scales
    /// Sets scales to 1 and minima to 0: what the block then decodes to are its codes.
    void (*unitScales)(std::byte* block) = nullptr;
    /// Codebook types: the block decodes to levels, the code is this table's index of one.
    const float* levels = nullptr;
};

/// Null: no type of that name that the quantizers write into files.
[[nodiscard]] const GgmlCodes* findGgmlCodes(std::string_view id);

/// The codes of `count` blocks, in the order of the elements.
void ggmlCodes(const BlockLayout& layout,
               const GgmlCodes& type,
               const std::byte* blocks,
               std::int64_t count,
               std::int32_t* out);

}  // namespace loupe
