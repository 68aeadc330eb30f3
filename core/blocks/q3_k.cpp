// SPDX-License-Identifier: Apache-2.0
// value = (d · (sc − 32)) · (q − 4), sc of 6 bits for every 16 elements.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q3K;

constexpr std::array kFields{
    BlockField{
        "hmask", 0, 32, BlockRole::HighBits, "third bits: bit g of byte l for element 32 g + l"},
    BlockField{"qs", 32, 64, BlockRole::Codes, "low 2 bits, four to a byte"},
    BlockField{"scales",
               96,
               12,
               BlockRole::SubScales,
               "16 scales of 6 bits: low 4 bits in 8 bytes, high 2 bits in 4"},
    BlockField{"d", 108, 2, BlockRole::Scale, "FP16 scale of the scales"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q3_k(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q3K));
    const int group = index / 16;
    const int shift = index % 128 / 32 * 2;
    const int byte = index / 128 * 32 + index % 32;
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q3K, d));
    const int sc =
        parts.code("sc " + std::to_string(group),
                   BlockRole::SubScales,
                   {{blocks::at(offsetof(Q3K, scales), group % 8), group / 8 * 4, 4, 0},
                    {blocks::at(offsetof(Q3K, scales), 8 + group % 4), group / 4 * 2, 2, 4}});
    const int q = parts.code("q",
                             BlockRole::Codes,
                             {{blocks::at(offsetof(Q3K, qs), byte), shift, 2, 0},
                              {blocks::at(offsetof(Q3K, hmask), index % 32), index / 32, 1, 2}});
    return std::move(parts).finish("(d · (sc − 32)) · (q − 4)",
                                   blocks::equation("(# · (# − 32)) · (# − 4)", {d, sc, q}),
                                   (d * static_cast<float>(sc - 32)) * static_cast<float>(q - 4));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Q3K, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_q3_k;
constinit const BlockLayout kBlock_q3_k{
    .id = "q3_k",
    .title = "Q3_K",
    .source = "ggml, ggml-common.h block_q3_K; ggml-quants.c dequantize_row_q3_K",
    .summary = "3-bit codes around 4; sixteen sub-blocks with 6-bit scales.",
    .ggmlType = 11,
    .elements = 256,
    .bytes = sizeof(Q3K),
    .codeBits = 3,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q3_k>,
    .element = element,
    .check = check};

}  // namespace loupe
