// SPDX-License-Identifier: Apache-2.0
// value = (q − 1) · d.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q2_0;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"qs", 2, 16, BlockRole::Codes, "2-bit codes, four to a byte"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q2_0(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q2_0));
    const int q = parts.code(
        "q", BlockRole::Codes, {{blocks::at(offsetof(Q2_0, qs), index / 4), index % 4 * 2, 2, 0}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q2_0, d));
    return std::move(parts).finish(
        "(q − 1) · d", blocks::equation("(# − 1) · #", {q, d}), static_cast<float>(q - 1) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Q2_0, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_q2_0;
constinit const BlockLayout kBlock_q2_0{
    .id = "q2_0",
    .title = "Q2_0",
    .source = "ggml, ggml-common.h block_q2_0; ggml-quants.c dequantize_row_q2_0",
    .summary = "2-bit codes around 1 with one scale for 64 weights.",
    .ggmlType = 42,
    .elements = 64,
    .bytes = sizeof(Q2_0),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q2_0>,
    .element = element,
    .check = check};

}  // namespace loupe
