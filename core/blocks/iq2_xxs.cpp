// SPDX-License-Identifier: Apache-2.0
// value = d · (0.5 + s) · 0.25 · g · sign. Seven signs of eight are stored: the number of minus
// signs is even.
#include "core/blocks/iq_grids.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq2Xxs;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"qs",
               2,
               64,
               BlockRole::Grid,
               "for each 32 elements: 4 indices of 8 bits, then 4 times 7 signs and a 4-bit scale"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq2_xxs(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq2Xxs));
    const int group = index / 32;
    const int vector = index % 32 / 8;
    const std::int64_t at = blocks::at(offsetof(Iq2Xxs, qs), group * 8);
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq2Xxs, d));
    const int s =
        parts.code("s " + std::to_string(group), BlockRole::SubScales, {{at + 7, 4, 4, 0}});
    const std::vector<BitRun> entry{{at + vector, 0, 8, 0}};
    const int g = blocks::gridValue(blocks::kIqGrids.iq2Xxs[parts.peek(entry)], index % 8);
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const int sign = parts.parity("sign", at + 4, vector * 7, index % 8);
    return std::move(parts).finish(
        "d · (0.5 + s) · 0.25 · g · sign",
        blocks::equation("# · (0.5 + #) · 0.25 · # · #", {d, s, g, sign}),
        d * (0.5F + static_cast<float>(s)) * 0.25F * static_cast<float>(g * sign));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq2Xxs, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq2_xxs;
constinit const BlockLayout kBlock_iq2_xxs{
    .id = "iq2_xxs",
    .title = "IQ2_XXS",
    .source = "ggml, ggml-common.h block_iq2_xxs; ggml-quants.c dequantize_row_iq2_xxs",
    .summary = "Indices into 256 vectors of eight magnitudes; about 2 bits for each weight.",
    .ggmlType = 16,
    .elements = 256,
    .bytes = sizeof(Iq2Xxs),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
