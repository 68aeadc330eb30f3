// SPDX-License-Identifier: Apache-2.0
// value = d · (2 · s + 1) · (g + δ), δ an eighth with a sign for every 32 elements.
#include "core/blocks/iq_grids.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq1S;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"qs", 2, 32, BlockRole::Grid, "low 8 bits of an index for each 8 elements"},
    BlockField{"qh",
               34,
               16,
               BlockRole::HighBits,
               "for each 32 elements: 4 times 3 high bits, a 3-bit scale, the sign of δ"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq1_s(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq1S));
    const int group = index / 32;
    const int vector = index % 32 / 8;
    const std::int64_t high = blocks::at(offsetof(Iq1S, qh), group * 2);
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq1S, d));
    const int s =
        parts.code("s " + std::to_string(group), BlockRole::SubScales, {{high + 1, 4, 3, 0}});
    std::vector<BitRun> entry{{blocks::at(offsetof(Iq1S, qs), group * 4 + vector), 0, 8, 0}};
    for (const BitRun& run : blocks::bitField(high, vector * 3, 3, 8)) {
        entry.push_back(run);
    }
    const int g = blocks::gridValue(blocks::kIqGrids.iq1S[parts.peek(entry)], index % 8) / 8;
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const float delta = parts.peek({{high + 1, 7, 1, 0}}) != 0 ? -0.125F : 0.125F;
    parts.add("δ", BlockRole::Signs, {{high + 1, 7, 1, 0}}, delta);
    return std::move(parts).finish(
        "d · (2 · s + 1) · (g + δ)",
        blocks::equation("# · (2 · # + 1) · (# + #)", {d, s, g, delta}),
        d * static_cast<float>(2 * s + 1) * (static_cast<float>(g) + delta));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq1S, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq1_s;
constinit const BlockLayout kBlock_iq1_s{
    .id = "iq1_s",
    .title = "IQ1_S",
    .source = "ggml, ggml-common.h block_iq1_s; ggml-quants.c dequantize_row_iq1_s",
    .summary =
        "Indices into 2,048 vectors of eight values -1, 0, 1; about 1.6 bits for each weight.",
    .ggmlType = 19,
    .elements = 256,
    .bytes = sizeof(Iq1S),
    .codeBits = 1,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
