// SPDX-License-Identifier: Apache-2.0
// value = d · (0.5 + s) · 0.5 · g · sign. Seven signs of eight are stored: the number of minus
// signs is even. ggml calls the bytes of scales and signs a part of qs.
#include "core/blocks/iq_grids.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq3Xxs;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"qs", 2, 64, BlockRole::Grid, "an index of 8 bits for each 4 elements"},
    BlockField{"scales_and_signs",
               66,
               32,
               BlockRole::Signs,
               "for each 32 elements: 4 times 7 signs and a 4-bit scale"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq3_xxs(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq3Xxs));
    const int group = index / 32;
    const std::int64_t rest = blocks::at(offsetof(Iq3Xxs, qs), 64 + group * 4);
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq3Xxs, d));
    const int s =
        parts.code("s " + std::to_string(group), BlockRole::SubScales, {{rest + 3, 4, 4, 0}});
    const std::vector<BitRun> entry{{blocks::at(offsetof(Iq3Xxs, qs), index / 4), 0, 8, 0}};
    const int g = blocks::gridValue(blocks::kIqGrids.iq3Xxs[parts.peek(entry)], index % 4);
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const int sign = parts.parity("sign", rest, index % 32 / 8 * 7, index % 8);
    return std::move(parts).finish(
        "d · (0.5 + s) · 0.5 · g · sign",
        blocks::equation("# · (0.5 + #) · 0.5 · # · #", {d, s, g, sign}),
        d * (0.5F + static_cast<float>(s)) * 0.5F * static_cast<float>(g * sign));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq3Xxs, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq3_xxs;
constinit const BlockLayout kBlock_iq3_xxs{
    .id = "iq3_xxs",
    .title = "IQ3_XXS",
    .source = "ggml, ggml-common.h block_iq3_xxs; ggml-quants.c dequantize_row_iq3_xxs",
    .summary = "Indices into 256 vectors of four magnitudes; about 3 bits for each weight.",
    .ggmlType = 18,
    .elements = 256,
    .bytes = sizeof(Iq3Xxs),
    .codeBits = 3,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
