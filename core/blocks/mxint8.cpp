// SPDX-License-Identifier: Apache-2.0
// value = code / 64 · 2^(scale − 127). Containers differ: here the scale comes first, then the
// codes in order.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    BlockField{"scale", 0, 1, BlockRole::Scale, "E8M0 scale of the block: 2^(code − 127)"},
    BlockField{"codes", 1, 32, BlockRole::Codes, "one signed byte for each element, in 64ths"},
};
static_assert(sizeof(blocks::Mx8) == blocks::kMxint8.bytes());

}  // namespace

extern const BlockLayout kBlock_mxint8;
constinit const BlockLayout kBlock_mxint8{
    .id = "mxint8",
    .title = "MXINT8",
    .source =
        "OCP Microscaling Formats (MX) v1.0, section 5.2; the order of the bytes is this program's "
        "own",
    .summary = "8-bit integers, in 64ths, with a power of two for 32: 8.25 bits for each weight.",
    .ggmlType = std::nullopt,
    .elements = 32,
    .bytes = sizeof(blocks::Mx8),
    .codeBits = 8,
    .fields = kFields,
    .unpack = blocks::unpackMx<blocks::kMxint8>,
    .element = blocks::mxElement<blocks::kMxint8>,
    .check = blocks::checkMx<blocks::kMxint8>};

}  // namespace loupe
