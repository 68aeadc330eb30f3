// SPDX-License-Identifier: Apache-2.0
// max = (1 + 7/8) * 2^(15-8) = 240 ; min normal = 2^-7 ; min subnormal = 2^-10 ; NaN = 0x80
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e4m3fnuz;
constinit const NumberFormat kFormat_fp8_e4m3fnuz{
    .id = "fp8_e4m3fnuz",
    .title = "FP8 E4M3 FNUZ",
    .source =
        "Noune et al. 2022, '8-bit Numerical Formats for Deep Neural Networks', arXiv:2206.02915",
    .summary = "Weights and activations on AMD MI300 and Graphcore: no infinity, no negative zero.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {
        .exponentBits = 4, .mantissaBits = 3, .bias = 8, .specials = Specials::NanNegativeZero}};

}  // namespace loupe
