// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/byte_order.hpp"

#include <algorithm>
#include <array>

namespace loupe {

namespace {

/// `count` words of `width` bytes from byte `offset` of a block.
struct Words {
    int offset = 0;
    int count = 0;
    int width = 2;
};

struct Order {
    std::uint32_t ggmlType = 0;
    std::array<Words, 2> words{};
};

constexpr std::array kOrders{
    Order{2, {{{0, 1}}}},                 // Q4_0: d
    Order{3, {{{0, 2}}}},                 // Q4_1: d, m
    Order{6, {{{0, 1}}}},                 // Q5_0: d
    Order{7, {{{0, 2}}}},                 // Q5_1: d, m
    Order{8, {{{0, 1}}}},                 // Q8_0: d
    Order{9, {{{0, 2}}}},                 // Q8_1: d, s
    Order{10, {{{80, 2}}}},               // Q2_K: d, dmin
    Order{11, {{{108, 1}}}},              // Q3_K: d
    Order{12, {{{0, 2}}}},                // Q4_K: d, dmin
    Order{13, {{{0, 2}}}},                // Q5_K: d, dmin
    Order{14, {{{208, 1}}}},              // Q6_K: d
    Order{15, {{{0, 1, 4}, {260, 16}}}},  // Q8_K: d, bsums
    Order{16, {{{0, 33}}}},               // IQ2_XXS: d, qs
    Order{17, {{{0, 33}}}},               // IQ2_XS: d, qs
    Order{18, {{{0, 1}}}},                // IQ3_XXS: d
    Order{19, {{{0, 1}, {34, 8}}}},       // IQ1_S: d, qh
    Order{20, {{{0, 1}}}},                // IQ4_NL: d
    Order{21, {{{0, 1}}}},                // IQ3_S: d
    Order{22, {{{0, 1}}}},                // IQ2_S: d
    Order{23, {{{0, 2}}}},                // IQ4_XS: d, scales_h
    Order{29, {{{48, 4}}}},               // IQ1_M: scales
    Order{34, {{{52, 1}}}},               // TQ1_0: d
    Order{35, {{{64, 1}}}},               // TQ2_0: d
    Order{39, {}},                        // MXFP4: bytes only
    Order{40, {}},                        // NVFP4: bytes only
    Order{41, {{{0, 1}}}},                // Q1_0: d
    Order{42, {{{0, 1}}}},                // Q2_0: d
};

const Order* orderOf(const BlockLayout& layout) {
    const auto found = std::find_if(kOrders.begin(), kOrders.end(), [&](const Order& order) {
        return layout.ggmlType == order.ggmlType;
    });
    return found == kOrders.end() ? nullptr : &*found;
}

}  // namespace

bool knowsByteOrder(const BlockLayout& layout) {
    return orderOf(layout) != nullptr;
}

void swapBlockWords(const BlockLayout& layout, std::byte* blocks, std::int64_t count) {
    const Order* order = orderOf(layout);
    if (order == nullptr) {
        return;
    }
    for (std::int64_t block = 0; block < count; ++block) {
        for (const Words& words : order->words) {
            std::byte* const first = blocks + block * layout.bytes + words.offset;
            reverseWords({first, static_cast<std::size_t>(words.count * words.width)}, words.width);
        }
    }
}

void reverseWords(std::span<std::byte> bytes, int width) {
    const auto step = static_cast<std::size_t>(std::max(width, 1));
    for (std::size_t word = 0; step > 1 && word + step <= bytes.size(); word += step) {
        std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(word),
                     bytes.begin() + static_cast<std::ptrdiff_t>(word + step));
    }
}

std::int64_t swappedBlockByte(const BlockLayout& layout, std::int64_t byte) {
    const Order* order = orderOf(layout);
    if (order == nullptr) {
        return byte;
    }
    for (const Words& words : order->words) {
        const std::int64_t inside = byte - words.offset;
        if (inside >= 0 && inside < std::int64_t{words.count} * words.width) {
            const std::int64_t word = inside / words.width * words.width;
            return words.offset + word + words.width - 1 - (inside - word);
        }
    }
    return byte;
}

}  // namespace loupe
