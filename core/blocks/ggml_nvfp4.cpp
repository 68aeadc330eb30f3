// SPDX-License-Identifier: Apache-2.0
// value = K[q] · UE4M3(d) / 2, K twice the values of E2M1. ggml reads the scale 0x7F as 0, and
// otherwise ignores the top bit.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::GgmlNvfp4;

constexpr std::array kFields{
    BlockField{"d", 0, 4, BlockRole::SubScales, "an unsigned E4M3 scale for each 16 elements"},
    BlockField{"qs",
               4,
               32,
               BlockRole::Codes,
               "E2M1 codes, 8 bytes for each 16 elements: element j low in byte j, j + 8 high"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().ggml_nvfp4(blocks, count, out);
}

float halfScale(int code) {
    const int exponent = code >> 3 & 15;
    const int mantissa = code & 7;
    if (code == 0x7F) {
        return 0;
    }
    return exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -10)
                         : std::ldexp(static_cast<float>(8 + mantissa), exponent - 11);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(GgmlNvfp4));
    const int group = index / 16;
    const std::vector<BitRun> bits{
        {blocks::at(offsetof(GgmlNvfp4, qs), group * 8 + index % 8), index % 16 / 8 * 4, 4, 0}};
    const int k = blocks::twiceE2m1(parts.peek(bits));
    parts.add("K[q]", BlockRole::Codes, bits, static_cast<float>(k));
    const std::vector<BitRun> scale = blocks::wholeBytes(group, 1);
    const float s = halfScale(parts.peek(scale));
    parts.add("s " + std::to_string(group), BlockRole::SubScales, scale, s);
    return std::move(parts).finish(
        "K[q] · s, s = UE4M3(d) / 2", blocks::equation("# · #", {k, s}), static_cast<float>(k) * s);
}

std::string check(const std::byte* /*block*/) {
    return {};  // every scale byte is a number
}

}  // namespace

extern const BlockLayout kBlock_ggml_nvfp4;
constinit const BlockLayout kBlock_ggml_nvfp4{
    .id = "ggml_nvfp4",
    .title = "NVFP4 (ggml)",
    .source = "ggml, ggml-common.h block_nvfp4; ggml-quants.c dequantize_row_nvfp4",
    .summary = "NVFP4 in ggml's blocks of 64; the tensor's scale is a tensor of its own.",
    .ggmlType = 40,
    .elements = 64,
    .bytes = sizeof(GgmlNvfp4),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::ggml_nvfp4>,
    .element = element,
    .check = check};

}  // namespace loupe
