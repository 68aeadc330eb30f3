// SPDX-License-Identifier: Apache-2.0
// value = E4M3 · 2^(scale − 127). Containers differ: here the scale comes first, then the codes in
// order.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    blocks::kMxScaleField,
    BlockField{"codes", 1, 32, BlockRole::Codes, "one E4M3 code to a byte"},
};
static_assert(sizeof(blocks::Mx8) == blocks::kMxfp8E4m3.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp8_e4m3;
constinit const BlockLayout kBlock_mxfp8_e4m3 = blocks::mxLayout<blocks::kMxfp8E4m3>(
    "mxfp8_e4m3",
    "MXFP8 E4M3",
    blocks::kMxSource,
    "FP8 elements with a power of two for 32: 8.25 bits for each weight.",
    kFields);

}  // namespace loupe
