// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/parts.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"

#include <array>

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
    bits.reserve(static_cast<std::size_t>(bytes));
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

std::string checkHalf(const std::byte* block, std::size_t offset, const char* name) {
    return checkHalf(load<std::uint16_t>(block + offset), name);
}

std::string checkTwoHalves(const std::byte* block, std::size_t offset, const char* second) {
    const std::string found = checkHalf(block, offset, "d");
    return found.empty() ? checkHalf(block, offset + sizeof(std::uint16_t), second) : found;
}

std::vector<BitRun> pairedScaleBits(std::size_t scales, int group) {
    if (group < 4) {
        return {{at(scales, group), 0, 6, 0}};
    }
    return {{at(scales, group + 4), 0, 4, 0}, {at(scales, group - 4), 6, 2, 4}};
}

std::vector<BitRun> pairedMinimumBits(std::size_t scales, int group) {
    if (group < 4) {
        return {{at(scales, group + 4), 0, 6, 0}};
    }
    return {{at(scales, group + 4), 4, 4, 0}, {at(scales, group), 6, 2, 4}};
}

int ElementParts::peek(const std::vector<BitRun>& bits) const {
    return static_cast<int>(gatherBits({block_, static_cast<std::size_t>(bytes_)}, bits));
}

void ElementParts::add(std::string name, BlockRole role, std::vector<BitRun> bits, float value) {
    made_.parts.push_back(
        part(std::move(name), role, std::move(bits), block_, bytes_, static_cast<double>(value)));
}

int ElementParts::code(std::string name, BlockRole role, std::vector<BitRun> bits) {
    const int value = peek(bits);
    add(std::move(name), role, std::move(bits), static_cast<float>(value));
    return value;
}

int ElementParts::signedByte(std::string name, BlockRole role, std::int64_t byte) {
    const int code = peek({{byte, 0, 8, 0}});
    const int value = code < 128 ? code : code - 256;
    add(std::move(name), role, {{byte, 0, 8, 0}}, static_cast<float>(value));
    return value;
}

int ElementParts::parity(std::string name, std::int64_t byte, int bit, int seven) {
    std::vector<BitRun> bits =
        seven < 7 ? bitField(byte, bit + seven, 1, 0) : bitField(byte, bit, 7, 0);
    const int sign = std::popcount(static_cast<unsigned>(peek(bits))) % 2 == 0 ? 1 : -1;
    add(std::move(name), BlockRole::Signs, std::move(bits), static_cast<float>(sign));
    return sign;
}

float ElementParts::half(std::string name, BlockRole role, std::size_t offset) {
    const float value = halfToFloat(load<std::uint16_t>(block_ + offset));
    add(std::move(name), role, wholeBytes(static_cast<int>(offset), 2), value);
    return value;
}

BlockElement ElementParts::finish(std::string formula, std::string equation, float value) && {
    made_.formula = std::move(formula);
    made_.equation = std::move(equation);
    made_.value = static_cast<double>(value);
    return std::move(made_);
}

int iq4Level(int q) {
    constexpr std::array<int, 16> kLevels{
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return kLevels[static_cast<std::size_t>(q)];
}

int twiceE2m1(int code) {
    constexpr std::array<int, 16> kValues{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return kValues[static_cast<std::size_t>(code)];
}

int gridValue(std::uint64_t entry, int index) {
    return static_cast<std::int8_t>(entry >> (8 * index) & 0xFFU);
}

std::vector<BitRun> bitField(std::int64_t byte, int bit, int width, int shift) {
    std::vector<BitRun> runs;
    while (width > 0) {
        const int taken = std::min(width, 8 - bit % 8);
        runs.push_back({byte + bit / 8, bit % 8, taken, shift});
        bit += taken;
        shift += taken;
        width -= taken;
    }
    return runs;
}

std::string equation(std::string_view pattern, std::initializer_list<EquationNumber> numbers) {
    std::string text;
    const EquationNumber* next = numbers.begin();
    for (const char c : pattern) {
        if (c == '#') {
            LOUPE_ASSERT(next != numbers.end(), "a number for every place");
            text += shortest(next->value);
            ++next;
        } else {
            text += c;
        }
    }
    return text;
}

}  // namespace loupe::blocks
