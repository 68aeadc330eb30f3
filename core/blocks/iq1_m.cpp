// SPDX-License-Identifier: Apache-2.0
// value = d · (2 · s + 1) · (g + δ), δ an eighth with a sign for every 8 elements; d is spread over
// the words of the scales.
#include "core/blocks/iq_grids.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq1M;

constexpr std::array kFields{
    BlockField{"qs", 0, 32, BlockRole::Grid, "low 8 bits of an index for each 8 elements"},
    BlockField{"qh",
               32,
               16,
               BlockRole::HighBits,
               "for each 8 elements: 3 high bits of the index, the sign of δ"},
    BlockField{"scales",
               48,
               8,
               BlockRole::SubScales,
               "a 3-bit scale for each 16 elements; the top 4 bits of the four words are the FP16 "
               "scale d"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq1_m(blocks, count, out);
}

/// The FP16 scale: four bits in each of the four words.
std::vector<BitRun> scaleBits() {
    std::vector<BitRun> bits;
    bits.reserve(4);
    for (int word = 0; word < 4; ++word) {
        bits.push_back({blocks::at(offsetof(Iq1M, scales), 2 * word + 1), 4, 4, 4 * word});
    }
    return bits;
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq1M));
    const int group = index / 16;
    const int vector = index / 8;
    const std::int64_t high = blocks::at(offsetof(Iq1M, qh), vector / 2);
    const float d = blocks::halfToFloat(static_cast<std::uint16_t>(parts.peek(scaleBits())));
    parts.add("d", BlockRole::Scale, scaleBits(), d);
    const int s = parts.code(
        "s " + std::to_string(group),
        BlockRole::SubScales,
        blocks::bitField(blocks::at(offsetof(Iq1M, scales), group / 4 * 2), group % 4 * 3, 3, 0));
    const std::vector<BitRun> entry{{blocks::at(offsetof(Iq1M, qs), vector), 0, 8, 0},
                                    {high, vector % 2 * 4, 3, 8}};
    const int g = blocks::gridValue(blocks::kIqGrids.iq1S[parts.peek(entry)], index % 8) / 8;
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const std::vector<BitRun> minus{{high, vector % 2 * 4 + 3, 1, 0}};
    const float delta = parts.peek(minus) != 0 ? -0.125F : 0.125F;
    parts.add("δ", BlockRole::Signs, minus, delta);
    return std::move(parts).finish(
        "d · (2 · s + 1) · (g + δ)",
        blocks::equation("# · (2 · # + 1) · (# + #)", {d, s, g, delta}),
        d * static_cast<float>(2 * s + 1) * (static_cast<float>(g) + delta));
}

std::string check(const std::byte* block) {
    blocks::ElementParts parts(block, sizeof(Iq1M));
    return blocks::checkHalf(static_cast<std::uint16_t>(parts.peek(scaleBits())), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq1_m;
constinit const BlockLayout kBlock_iq1_m{
    .id = "iq1_m",
    .title = "IQ1_M",
    .source = "ggml, ggml-common.h block_iq1_m; ggml-quants.c dequantize_row_iq1_m",
    .summary = "Indices into 2,048 vectors of eight values -1, 0, 1; 1.75 bits for each weight.",
    .ggmlType = 29,
    .elements = 256,
    .bytes = sizeof(Iq1M),
    .codeBits = 1,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
