// SPDX-License-Identifier: Apache-2.0
// value = (d · sc) · q − dmin · m, sc and m of 6 bits for every 32 elements.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q4K;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"dmin", 2, 2, BlockRole::Minimum, "FP16 scale of the minima"},
    BlockField{"scales",
               4,
               12,
               BlockRole::SubScales,
               "8 scales and 8 minima of 6 bits, the last four of each in pieces"},
    BlockField{"qs",
               16,
               128,
               BlockRole::Codes,
               "4-bit codes: 32 bytes hold 64 elements, the first 32 in the low halves"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q4_k(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q4K));
    const int group = index / 32;
    const int byte = index / 64 * 32 + index % 32;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q4K, d));
    const int sc = parts.code("sc " + std::to_string(group),
                              BlockRole::SubScales,
                              blocks::pairedScaleBits(offsetof(Q4K, scales), group));
    const int q = parts.code(
        "q", BlockRole::Codes, {{blocks::at(offsetof(Q4K, qs), byte), group % 2 * 4, 4, 0}});
    const float dmin = parts.half("dmin", BlockRole::Minimum, offsetof(Q4K, dmin));
    const int m = parts.code("m " + std::to_string(group),
                             BlockRole::SubScales,
                             blocks::pairedMinimumBits(offsetof(Q4K, scales), group));
    return std::move(parts).finish(
        "(d · sc) · q − dmin · m",
        blocks::equation("(# · #) · # − # · #", {d, sc, q, dmin, m}),
        (d * static_cast<float>(sc)) * static_cast<float>(q) - dmin * static_cast<float>(m));
}

std::string check(const std::byte* block) {
    return blocks::checkTwoHalves(block, offsetof(Q4K, d), "dmin");
}

}  // namespace

extern const BlockLayout kBlock_q4_k;
constinit const BlockLayout kBlock_q4_k{
    .id = "q4_k",
    .title = "Q4_K",
    .source = "ggml, ggml-common.h block_q4_K; ggml-quants.c dequantize_row_q4_K",
    .summary = "4-bit codes; eight sub-blocks with 6-bit scales and minima.",
    .ggmlType = 12,
    .elements = 256,
    .bytes = sizeof(Q4K),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q4_k>,
    .element = element,
    .check = check};

}  // namespace loupe
