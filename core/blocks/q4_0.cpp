// SPDX-License-Identifier: Apache-2.0
// value = (q − 8) · d.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q4_0;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"qs",
               2,
               16,
               BlockRole::Codes,
               "4-bit codes: element j in the low half of byte j, j + 16 in the high half"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q4_0(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q4_0));
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Q4_0, qs), index % 16), index / 16 * 4, 4, 0}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q4_0, d));
    return std::move(parts).finish(
        "(q − 8) · d", blocks::equation("(# − 8) · #", {q, d}), static_cast<float>(q - 8) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Q4_0, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_q4_0;
constinit const BlockLayout kBlock_q4_0{
    .id = "q4_0",
    .title = "Q4_0",
    .source = "ggml, ggml-common.h block_q4_0; ggml-quants.c dequantize_row_q4_0",
    .summary = "4-bit codes around 8 with one scale for 32 weights.",
    .ggmlType = 2,
    .elements = 32,
    .bytes = sizeof(Q4_0),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q4_0>,
    .element = element,
    .check = check};

}  // namespace loupe
