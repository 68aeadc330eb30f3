// SPDX-License-Identifier: Apache-2.0
// value = K[q] · 2^(e − 128), K twice the values of E2M1. Decoding knows no NaN: e = 0xFF is 2^127.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::GgmlMxfp4;

constexpr std::array kFields{
    BlockField{"e", 0, 1, BlockRole::Scale, "E8M0 scale of the block: a power of two"},
    BlockField{"qs",
               1,
               16,
               BlockRole::Codes,
               "E2M1 codes: element j in the low half of byte j, j + 16 in the high half"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().ggml_mxfp4(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(GgmlMxfp4));
    const std::vector<BitRun> bits{
        {blocks::at(offsetof(GgmlMxfp4, qs), index % 16), index / 16 * 4, 4, 0}};
    const int k = blocks::twiceE2m1(parts.peek(bits));
    parts.add("K[q]", BlockRole::Codes, bits, static_cast<float>(k));
    const std::vector<BitRun> scale = blocks::wholeBytes(0, 1);
    const float s = std::ldexp(1.0F, parts.peek(scale) - 128);
    parts.add("s", BlockRole::Scale, scale, s);
    return std::move(parts).finish(
        "K[q] · s, s = 2^(e − 128)", blocks::equation("# · #", {k, s}), static_cast<float>(k) * s);
}

std::string check(const std::byte* block) {
    return blocks::load<std::uint8_t>(block) == 0xFF
               ? "expected a finite e, found 0xFF, which is NaN in E8M0"
               : std::string();
}

}  // namespace

extern const BlockLayout kBlock_ggml_mxfp4;
constinit const BlockLayout kBlock_ggml_mxfp4{
    .id = "ggml_mxfp4",
    .title = "MXFP4 (ggml)",
    .source = "ggml, ggml-common.h block_mxfp4; ggml-quants.c dequantize_row_mxfp4",
    .summary = "MXFP4 in ggml's order of elements; gpt-oss in GGUF files.",
    .ggmlType = 39,
    .elements = 32,
    .bytes = sizeof(GgmlMxfp4),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::ggml_mxfp4>,
    .element = element,
    .check = check};

}  // namespace loupe
