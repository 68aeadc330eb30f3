// SPDX-License-Identifier: Apache-2.0
// max = (1 + 7/8) * 2^(15-11) = 30 ; min normal = 2^-10 ; min subnormal = 2^-13 ; NaN = 0x80
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e4m3b11fnuz;
constinit const NumberFormat kFormat_fp8_e4m3b11fnuz{
    .id = "fp8_e4m3b11fnuz",
    .title = "FP8 E4M3 B11 FNUZ",
    .source = "ml_dtypes 0.6.0, README (float8_e4m3b11fnuz)",
    .summary = "E4M3 with bias 11, of XLA: small values, little range.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {
        .exponentBits = 4, .mantissaBits = 3, .bias = 11, .specials = Specials::NanNegativeZero}};

}  // namespace loupe
