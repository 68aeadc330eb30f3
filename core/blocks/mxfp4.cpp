// SPDX-License-Identifier: Apache-2.0
// value = E2M1 · 2^(scale − 127). Containers differ: here the scale comes first, then the codes in
// order, element 2i low, as Hugging Face checkpoints have them; ggml pairs elements j and j + 16.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    blocks::kMxScaleField,
    BlockField{"codes",
               1,
               16,
               BlockRole::Codes,
               "E2M1 codes: element 2i in the low half of byte i, 2i + 1 in the high half"},
};
static_assert(sizeof(blocks::Mx4) == blocks::kMxfp4.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp4;
constinit const BlockLayout kBlock_mxfp4 = blocks::mxLayout<blocks::kMxfp4>(
    "mxfp4",
    "MXFP4",
    blocks::kMxSource,
    "FP4 elements with a power of two for 32: 4.25 bits for each weight.",
    kFields);

}  // namespace loupe
