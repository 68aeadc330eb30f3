// SPDX-License-Identifier: Apache-2.0
// What the files of block formats share: reading little-endian fields and naming bits.
#pragma once

#include "core/blocks/block_layout.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
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
/// The same for the FP16 at `offset` of a block.
[[nodiscard]] std::string checkHalf(const std::byte* block, std::size_t offset, const char* name);
/// The same for d at `offset` and the FP16 of that name behind it.
[[nodiscard]] std::string checkTwoHalves(const std::byte* block,
                                         std::size_t offset,
                                         const char* second);

/// A place in a block, as the bit runs of elements have it.
[[nodiscard]] constexpr std::int64_t at(std::size_t offset, int index = 0) {
    return static_cast<std::int64_t>(offset) + index;
}

/// Collects the parts of one element, in the order of its formula.
class ElementParts {
public:
    ElementParts(const std::byte* block, int bytes) : block_(block), bytes_(bytes) {}

    /// Bits that are a whole number, and that number.
    int code(std::string name, BlockRole role, std::vector<BitRun> bits);
    /// A whole byte as a signed number.
    int signedByte(std::string name, BlockRole role, std::int64_t byte);
    /// An FP16.
    float half(std::string name, BlockRole role, std::size_t offset);
    /// A sign, 1 or -1. `seven` below 7: bit `bit + seven` of the number that begins at `byte`; 7:
    /// what makes the number of minus signs among the seven bits and this one even.
    int parity(std::string name, std::int64_t byte, int bit, int seven);
    /// Bits that mean something else than a whole number.
    void add(std::string name, BlockRole role, std::vector<BitRun> bits, float value);
    /// Those bits as a whole number, without making a part of them.
    [[nodiscard]] int peek(const std::vector<BitRun>& bits) const;

    [[nodiscard]] BlockElement finish(std::string formula, std::string equation, float value) &&;

private:
    const std::byte* block_;
    int bytes_;
    BlockElement made_;
};

/// Scale `group` of the eight pairs of Q4_K and Q5_K, 6 bits of the 12 bytes at `scales`: the last
/// four lie in pieces.
[[nodiscard]] std::vector<BitRun> pairedScaleBits(std::size_t scales, int group);
/// The minimum beside it.
[[nodiscard]] std::vector<BitRun> pairedMinimumBits(std::size_t scales, int group);
/// Level q of IQ4_NL and IQ4_XS.
[[nodiscard]] int iq4Level(int q);
/// Twice the value of an E2M1 code in ggml's blocks, which know no minus zero.
[[nodiscard]] int twiceE2m1(int code);
/// Value `index` of an entry of a codebook: a signed byte.
[[nodiscard]] int gridValue(std::uint64_t entry, int index);
/// Bits [bit, bit + width) of the little-endian number that begins at `byte`, as bits from `shift`
/// on.
[[nodiscard]] std::vector<BitRun> bitField(std::int64_t byte, int bit, int width, int shift);

/// A number of an equation: the shortest text that reads back as the same FP32.
struct EquationNumber {
    // NOLINTNEXTLINE(google-explicit-constructor): lists of numbers of either kind
    EquationNumber(int number) : value(static_cast<float>(number)) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    EquationNumber(float number) : value(number) {}
    float value;
};
/// `pattern` with its `#` replaced by the numbers, one after the other.
[[nodiscard]] std::string equation(std::string_view pattern,
                                   std::initializer_list<EquationNumber> numbers);

}  // namespace loupe::blocks
