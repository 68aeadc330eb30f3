// SPDX-License-Identifier: Apache-2.0
// value = q · d + m.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q4_1;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"m", 2, 2, BlockRole::Minimum, "FP16 value of code 0"},
    BlockField{"qs",
               4,
               16,
               BlockRole::Codes,
               "4-bit codes: element j in the low half of byte j, j + 16 in the high half"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q4_1(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q4_1));
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Q4_1, qs), index % 16), index / 16 * 4, 4, 0}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q4_1, d));
    const float m = parts.half("m", BlockRole::Minimum, offsetof(Q4_1, m));
    return std::move(parts).finish(
        "q · d + m", blocks::equation("# · # + #", {q, d, m}), static_cast<float>(q) * d + m);
}

std::string check(const std::byte* block) {
    return blocks::checkTwoHalves(block, offsetof(Q4_1, d), "m");
}

}  // namespace

extern const BlockLayout kBlock_q4_1;
constinit const BlockLayout kBlock_q4_1{
    .id = "q4_1",
    .title = "Q4_1",
    .source = "ggml, ggml-common.h block_q4_1; ggml-quants.c dequantize_row_q4_1",
    .summary = "4-bit codes with one scale and one minimum for 32 weights.",
    .ggmlType = 3,
    .elements = 32,
    .bytes = sizeof(Q4_1),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q4_1>,
    .element = element,
    .check = check};

}  // namespace loupe
