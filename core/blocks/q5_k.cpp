// SPDX-License-Identifier: Apache-2.0
// value = (d · sc) · q − dmin · m, sc and m of 6 bits for every 32 elements.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q5K;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"dmin", 2, 2, BlockRole::Minimum, "FP16 scale of the minima"},
    BlockField{"scales",
               4,
               12,
               BlockRole::SubScales,
               "8 scales and 8 minima of 6 bits, the last four of each in pieces"},
    BlockField{
        "qh", 16, 32, BlockRole::HighBits, "fifth bits: bit g of byte l for element 32 g + l"},
    BlockField{"qs",
               48,
               128,
               BlockRole::Codes,
               "low 4 bits: 32 bytes hold 64 elements, the first 32 in the low halves"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q5_k(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q5K));
    const int group = index / 32;
    const int byte = index / 64 * 32 + index % 32;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q5K, d));
    const int sc = parts.code("sc " + std::to_string(group),
                              BlockRole::SubScales,
                              blocks::pairedScaleBits(offsetof(Q5K, scales), group));
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Q5K, qs), byte), group % 2 * 4, 4, 0},
                              {blocks::at(offsetof(Q5K, qh), index % 32), group, 1, 4}});
    const float dmin = parts.half("dmin", BlockRole::Minimum, offsetof(Q5K, dmin));
    const int m = parts.code("m " + std::to_string(group),
                             BlockRole::SubScales,
                             blocks::pairedMinimumBits(offsetof(Q5K, scales), group));
    return std::move(parts).finish(
        "(d · sc) · q − dmin · m",
        blocks::equation("(# · #) · # − # · #", {d, sc, q, dmin, m}),
        (d * static_cast<float>(sc)) * static_cast<float>(q) - dmin * static_cast<float>(m));
}

std::string check(const std::byte* block) {
    return blocks::checkTwoHalves(block, offsetof(Q5K, d), "dmin");
}

}  // namespace

extern const BlockLayout kBlock_q5_k;
constinit const BlockLayout kBlock_q5_k{
    .id = "q5_k",
    .title = "Q5_K",
    .source = "ggml, ggml-common.h block_q5_K; ggml-quants.c dequantize_row_q5_K",
    .summary = "5-bit codes; eight sub-blocks with 6-bit scales and minima.",
    .ggmlType = 13,
    .elements = 256,
    .bytes = sizeof(Q5K),
    .codeBits = 5,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q5_k>,
    .element = element,
    .check = check};

}  // namespace loupe
