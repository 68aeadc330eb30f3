// SPDX-License-Identifier: Apache-2.0
// value = q · d + m; the fifth bit of q is kept apart.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q5_1;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"m", 2, 2, BlockRole::Minimum, "FP16 value of code 0"},
    BlockField{"qh", 4, 4, BlockRole::HighBits, "fifth bits: bit j for element j"},
    BlockField{"qs",
               8,
               16,
               BlockRole::Codes,
               "low 4 bits: element j in the low half of byte j, j + 16 in the high half"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q5_1(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q5_1));
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Q5_1, qs), index % 16), index / 16 * 4, 4, 0},
                              {blocks::at(offsetof(Q5_1, qh), index / 8), index % 8, 1, 4}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q5_1, d));
    const float m = parts.half("m", BlockRole::Minimum, offsetof(Q5_1, m));
    return std::move(parts).finish(
        "q · d + m", blocks::equation("# · # + #", {q, d, m}), static_cast<float>(q) * d + m);
}

std::string check(const std::byte* block) {
    return blocks::checkTwoHalves(block, offsetof(Q5_1, d), "m");
}

}  // namespace

extern const BlockLayout kBlock_q5_1;
constinit const BlockLayout kBlock_q5_1{
    .id = "q5_1",
    .title = "Q5_1",
    .source = "ggml, ggml-common.h block_q5_1; ggml-quants.c dequantize_row_q5_1",
    .summary = "5-bit codes with one scale and one minimum for 32 weights.",
    .ggmlType = 7,
    .elements = 32,
    .bytes = sizeof(Q5_1),
    .codeBits = 5,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q5_1>,
    .element = element,
    .check = check};

}  // namespace loupe
