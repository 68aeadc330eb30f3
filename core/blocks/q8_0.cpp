// SPDX-License-Identifier: Apache-2.0
// value = q · d. Quantizer: d = max|x| / 127, q = round(x · (1/d)), halves away from zero
// (ggml, quantize_row_q8_0_ref).
#include "core/base/text.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q8_0;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"qs", 2, 32, BlockRole::Codes, "one signed byte for each element"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q8_0(blocks, count, out);
}

void pack(const float* values, std::int64_t count, std::byte* out) {
    for (std::int64_t b = 0; b < count; ++b) {
        const float* x = values + b * 32;
        float most = 0;
        for (int i = 0; i < 32; ++i) {
            most = std::max(most, std::fabs(x[i]));
        }
        const float d = most / 127.0F;
        const float inverse = d != 0 ? 1.0F / d : 0.0F;
        Q8_0 block{};
        block.d = blocks::floatToHalf(d);
        for (std::size_t i = 0; i < 32; ++i) {
            block.qs[i] = static_cast<std::int8_t>(std::round(x[i] * inverse));
        }
        std::memcpy(out + b * 34, &block, sizeof(block));
    }
}

BlockElement element(const std::byte* bytes, int index) {
    const auto block = blocks::load<Q8_0>(bytes);
    const float d = blocks::halfToFloat(block.d);
    const auto q = static_cast<float>(block.qs[index]);
    BlockElement made;
    made.parts.push_back(blocks::part(
        "q", BlockRole::Codes, {{2 + index, 0, 8, 0}}, bytes, 34, static_cast<double>(q)));
    made.parts.push_back(blocks::part(
        "d", BlockRole::Scale, blocks::wholeBytes(0, 2), bytes, 34, static_cast<double>(d)));
    made.formula = "q · d";
    made.equation = shortest(q) + " · " + shortest(d);
    made.value = static_cast<double>(q * d);
    return made;
}

std::string check(const std::byte* bytes) {
    return blocks::checkHalf(blocks::load<Q8_0>(bytes).d, "d");
}

}  // namespace

extern const BlockLayout kBlock_q8_0;
constinit const BlockLayout kBlock_q8_0{
    .id = "q8_0",
    .title = "Q8_0",
    .source = "ggml, ggml-common.h block_q8_0; quantize_row_q8_0_ref",
    .summary = "8-bit codes with one scale for 32 weights; nearly lossless.",
    .ggmlType = 8,
    .elements = 32,
    .bytes = 34,
    .codeBits = 8,
    .fields = kFields,
    .unpack = unpack,
    .pack = pack,
    .element = element,
    .check = check};

}  // namespace loupe
