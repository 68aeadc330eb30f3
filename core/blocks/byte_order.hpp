// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/blocks/block_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace loupe {

/// Is it known which bytes of a block are words, so that big-endian blocks can be read?
[[nodiscard]] bool knowsByteOrder(const BlockLayout& layout);

/// Turns the bytes of every word of `count` blocks round, in place: the FP16 scales, the arrays of
/// 16-bit words, Q8_K's FP32 scale. Applied twice it changes nothing. The words are those of the
/// structs of ggml-common.h (IQ1_M's scales are declared as bytes there, but written and read as
/// 16-bit words). gguf-py's script that converts the byte order does the same for the types that it
/// knows: Q4_0, Q8_0, Q4_K, Q6_K, MXFP4, NVFP4.
void swapBlockWords(const BlockLayout& layout, std::byte* blocks, std::int64_t count);

/// Turns the bytes of every word of `width` bytes round, in place; 0 and 1: nothing.
void reverseWords(std::span<std::byte> bytes, int width);

/// Where byte `byte` of a block lies in its big-endian form.
[[nodiscard]] std::int64_t swappedBlockByte(const BlockLayout& layout, std::int64_t byte);

}  // namespace loupe
