// SPDX-License-Identifier: Apache-2.0
// value = (q − 16) · d; the fifth bit of q is kept apart.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q5_0;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"qh", 2, 4, BlockRole::HighBits, "fifth bits: bit j for element j"},
    BlockField{"qs",
               6,
               16,
               BlockRole::Codes,
               "low 4 bits: element j in the low half of byte j, j + 16 in the high half"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q5_0(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q5_0));
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Q5_0, qs), index % 16), index / 16 * 4, 4, 0},
                              {blocks::at(offsetof(Q5_0, qh), index / 8), index % 8, 1, 4}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q5_0, d));
    return std::move(parts).finish(
        "(q − 16) · d", blocks::equation("(# − 16) · #", {q, d}), static_cast<float>(q - 16) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Q5_0, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_q5_0;
constinit const BlockLayout kBlock_q5_0{
    .id = "q5_0",
    .title = "Q5_0",
    .source = "ggml, ggml-common.h block_q5_0; ggml-quants.c dequantize_row_q5_0",
    .summary = "5-bit codes around 16 with one scale for 32 weights.",
    .ggmlType = 6,
    .elements = 32,
    .bytes = sizeof(Q5_0),
    .codeBits = 5,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q5_0>,
    .element = element,
    .check = check};

}  // namespace loupe
