// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/blocks/block_support.hpp"

#include "core/base/rng.hpp"

#include <cstring>

namespace loupe::test {

namespace {

/// How a scale is stored.
enum class ScaleKind { Half, Single, E8m0, E4m3, Iq1m };

struct ScalePlace {
    std::string name;
    std::int64_t offset = 0;
    ScaleKind kind = ScaleKind::Half;
};

/// Where the formats keep what must be finite, from their tables of fields.
std::vector<ScalePlace> scalePlaces(const BlockLayout& layout) {
    if (layout.id == "iq1_m") {
        return {{"d", 48, ScaleKind::Iq1m}};
    }
    std::vector<ScalePlace> places;
    for (const BlockField& field : layout.fields) {
        const bool scale = field.role == BlockRole::Scale || field.role == BlockRole::Minimum ||
                           (field.role == BlockRole::Sums && field.bytes == 2);
        if (!scale || layout.id == "ggml_nvfp4") {  // whose every byte is a number
            continue;
        }
        const ScaleKind kind = field.bytes == 2       ? ScaleKind::Half
                               : field.bytes == 4     ? ScaleKind::Single
                               : layout.id == "nvfp4" ? ScaleKind::E4m3
                                                      : ScaleKind::E8m0;
        places.push_back({std::string(field.name), field.offset, kind});
    }
    return places;
}

void putHalf(std::vector<std::byte>& block, const ScalePlace& place, std::uint16_t bits) {
    if (place.kind != ScaleKind::Iq1m) {
        std::memcpy(block.data() + place.offset, &bits, sizeof bits);
        return;
    }
    for (int i = 0; i < 4; ++i) {  // the top half-bytes of four words
        auto& byte = block[static_cast<std::size_t>(place.offset + 2 * i + 1)];
        byte = (byte & std::byte{0x0F}) |
               (std::byte{static_cast<unsigned char>((unsigned{bits} >> (4 * i)) & 15U)} << 4);
    }
}

}  // namespace

std::vector<std::byte> wildBlock(const BlockLayout& layout, std::uint64_t seed) {
    std::vector<std::byte> block(static_cast<std::size_t>(layout.bytes));
    for (std::size_t i = 0; i < block.size(); ++i) {
        block[i] = std::byte{static_cast<unsigned char>(randomBits(seed, i))};
    }
    return block;
}

std::vector<std::byte> tameBlock(const BlockLayout& layout, std::uint64_t seed) {
    std::vector<std::byte> block = wildBlock(layout, seed);
    std::uint64_t draw = block.size();
    // Scales at the edges of what ggml reads as a number.
    for (std::size_t i = 0; i < 4 && layout.id == "ggml_nvfp4"; ++i) {
        const std::uint64_t bits = randomBits(seed, ++draw);
        if (bits % 3 == 0) {
            block[i] = std::byte{static_cast<unsigned char>(bits % 2 == 0 ? 0x7F : 0xFF)};
        }
    }
    for (const ScalePlace& place : scalePlaces(layout)) {
        const std::uint64_t bits = randomBits(seed, ++draw);
        const auto spread = static_cast<std::uint32_t>(bits >> 32U);
        switch (place.kind) {
            case ScaleKind::Half:
            case ScaleKind::Iq1m:  // exponents 0 to 15, the sign and the fraction at random
                putHalf(block, place, static_cast<std::uint16_t>((bits & 0xBFFFU) | 1U));
                break;
            case ScaleKind::Single: {
                const std::uint32_t single =
                    (static_cast<std::uint32_t>(bits) & 0x807FFFFFU) | (96U + spread % 32U) << 23U;
                std::memcpy(block.data() + place.offset, &single, sizeof single);
                break;
            }
            case ScaleKind::E8m0:
                block[static_cast<std::size_t>(place.offset)] =
                    std::byte{static_cast<unsigned char>(spread % 8 == 0 ? spread / 8 % 3
                                                                         : 100 + spread / 8 % 40)};
                break;
            case ScaleKind::E4m3:
                block[static_cast<std::size_t>(place.offset)] =
                    std::byte{static_cast<unsigned char>(1 + spread % 0x7E)};
                break;
        }
    }
    return block;
}

std::vector<float> unpackBlocks(const BlockLayout& layout, const std::vector<std::byte>& blocks) {
    const auto count = static_cast<std::int64_t>(blocks.size()) / layout.bytes;
    std::vector<float> values(static_cast<std::size_t>(count * layout.elements));
    layout.unpack(blocks.data(), count, values.data());
    return values;
}

std::vector<Poison> poisons(const BlockLayout& layout) {
    std::vector<Poison> made;
    for (const ScalePlace& place : scalePlaces(layout)) {
        for (const unsigned bad : {0U, 1U}) {
            std::vector<std::byte> block(static_cast<std::size_t>(layout.bytes));
            std::int64_t bytes = 1;
            switch (place.kind) {
                case ScaleKind::Half:
                case ScaleKind::Iq1m:
                    putHalf(block, place, bad == 0 ? 0xFC00 : 0x7E01);
                    bytes = place.kind == ScaleKind::Half ? 2 : 8;
                    break;
                case ScaleKind::Single: {
                    const std::uint32_t single = bad == 0 ? 0x7F800000U : 0xFFC00001U;
                    std::memcpy(block.data() + place.offset, &single, sizeof single);
                    bytes = 4;
                    break;
                }
                case ScaleKind::E8m0:
                    block[static_cast<std::size_t>(place.offset)] = std::byte{0xFF};
                    break;
                case ScaleKind::E4m3:
                    block[static_cast<std::size_t>(place.offset)] =
                        bad == 0 ? std::byte{0xFF} : std::byte{0x7F};
                    break;
            }
            made.push_back({place.offset,
                            {block.begin() + place.offset, block.begin() + place.offset + bytes},
                            place.name});
        }
    }
    return made;
}

}  // namespace loupe::test
