// SPDX-License-Identifier: Apache-2.0
// value = (d · (sc − 32)) · T[q], sc of 6 bits for every 32 elements, T as IQ4_NL.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq4Xs;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"scales_h", 2, 2, BlockRole::SubScales, "high 2 bits of 8 scales"},
    BlockField{"scales_l", 4, 4, BlockRole::SubScales, "low 4 bits of 8 scales"},
    BlockField{"qs",
               8,
               128,
               BlockRole::Codes,
               "4-bit indices into 16 levels, 16 bytes for each 32 elements"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq4_xs(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq4Xs));
    const int group = index / 32;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq4Xs, d));
    const int sc =
        parts.code("sc " + std::to_string(group),
                   BlockRole::SubScales,
                   {{blocks::at(offsetof(Iq4Xs, scalesLow), group / 2), group % 2 * 4, 4, 0},
                    {blocks::at(offsetof(Iq4Xs, scalesHigh), group / 4), group % 4 * 2, 2, 4}});
    const std::vector<BitRun> bits{
        {blocks::at(offsetof(Iq4Xs, qs), group * 16 + index % 16), index % 32 / 16 * 4, 4, 0}};
    const int level = blocks::iq4Level(parts.peek(bits));
    parts.add("T[q]", BlockRole::Codes, bits, static_cast<float>(level));
    return std::move(parts).finish("(d · (sc − 32)) · T[q]",
                                   blocks::equation("(# · (# − 32)) · #", {d, sc, level}),
                                   (d * static_cast<float>(sc - 32)) * static_cast<float>(level));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq4Xs, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq4_xs;
constinit const BlockLayout kBlock_iq4_xs{
    .id = "iq4_xs",
    .title = "IQ4_XS",
    .source = "ggml, ggml-common.h block_iq4_xs; ggml-quants.c dequantize_row_iq4_xs",
    .summary = "IQ4_NL's levels; eight sub-blocks with 6-bit scales.",
    .ggmlType = 23,
    .elements = 256,
    .bytes = sizeof(Iq4Xs),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::iq4_xs>,
    .element = element,
    .check = check};

}  // namespace loupe
