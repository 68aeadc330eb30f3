// SPDX-License-Identifier: Apache-2.0
// value = (d · sc) · q − dmin · m, sc and m of 4 bits for every 16 elements.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q2K;

constexpr std::array kFields{
    BlockField{"scales",
               0,
               16,
               BlockRole::SubScales,
               "for each 16 elements: a 4-bit scale (low half) and a 4-bit minimum"},
    BlockField{"qs", 16, 64, BlockRole::Codes, "2-bit codes, four to a byte"},
    BlockField{"d", 80, 2, BlockRole::Scale, "FP16 scale of the scales"},
    BlockField{"dmin", 82, 2, BlockRole::Minimum, "FP16 scale of the minima"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q2_k(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q2K));
    const int group = index / 16;
    const int shift = index % 128 / 32 * 2;
    const int byte = index / 128 * 32 + index % 32;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q2K, d));
    const int sc = parts.code("sc " + std::to_string(group),
                              BlockRole::SubScales,
                              {{blocks::at(offsetof(Q2K, scales), group), 0, 4, 0}});
    const int q =
        parts.code("q", BlockRole::Codes, {{blocks::at(offsetof(Q2K, qs), byte), shift, 2, 0}});
    const float dmin = parts.half("dmin", BlockRole::Minimum, offsetof(Q2K, dmin));
    const int m = parts.code("m " + std::to_string(group),
                             BlockRole::SubScales,
                             {{blocks::at(offsetof(Q2K, scales), group), 4, 4, 0}});
    return std::move(parts).finish(
        "(d · sc) · q − dmin · m",
        blocks::equation("(# · #) · # − # · #", {d, sc, q, dmin, m}),
        (d * static_cast<float>(sc)) * static_cast<float>(q) - dmin * static_cast<float>(m));
}

std::string check(const std::byte* block) {
    return blocks::checkTwoHalves(block, offsetof(Q2K, d), "dmin");
}

}  // namespace

extern const BlockLayout kBlock_q2_k;
constinit const BlockLayout kBlock_q2_k{
    .id = "q2_k",
    .title = "Q2_K",
    .source = "ggml, ggml-common.h block_q2_K; ggml-quants.c dequantize_row_q2_K",
    .summary = "2-bit codes; sixteen sub-blocks with 4-bit scales and minima.",
    .ggmlType = 10,
    .elements = 256,
    .bytes = sizeof(Q2K),
    .codeBits = 2,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q2_k>,
    .element = element,
    .check = check};

}  // namespace loupe
