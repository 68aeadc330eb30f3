// SPDX-License-Identifier: Apache-2.0
// max = (1 + 15/16) * 2^(6-3) = 15.5 ; min normal = 2^-2 ; min subnormal = 2^-6
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp8_e3m4;
constinit const NumberFormat kFormat_fp8_e3m4{
    .id = "fp8_e3m4",
    .title = "FP8 E3M4",
    .source = "ml_dtypes 0.6.0, README (float8_e3m4)",
    .summary =
        "More precision for well-scaled weights (AWS Trainium); IEEE rules for the top exponent.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {.exponentBits = 3, .mantissaBits = 4, .bias = 3, .specials = Specials::Ieee}};

}  // namespace loupe
