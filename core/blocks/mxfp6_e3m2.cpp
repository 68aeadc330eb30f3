// SPDX-License-Identifier: Apache-2.0
// value = E3M2 · 2^(scale − 127). Containers differ: here the scale comes first, then
// one dense stream of bits; other tools keep one code to a byte.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    blocks::kMxScaleField,
    BlockField{"codes",
               1,
               24,
               BlockRole::Codes,
               "one dense little-endian stream of 6-bit codes: four codes to three bytes"},
};
static_assert(sizeof(blocks::Mx6) == blocks::kMxfp6E3m2.bytes());

}  // namespace

extern const BlockLayout kBlock_mxfp6_e3m2;
constinit const BlockLayout kBlock_mxfp6_e3m2 = blocks::mxLayout<blocks::kMxfp6E3m2>(
    "mxfp6_e3m2",
    "MXFP6 E3M2",
    blocks::kMxSource,
    "FP6 elements with a power of two for 32: 6.25 bits for each weight.",
    kFields);

}  // namespace loupe
