// SPDX-License-Identifier: Apache-2.0
// value = E5M2 · 2^(scale − 127). Containers differ: here the scale comes first, then the codes in
// order.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    blocks::kMxScaleField,
    BlockField{"codes", 1, 32, BlockRole::Codes, "one E5M2 code to a byte"},
};
static_assert(sizeof(blocks::Mx8) == blocks::kMxfp8E5m2.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp8_e5m2;
constinit const BlockLayout kBlock_mxfp8_e5m2 = blocks::mxLayout<blocks::kMxfp8E5m2>(
    "mxfp8_e5m2",
    "MXFP8 E5M2",
    blocks::kMxSource,
    "FP8 elements of wide range with a power of two for 32: 8.25 bits for each weight.",
    kFields);

}  // namespace loupe
