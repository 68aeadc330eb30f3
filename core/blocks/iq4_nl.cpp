// SPDX-License-Identifier: Apache-2.0
// value = d · T[q], T of 16 levels that lie closer to each other around 0.
#include "core/blocks/packers.hpp"
#include "core/blocks/parts.hpp"
#include "core/blocks/structs.hpp"
#include "core/blocks/unpack_kernels.hpp"

#include <array>

namespace loupe {

namespace {

using blocks::Iq4Nl;

constexpr std::array kFields{
    BlockField{"d", 0, 2, BlockRole::Scale, "FP16 scale of the block"},
    BlockField{"qs",
               2,
               16,
               BlockRole::Codes,
               "4-bit indices into 16 levels: element j in the low half of byte j, j + 16 in the "
               "high half"},
};

void unpack(const std::byte* blocks, std::int64_t count, float* out) {
    blocks::unpackKernels().iq4_nl(blocks, count, out);
}

BlockElement element(const std::byte* block, int index) {
    blocks::ElementParts parts(block, sizeof(Iq4Nl));
    const float d = parts.half("d", BlockRole::Scale, offsetof(Iq4Nl, d));
    const std::vector<BitRun> bits{
        {blocks::at(offsetof(Iq4Nl, qs), index % 16), index / 16 * 4, 4, 0}};
    const int level = blocks::iq4Level(parts.peek(bits));
    parts.add("T[q]", BlockRole::Codes, bits, static_cast<float>(level));
    return std::move(parts).finish(
        "d · T[q]", blocks::equation("# · #", {d, level}), d * static_cast<float>(level));
}

std::string check(const std::byte* block) {
    return blocks::checkHalf(block, offsetof(Iq4Nl, d), "d");
}

}  // namespace

extern const BlockLayout kBlock_iq4_nl;
constinit const BlockLayout kBlock_iq4_nl{
    .id = "iq4_nl",
    .title = "IQ4_NL",
    .source = "ggml, ggml-common.h block_iq4_nl; ggml-quants.c dequantize_row_iq4_nl",
    .summary = "4-bit indices into 16 uneven levels with one scale for 32 weights.",
    .ggmlType = 20,
    .elements = 32,
    .bytes = sizeof(Iq4Nl),
    .codeBits = 4,
    .fields = kFields,
    .unpack = unpack,
    .pack = blocks::packWith<&blocks::Packers::iq4_nl>,
    .element = element,
    .check = check};

}  // namespace loupe
