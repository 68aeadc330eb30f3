// SPDX-License-Identifier: Apache-2.0
// value = d · (0.5 + s) · 0.25 · g · sign; ggml calls the bytes of the signs a part of qs.
#include "core/blocks/iq_grids.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq2S;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"qs", 2, 32, BlockRole::Grid, "low 8 bits of an index for each 8 elements"},
    BlockField{"signs", 34, 32, BlockRole::Signs, "a sign for each element"},
    BlockField{"qh", 66, 8, BlockRole::HighBits, "high 2 bits of the indices"},
    BlockField{"scales", 74, 8, BlockRole::SubScales, "a 4-bit scale for each 16 elements"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq2_s(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq2S));
    const int group = index / 16;
    const int vector = index / 8;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq2S, d));
    const int s =
        parts.code("s " + std::to_string(group),
                   BlockRole::SubScales,
                   {{blocks::at(offsetof(Iq2S, scales), group / 2), group % 2 * 4, 4, 0}});
    const std::vector<BitRun> entry{
        {blocks::at(offsetof(Iq2S, qs), vector), 0, 8, 0},
        {blocks::at(offsetof(Iq2S, qh), vector / 4), vector % 4 * 2, 2, 8}};
    const int g = blocks::gridValue(blocks::kIqGrids.iq2S[parts.peek(entry)], index % 8);
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const int sign =
        parts.parity("sign", blocks::at(offsetof(Iq2S, qs), 32 + vector), index % 8, 0);
    return std::move(parts).finish(
        "d · (0.5 + s) · 0.25 · g · sign",
        blocks::equation("# · (0.5 + #) · 0.25 · # · #", {d, s, g, sign}),
        d * (0.5F + static_cast<float>(s)) * 0.25F * static_cast<float>(g * sign));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq2S, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq2_s;
constinit const BlockLayout kBlock_iq2_s{
    .id = "iq2_s",
    .title = "IQ2_S",
    .source = "ggml, ggml-common.h block_iq2_s; ggml-quants.c dequantize_row_iq2_s",
    .summary = "Indices into 1,024 vectors of eight magnitudes; about 2.6 bits for each weight.",
    .ggmlType = 22,
    .elements = 256,
    .bytes = sizeof(Iq2S),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
