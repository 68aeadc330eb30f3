// SPDX-License-Identifier: Apache-2.0
// value = q · d; s is for dot products.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q8_1;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"s", 2, 2, BlockRole::Sums, "FP16 sum of the codes times d, for dot products"},
    BlockField{"qs", 4, 32, BlockRole::Codes, "one signed byte for each element"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q8_1(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q8_1));
    const int q = parts.signedByte("q", BlockRole::Codes, blocks::at(offsetof(Q8_1, qs), index));
    const float d = parts.half("d", BlockRole::Scale, offsetof(Q8_1, d));
    return std::move(parts).finish(
        "q · d", blocks::equation("# · #", {q, d}), static_cast<float>(q) * d);
}

std::string check(const std::byte* block) {
    return blocks::checkTwoHalves(block, offsetof(Q8_1, d), "s");
}

}  // namespace

extern const BlockLayout kBlock_q8_1;
constinit const BlockLayout kBlock_q8_1{
    .id = "q8_1",
    .title = "Q8_1",
    .source = "ggml, ggml-common.h block_q8_1; ggml-quants.c dequantize_row_q8_1",
    .summary = "Activations of ggml's products: Q8_0 with the sum of its values; never in files.",
    .ggmlType = 9,
    .elements = 32,
    .bytes = sizeof(Q8_1),
    .codeBits = 8,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q8_1>,
    .element = element,
    .check = check};

}  // namespace loupe
