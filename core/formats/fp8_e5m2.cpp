// SPDX-License-Identifier: Apache-2.0
// max = (1 + 3/4) * 2^15 = 57344 ; min normal = 2^-14 ; min subnormal = 2^-16
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e5m2;
constinit const NumberFormat kFormat_fp8_e5m2{
    .id = "fp8_e5m2",
    .title = "FP8 E5M2",
    .source = "OCP 8-bit Floating Point Specification (OFP8) rev 1.0, section 5 (E5M2)",
    .summary = "Gradients in FP8 training: the exponent range of FP16 with two fraction bits.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {.exponentBits = 5, .mantissaBits = 2, .bias = 15, .specials = Specials::Ieee}};

}  // namespace loupe
