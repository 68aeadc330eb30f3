// SPDX-License-Identifier: Apache-2.0
// max = (1 + 3/4) * 2^(31-16) = 57344 ; min normal = 2^-15 ; min subnormal = 2^-17 ; NaN = 0x80
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e5m2fnuz;
constinit const NumberFormat kFormat_fp8_e5m2fnuz{
    .id = "fp8_e5m2fnuz",
    .title = "FP8 E5M2 FNUZ",
    .source =
        "Noune et al. 2022, '8-bit Numerical Formats for Deep Neural Networks', arXiv:2206.02915",
    .summary = "Gradients on AMD MI300 and Graphcore: no infinity, no negative zero.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {
        .exponentBits = 5, .mantissaBits = 2, .bias = 16, .specials = Specials::NanNegativeZero}};

}  // namespace loupe
