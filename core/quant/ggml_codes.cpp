// SPDX-License-Identifier: Apache-2.0
#include "core/quant/ggml_codes.hpp"

#include "core/blocks/pack_numbers.hpp"
#include "core/blocks/structs.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace loupe {

namespace {

constexpr std::uint16_t kHalfOne = 0x3C00;

/// Hands the block's struct over and writes it back.
template <class Block, class Change>
void change(std::byte* bytes, const Change& apply) {
    Block block;
    std::memcpy(&block, bytes, sizeof(Block));
    apply(block);
    std::memcpy(bytes, &block, sizeof(Block));
}

template <class Block>
void unitScale(std::byte* bytes) {
    change<Block>(bytes, [](Block& block) { block.d = kHalfOne; });
}

template <class Block>
void unitScaleNoMinimum(std::byte* bytes) {
    change<Block>(bytes, [](Block& block) {
        block.d = kHalfOne;
        block.m = 0;
    });
}

void unitScalesQ2K(std::byte* bytes) {
    change<blocks::Q2K>(bytes, [](blocks::Q2K& block) {
        block.d = kHalfOne;
        block.dmin = 0;
        std::fill(std::begin(block.scales), std::end(block.scales), std::uint8_t{1});
    });
}

void unitScalesQ3K(std::byte* bytes) {
    change<blocks::Q3K>(bytes, [](blocks::Q3K& block) {
        block.d = kHalfOne;  // each scale is 33 - 32
        std::fill_n(block.scales, 8, std::uint8_t{0x11});
        std::fill_n(block.scales + 8, 4, std::uint8_t{0xAA});
    });
}

/// Q4_K and Q5_K.
template <class Block>
void unitPairs(std::byte* bytes) {
    change<Block>(bytes, [](Block& block) {
        block.d = kHalfOne;
        block.dmin = 0;
        std::fill_n(block.scales, 4, std::uint8_t{1});
        std::fill_n(block.scales + 4, 4, std::uint8_t{0});
        std::fill_n(block.scales + 8, 4, std::uint8_t{1});
    });
}

void unitScalesQ6K(std::byte* bytes) {
    change<blocks::Q6K>(bytes, [](blocks::Q6K& block) {
        block.d = kHalfOne;
        std::fill(std::begin(block.scales), std::end(block.scales), std::int8_t{1});
    });
}

void unitScalesIq4Xs(std::byte* bytes) {
    change<blocks::Iq4Xs>(bytes, [](blocks::Iq4Xs& block) {
        block.d = kHalfOne;  // each scale is 33 - 32
        block.scalesHigh = 0xAAAA;
        std::fill(std::begin(block.scalesLow), std::end(block.scalesLow), std::uint8_t{0x11});
    });
}

void unitScaleMxfp4(std::byte* bytes) {
    change<blocks::GgmlMxfp4>(bytes, [](blocks::GgmlMxfp4& block) { block.e = 128; });
}

void unitScalesNvfp4(std::byte* bytes) {
    change<blocks::GgmlNvfp4>(bytes, [](blocks::GgmlNvfp4& block) {
        std::fill(std::begin(block.d), std::end(block.d), std::uint8_t{0x40});  // 2, halved
    });
}

constexpr std::array kTypes{
    GgmlCodes{"q4_0", -8, 7, 32, unitScale<blocks::Q4_0>},
    GgmlCodes{"q4_1", 0, 15, 32, unitScaleNoMinimum<blocks::Q4_1>},
    GgmlCodes{"q5_0", -16, 15, 32, unitScale<blocks::Q5_0>},
    GgmlCodes{"q5_1", 0, 31, 32, unitScaleNoMinimum<blocks::Q5_1>},
    GgmlCodes{"q8_0", -128, 127, 32, unitScale<blocks::Q8_0>},
    GgmlCodes{"q2_k", 0, 3, 16, unitScalesQ2K},
    GgmlCodes{"q3_k", -4, 3, 16, unitScalesQ3K},
    GgmlCodes{"q4_k", 0, 15, 32, unitPairs<blocks::Q4K>},
    GgmlCodes{"q5_k", 0, 31, 32, unitPairs<blocks::Q5K>},
    GgmlCodes{"q6_k", -32, 31, 16, unitScalesQ6K},
    GgmlCodes{"iq4_nl", 0, 15, 32, unitScale<blocks::Iq4Nl>, blocks::kIq4Levels},
    GgmlCodes{"iq4_xs", 0, 15, 32, unitScalesIq4Xs, blocks::kIq4Levels},
    GgmlCodes{"tq1_0", -1, 1, 256, unitScale<blocks::Tq1_0>},
    GgmlCodes{"tq2_0", -1, 2, 256, unitScale<blocks::Tq2_0>},
    GgmlCodes{"ggml_mxfp4", 0, 15, 32, unitScaleMxfp4, blocks::kDoubledE2m1},
    GgmlCodes{"ggml_nvfp4", 0, 15, 16, unitScalesNvfp4, blocks::kDoubledE2m1},
    GgmlCodes{"q1_0", -1, 1, 128, unitScale<blocks::Q1_0>},
    GgmlCodes{"q2_0", -1, 2, 64, unitScale<blocks::Q2_0>},
};

}  // namespace

const GgmlCodes* findGgmlCodes(std::string_view id) {
    const auto* const found = std::find_if(
        kTypes.begin(), kTypes.end(), [id](const GgmlCodes& type) { return type.id == id; });
    return found == kTypes.end() ? nullptr : found;
}

void ggmlCodes(const BlockLayout& layout,
               const GgmlCodes& type,
               const std::byte* blocks,
               std::int64_t count,
               std::int32_t* out) {
    const auto size = static_cast<std::size_t>(count);
    std::vector<std::byte> plain(blocks, blocks + size * static_cast<std::size_t>(layout.bytes));
    for (std::size_t i = 0; i < size; ++i) {
        type.unitScales(plain.data() + i * static_cast<std::size_t>(layout.bytes));
    }
    std::vector<float> values(size * static_cast<std::size_t>(layout.elements));
    layout.unpack(plain.data(), count, values.data());
    std::transform(values.begin(), values.end(), out, [](float value) {
        return static_cast<std::int32_t>(value);
    });
    if (type.levels != nullptr) {
        constexpr int kLowest = -128;
        std::array<std::int32_t, 256> codes{};
        for (int code = 15; code >= 0; --code) {  // the first of equal levels
            codes[static_cast<std::size_t>(static_cast<int>(type.levels[code]) - kLowest)] = code;
        }
        std::transform(out, out + values.size(), out, [&codes](std::int32_t level) {
            return codes[static_cast<std::size_t>(level - kLowest)];
        });
    }
}

}  // namespace loupe
