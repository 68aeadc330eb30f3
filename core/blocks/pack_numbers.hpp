// SPDX-License-Identifier: Apache-2.0
// Inside core/blocks only: the steps that ggml's quantizers share.
#pragma once

#include "core/blocks/parts.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace loupe::blocks {

/// Nearest integer, ties to even, as the bits of x + 1.5·2^23 hold it: beyond ±2^22, where ggml
/// expects no value, the same wrong result.
[[nodiscard]] inline int nearestInt(float x) {
    const float shifted = x + 12582912.0F;
    return static_cast<int>(std::bit_cast<std::uint32_t>(shifted) & 0x007FFFFFU) - 0x00400000;
}

/// Toward zero; what does not fit (infinity and NaN too) is the lowest integer, as x86-64 converts.
[[nodiscard]] inline std::int32_t truncated(float x) {
    constexpr float kLimit = 2147483648.0F;
    return x >= -kLimit && x < kLimit ? static_cast<std::int32_t>(x)
                                      : std::numeric_limits<std::int32_t>::min();
}

/// The low byte of truncated(x), signed.
[[nodiscard]] inline std::int8_t truncatedByte(float x) {
    return static_cast<std::int8_t>(
        static_cast<std::uint8_t>(static_cast<std::uint32_t>(truncated(x)) & 0xFFU));
}

/// 1 / d, and 0 for 0.
[[nodiscard]] inline float inverse(float d) {
    return d != 0 ? 1.0F / d : 0.0F;
}

/// The element of the largest magnitude with its sign; the first of several.
[[nodiscard]] inline float firstLargest(const float* x, int count) {
    float magnitude = 0;
    float found = 0;
    for (int i = 0; i < count; ++i) {
        if (std::fabs(x[i]) > magnitude) {
            magnitude = std::fabs(x[i]);
            found = x[i];
        }
    }
    return found;
}

[[nodiscard]] inline float largestMagnitude(const float* x, int count) {
    return std::fabs(firstLargest(x, count));
}

/// Part `index` of parts of `size` elements.
template <class T>
[[nodiscard]] T* nth(T* elements, int index, int size) {
    return elements + static_cast<std::ptrdiff_t>(index) * size;
}

/// Calls encode(values of the block, block) for `count` blocks; each begins as zero bytes.
template <class Block, int kElements, class Encode>
void packEach(const float* values, std::int64_t count, std::byte* blocks, const Encode& encode) {
    for (std::int64_t b = 0; b < count; ++b) {
        Block block{};
        encode(values + b * kElements, block);
        std::memcpy(blocks + b * static_cast<std::int64_t>(sizeof(Block)), &block, sizeof(Block));
    }
}

/// The levels of IQ4_NL and IQ4_XS.
inline constexpr float kIq4Levels[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// The doubled levels of E2M1, as ggml's MXFP4 and NVFP4 use them; code 8 means +0.
inline constexpr float kDoubledE2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace loupe::blocks
