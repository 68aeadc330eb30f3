// SPDX-License-Identifier: Apache-2.0
// value = E5M2 · 2^(scale − 127). Containers differ: here the scale comes first, then the codes in
// order.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    BlockField{"scale", 0, 1, BlockRole::Scale, "E8M0 scale of the block: 2^(code − 127)"},
    BlockField{"codes", 1, 32, BlockRole::Codes, "one E5M2 code to a byte"},
};
static_assert(sizeof(blocks::Mx8) == blocks::kMxfp8E5m2.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp8_e5m2;
constinit const BlockLayout kBlock_mxfp8_e5m2{
    .id = "mxfp8_e5m2",
    .title = "MXFP8 E5M2",
    .source =
        "OCP Microscaling Formats (MX) v1.0, section 5.2; the order of the bytes is this program's "
        "own",
    .summary = "FP8 elements of wide range with a power of two for 32: 8.25 bits for each weight.",
    .ggmlType = std::nullopt,
    .elements = 32,
    .bytes = sizeof(blocks::Mx8),
    .codeBits = 8,
    .fields = kFields,
    .unpack = blocks::unpackMx<blocks::kMxfp8E5m2>,
    .element = blocks::mxElement<blocks::kMxfp8E5m2>,
    .check = blocks::checkMx<blocks::kMxfp8E5m2>};

}  // namespace loupe
