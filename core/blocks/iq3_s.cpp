// SPDX-License-Identifier: Apache-2.0
// value = d · (1 + 2 · s) · g · sign.
#include "core/blocks/iq_grids.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq3S;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"qs", 2, 64, BlockRole::Grid, "low 8 bits of an index for each 4 elements"},
    BlockField{"qh", 66, 8, BlockRole::HighBits, "ninth bits of the indices"},
    BlockField{"signs", 74, 32, BlockRole::Signs, "a sign for each element"},
    BlockField{"scales", 106, 4, BlockRole::SubScales, "a 4-bit scale for each 32 elements"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq3_s(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq3S));
    const int group = index / 32;
    const int vector = index / 4;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq3S, d));
    const int s =
        parts.code("s " + std::to_string(group),
                   BlockRole::SubScales,
                   {{blocks::at(offsetof(Iq3S, scales), group / 2), group % 2 * 4, 4, 0}});
    const std::vector<BitRun> entry{{blocks::at(offsetof(Iq3S, qs), vector), 0, 8, 0},
                                    {blocks::at(offsetof(Iq3S, qh), vector / 8), vector % 8, 1, 8}};
    const int g = blocks::gridValue(blocks::kIqGrids.iq3S[parts.peek(entry)], index % 4);
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const int sign =
        parts.parity("sign", blocks::at(offsetof(Iq3S, signs), index / 8), index % 8, 0);
    return std::move(parts).finish(
        "d · (1 + 2 · s) · g · sign",
        blocks::equation("# · (1 + 2 · #) · # · #", {d, s, g, sign}),
        d * static_cast<float>(1 + 2 * s) * static_cast<float>(g * sign));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq3S, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq3_s;
constinit const BlockLayout kBlock_iq3_s{
    .id = "iq3_s",
    .title = "IQ3_S",
    .source = "ggml, ggml-common.h block_iq3_s; ggml-quants.c dequantize_row_iq3_s",
    .summary = "Indices into 512 vectors of four magnitudes; about 3.4 bits for each weight.",
    .ggmlType = 21,
    .elements = 256,
    .bytes = sizeof(Iq3S),
    .codeBits = 3,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
