// SPDX-License-Identifier: Apache-2.0
// max = (1 + 7/8) * 2^(3-1) = 7.5 ; min normal = 2^0 ; min subnormal = 2^-3
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp6_e2m3;
constinit const NumberFormat kFormat_fp6_e2m3{
    .id = "fp6_e2m3",
    .title = "FP6 E2M3",
    .source = "OCP Microscaling Formats (MX) v1.0, section 5.3",
    .summary = "Elements of MXFP6: the one with precision. No infinity, no NaN.",
    .kind = FormatKind::Float,
    .bits = 6,
    .bitsPerWeight = 6,
    .floating = {.exponentBits = 2, .mantissaBits = 3, .bias = 1, .specials = Specials::None}};

}  // namespace loupe
