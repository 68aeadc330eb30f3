// SPDX-License-Identifier: Apache-2.0
// max = (2 - 2^-23) * 2^127 ; min normal = 2^-126 ; min subnormal = 2^-149
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp32;
constinit const NumberFormat kFormat_fp32{
    .id = "fp32",
    .title = "FP32",
    .source = "IEEE 754-2019, section 3.6, binary32",
    .summary = "Training and master weights; the usual accumulator.",
    .kind = FormatKind::Float,
    .bits = 32,
    .bitsPerWeight = 32,
    .floating = {.exponentBits = 8, .mantissaBits = 23, .bias = 127, .specials = Specials::Ieee}};

}  // namespace loupe
