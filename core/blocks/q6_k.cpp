// SPDX-License-Identifier: Apache-2.0
// value = (d · sc) · (q − 32), sc of 8 bits for every 16 elements.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q6K;

constexpr std::array kFields{
    BlockField{"ql",
               0,
               128,
               BlockRole::Codes,
               "low 4 bits: 64 bytes hold 128 elements, the first 64 in the low halves"},
    BlockField{"qh", 128, 64, BlockRole::HighBits, "high 2 bits, four to a byte"},
    BlockField{"scales", 192, 16, BlockRole::SubScales, "a signed byte for each 16 elements"},
    BlockField{"d", 208, 2, BlockRole::Scale, "FP16 scale of the scales"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q6_k(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q6K));
    const int group = index / 16;
    const int half = index / 128;
    const int within = index % 128;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q6K, d));
    const int sc = parts.signedByte("sc " + std::to_string(group),
                                    BlockRole::SubScales,
                                    blocks::at(offsetof(Q6K, scales), group));
    const int q = parts.code(
        "q",
        BlockRole::Codes,
        {{blocks::at(offsetof(Q6K, ql), half * 64 + within % 64), within / 64 * 4, 4, 0},
         {blocks::at(offsetof(Q6K, qh), half * 32 + within % 32), within / 32 * 2, 2, 4}});
    return std::move(parts).finish("(d · sc) · (q − 32)",
                                   blocks::equation("(# · #) · (# − 32)", {d, sc, q}),
                                   (d * static_cast<float>(sc)) * static_cast<float>(q - 32));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Q6K, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_q6_k;
constinit const BlockLayout kBlock_q6_k{
    .id = "q6_k",
    .title = "Q6_K",
    .source = "ggml, ggml-common.h block_q6_K; ggml-quants.c dequantize_row_q6_K",
    .summary = "6-bit codes around 32; sixteen sub-blocks with 8-bit scales.",
    .ggmlType = 14,
    .elements = 256,
    .bytes = sizeof(Q6K),
    .codeBits = 6,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q6_k>,
    .element = element,
    .check = check};

}  // namespace loupe
