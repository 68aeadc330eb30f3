// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/parts.hpp"

#include "core/base/text.hpp"

namespace loupe::blocks {

float halfToFloat(std::uint16_t bits) {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
    const std::uint32_t magnitude = bits & 0x7FFFU;
    if (magnitude >= 0x7C00U) {
        return std::bit_cast<float>(sign | 0x7F800000U | ((magnitude & 0x3FFU) << 13U));
    }
    // Moving the exponent by a product also normalizes subnormals, exactly.
    const float value = std::bit_cast<float>(magnitude << 13U) * 0x1p112F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

std::uint16_t floatToHalf(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) {
        return static_cast<std::uint16_t>(sign | 0x7E00U);
    }
    if (magnitude >= 0x477FF000U) {  // 65520 and more, infinity too
        return static_cast<std::uint16_t>(sign | 0x7C00U);
    }
    if (magnitude <
        0x38800000U) {  // below 2^-14: adding 0.5 leaves the code in the low bits, rounded once
        const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
        return static_cast<std::uint16_t>(sign |
                                          (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
    }
    const std::uint32_t odd = (magnitude >> 13U) & 1U;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13U));
}

std::vector<BitRun> wholeBytes(int offset, int bytes) {
    std::vector<BitRun> bits;
    for (int i = 0; i < bytes; ++i) {
        bits.push_back({offset + i, 0, 8, 8 * i});
    }
    return bits;
}

BlockPart part(std::string name,
               BlockRole role,
               std::vector<BitRun> bits,
               const std::byte* block,
               int blockBytes,
               double value) {
    const std::uint64_t code = gatherBits({block, static_cast<std::size_t>(blockBytes)}, bits);
    return {std::move(name), role, std::move(bits), code, value};
}

std::string checkHalf(std::uint16_t bits, const char* name) {
    const float value = halfToFloat(bits);
    return std::isfinite(value)
               ? std::string()
               : "expected a finite " + std::string(name) + ", found " + shortest(value);
}

}  // namespace loupe::blocks
