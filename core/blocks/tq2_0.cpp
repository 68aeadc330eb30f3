// SPDX-License-Identifier: Apache-2.0
// value = (q − 1) · d.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Tq2_0;

constexpr std::array kFields{
    BlockField{"qs", 0, 64, BlockRole::Codes, "2-bit codes, four to a byte"},
    BlockField{"d", 64, 2, BlockRole::Scale, "FP16 scale of the block"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().tq2_0(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Tq2_0));
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Tq2_0, qs), index / 128 * 32 + index % 32),
                               index % 128 / 32 * 2,
                               2,
                               0}});
    const float d = parts.half("d", BlockRole::Scale, offsetof(Tq2_0, d));
    return std::move(parts).finish(
        "(q − 1) · d", blocks::equation("(# − 1) · #", {q, d}), static_cast<float>(q - 1) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Tq2_0, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_tq2_0;
constinit const BlockLayout kBlock_tq2_0{
    .id = "tq2_0",
    .title = "TQ2_0",
    .source = "ggml, ggml-common.h block_tq2_0; ggml-quants.c dequantize_row_tq2_0",
    .summary = "Ternary weights, four to a byte.",
    .ggmlType = 35,
    .elements = 256,
    .bytes = sizeof(Tq2_0),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::tq2_0>,
    .element = element,
    .check = check};

}  // namespace loupe
