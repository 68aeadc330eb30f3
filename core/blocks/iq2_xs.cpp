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

using blocks::Iq2Xs;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"qs", 2, 64, BlockRole::Grid, "for each 8 elements: a 9-bit index and 7 signs"},
    BlockField{"scales", 66, 8, BlockRole::SubScales, "a 4-bit scale for each 16 elements"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq2_xs(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq2Xs));
    const int group = index / 16;
    const std::int64_t at = blocks::at(offsetof(Iq2Xs, qs), index / 8 * 2);
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq2Xs, d));
    const int s =
        parts.code("s " + std::to_string(group),
                   BlockRole::SubScales,
                   {{blocks::at(offsetof(Iq2Xs, scales), group / 2), group % 2 * 4, 4, 0}});
    const std::vector<BitRun> entry{{at, 0, 8, 0}, {at + 1, 0, 1, 8}};
    const int g = blocks::gridValue(blocks::kIqGrids.iq2Xs[parts.peek(entry)], index % 8);
    parts.add("g", BlockRole::Grid, entry, static_cast<float>(g));
    const int sign = parts.parity("sign", at, 9, index % 8);
    return std::move(parts).finish(
        "d · (0.5 + s) · 0.25 · g · sign",
        blocks::equation("# · (0.5 + #) · 0.25 · # · #", {d, s, g, sign}),
        d * (0.5F + static_cast<float>(s)) * 0.25F * static_cast<float>(g * sign));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq2Xs, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq2_xs;
constinit const BlockLayout kBlock_iq2_xs{
    .id = "iq2_xs",
    .title = "IQ2_XS",
    .source = "ggml, ggml-common.h block_iq2_xs; ggml-quants.c dequantize_row_iq2_xs",
    .summary = "Indices into 512 vectors of eight magnitudes; about 2.3 bits for each weight.",
    .ggmlType = 17,
    .elements = 256,
    .bytes = sizeof(Iq2Xs),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .element = element,
    .check = check};

}  // namespace loupe
