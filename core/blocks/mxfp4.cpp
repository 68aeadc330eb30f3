// SPDX-License-Identifier: Apache-2.0
// value = E2M1 · 2^(scale − 127). Containers differ: here the scale comes first, then the codes in
// order, element 2i low, as Hugging Face checkpoints have them; ggml pairs elements j and j + 16.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    BlockField{"scale", 0, 1, BlockRole::Scale, "E8M0 scale of the block: 2^(code − 127)"},
    BlockField{"codes",
               1,
               16,
               BlockRole::Codes,
               "E2M1 codes: element 2i in the low half of byte i, 2i + 1 in the high half"},
};
static_assert(sizeof(blocks::Mx4) == blocks::kMxfp4.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp4;
constinit const BlockLayout kBlock_mxfp4{
    .id = "mxfp4",
    .title = "MXFP4",
    .source =
        "OCP Microscaling Formats (MX) v1.0, section 5.2; the order of the bytes is this program's "
        "own",
    .summary = "FP4 elements with a power of two for 32: 4.25 bits for each weight.",
    .ggmlType = std::nullopt,
    .elements = 32,
    .bytes = sizeof(blocks::Mx4),
    .codeBits = 4,
    .fields = kFields,
    .unpack = blocks::unpackMx<blocks::kMxfp4>,
    .element = blocks::mxElement<blocks::kMxfp4>,
    .check = blocks::checkMx<blocks::kMxfp4>};

}  // namespace loupe
