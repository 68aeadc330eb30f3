// SPDX-License-Identifier: Apache-2.0
// value = code / 64 · 2^(scale − 127). Containers differ: here the scale comes first, then the
// codes in order.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    blocks::kMxScaleField,
    BlockField{"codes", 1, 32, BlockRole::Codes, "one signed byte for each element, in 64ths"},
};
static_assert(sizeof(blocks::Mx8) == blocks::kMxint8.bytes());

}  // namespace

extern const BlockLayout kBlock_mxint8;
constinit const BlockLayout kBlock_mxint8 = blocks::mxLayout<blocks::kMxint8>(
    "mxint8",
    "MXINT8",
    blocks::kMxSource,
    "8-bit integers, in 64ths, with a power of two for 32: 8.25 bits for each weight.",
    kFields);

}  // namespace loupe
