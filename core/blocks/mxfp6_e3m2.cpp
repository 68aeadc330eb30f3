// SPDX-License-Identifier: Apache-2.0
// value = E3M2 · 2^(scale − 127). Containers differ: here the scale comes first, then
// one dense stream of bits; other tools keep one code to a byte.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    BlockField{"scale", 0, 1, BlockRole::Scale, "E8M0 scale of the block: 2^(code − 127)"},
    BlockField{"codes",
               1,
               24,
               BlockRole::Codes,
               "one dense little-endian stream of 6-bit codes: four codes to three bytes"},
};
static_assert(sizeof(blocks::Mx6) == blocks::kMxfp6E3m2.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp6_e3m2;
constinit const BlockLayout kBlock_mxfp6_e3m2{
    .id = "mxfp6_e3m2",
    .title = "MXFP6 E3M2",
    .source =
        "OCP Microscaling Formats (MX) v1.0, section 5.2; the order of the bytes is this program's "
        "own",
    .summary = "FP6 elements with a power of two for 32: 6.25 bits for each weight.",
    .ggmlType = std::nullopt,
    .elements = 32,
    .bytes = sizeof(blocks::Mx6),
    .codeBits = 6,
    .fields = kFields,
    .unpack = blocks::unpackMx<blocks::kMxfp6E3m2>,
    .element = blocks::mxElement<blocks::kMxfp6E3m2>,
    .check = blocks::checkMx<blocks::kMxfp6E3m2>};

}  // namespace loupe
