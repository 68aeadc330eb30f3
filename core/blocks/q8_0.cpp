// SPDX-License-Identifier: Apache-2.0
// value = q · d. Quantizer: d = max|x| / 127, q = round(x · (1/d)), halves away from zero
// (ggml, quantize_row_q8_0_ref).
#include "core/base/text.hpp"
#include "core/blocks/packers.hpp"
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
    .pack = blocks::packWith<&blocks::Packers::q8_0>,
    .element = element,
    .check = check};

}  // namespace loupe
