// SPDX-License-Identifier: Apache-2.0
// max = (1 + 6/8) * 2^(15-7) = 448 ; min normal = 2^-6 ; min subnormal = 2^-9 ; no infinity, NaN =
// S.1111.111
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e4m3;
constinit const NumberFormat kFormat_fp8_e4m3{
    .id = "fp8_e4m3",
    .title = "FP8 E4M3",
    .source = "OCP 8-bit Floating Point Specification (OFP8) rev 1.0, section 5 (E4M3)",
    .summary = "Weights and activations in FP8 inference; also known as E4M3FN.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {
        .exponentBits = 4, .mantissaBits = 3, .bias = 7, .specials = Specials::NanAllOnes}};

}  // namespace loupe
