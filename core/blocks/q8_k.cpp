// SPDX-License-Identifier: Apache-2.0
// value = q · d; bsums are for dot products.
#include "core/base/text.hpp"
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Q8K;

constexpr std::array kFields{
    BlockField{"d", 0, 4, BlockRole::Scale, "FP32 scale of the block"},
    BlockField{"qs", 4, 256, BlockRole::Codes, "one signed byte for each element"},
    BlockField{"bsums",
               260,
               32,
               BlockRole::Sums,
               "16-bit sums of the codes, 16 at a time, for dot products"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().q8_k(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Q8K));
    const int q = parts.signedByte("q", BlockRole::Codes, blocks::at(offsetof(Q8K, qs), index));
    const auto d = blocks::load<float>(block);
    parts.add("d", BlockRole::Scale, blocks::wholeBytes(0, 4), d);
    return std::move(parts).finish(
        "q · d", blocks::equation("# · #", {q, d}), static_cast<float>(q) * d);
}

std::string check(const std::byte* block) {
    const auto d = blocks::load<float>(block);
    return std::isfinite(d) ? std::string() : "expected a finite d, found " + shortest(d);
}

}  // namespace

extern const BlockLayout kBlock_q8_k;
constinit const BlockLayout kBlock_q8_k{
    .id = "q8_k",
    .title = "Q8_K",
    .source = "ggml, ggml-common.h block_q8_K; ggml-quants.c dequantize_row_q8_K",
    .summary = "Activations of ggml's products with K-quants; never in files.",
    .ggmlType = 15,
    .elements = 256,
    .bytes = sizeof(Q8K),
    .codeBits = 8,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::q8_k>,
    .element = element,
    .check = check};

}  // namespace loupe
