// SPDX-License-Identifier: Apache-2.0
// value = d where the bit is set, else −d.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q1_0;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"qs", 2, 16, BlockRole::Codes, "a bit for each element"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q1_0(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q1_0));
    const int q = parts.code(
        "q", BlockRole::Codes, {{blocks::at(offsetof(Q1_0, qs), index / 8), index % 8, 1, 0}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q1_0, d));
    return std::move(parts).finish("(2 · q − 1) · d",
                                   blocks::equation("(2 · # − 1) · #", {q, d}),
                                   static_cast<float>(2 * q - 1) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Q1_0, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_q1_0;
constinit const BlockLayout kBlock_q1_0{
    .id = "q1_0",
    .title = "Q1_0",
    .source = "ggml, ggml-common.h block_q1_0; ggml-quants.c dequantize_row_q1_0",
    .summary = "Binary weights with one scale for 128.",
    .ggmlType = 41,
    .elements = 128,
    .bytes = sizeof(Q1_0),
    .codeBits = 1,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q1_0>,
    .element = element,
    .check = check};

}  // namespace loupe
