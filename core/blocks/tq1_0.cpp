// SPDX-License-Identifier: Apache-2.0
// value = (t − 1) · d; a byte b holds its n-th trit as t = ((b · 3^n mod 256) · 3) >> 8.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Tq1_0;

constexpr std::array kFields{
    BlockField{"qs", 0, 48, BlockRole::Codes, "five trits to a byte"},
    BlockField{"qh", 48, 4, BlockRole::Codes, "four trits to a byte"},
    BlockField{"d", 52, 2, BlockRole::Scale, "FP16 scale of the block"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().tq1_0(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Tq1_0));
    // 160 elements in qs[0..31], 80 in qs[32..47], 16 in qh; the n-th trits of all bytes together.
    const int bytes = index < 160 ? 32 : index < 240 ? 16 : 4;
    const int from = index < 160 ? 0 : index < 240 ? 160 : 240;
    const int place = index < 160 ? 0 : index < 240 ? 32 : 48;
    int power = 1;
    for (int n = 0; n < (index - from) / bytes; ++n) {
        power *= 3;
    }
    const std::vector<BitRun> bits{{place + (index - from) % bytes, 0, 8, 0}};
    const int t = (parts.peek(bits) * power % 256 * 3) >> 8;
    parts.add("t", BlockRole::Codes, bits, static_cast<float>(t));
    const float d = parts.half("d", BlockRole::Scale, offsetof(Tq1_0, d));
    return std::move(parts).finish(
        "(t − 1) · d", blocks::equation("(# − 1) · #", {t, d}), static_cast<float>(t - 1) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Tq1_0, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_tq1_0;
constinit const BlockLayout kBlock_tq1_0{
    .id = "tq1_0",
    .title = "TQ1_0",
    .source = "ggml, ggml-common.h block_tq1_0; ggml-quants.c dequantize_row_tq1_0",
    .summary = "Ternary weights, five to a byte.",
    .ggmlType = 34,
    .elements = 256,
    .bytes = sizeof(Tq1_0),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::tq1_0>,
    .element = element,
    .check = check};

}  // namespace loupe
