// SPDX-License-Identifier: Apache-2.0
// max = (1 + 7/8) * 2^(14-7) = 240 ; min normal = 2^-6 ; min subnormal = 2^-9
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e4m3_ieee;
constinit const NumberFormat kFormat_fp8_e4m3_ieee{
    .id = "fp8_e4m3_ieee",
    .title = "FP8 E4M3 (IEEE)",
    .source = "ml_dtypes 0.6.0, README (float8_e4m3)",
    .summary =
        "E4M3 with infinities, as IEEE rules would have it: shows what OCP gained by giving them "
        "up.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {.exponentBits = 4, .mantissaBits = 3, .bias = 7, .specials = Specials::Ieee}};

}  // namespace loupe
