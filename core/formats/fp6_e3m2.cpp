// SPDX-License-Identifier: Apache-2.0
// max = (1 + 3/4) * 2^(7-3) = 28 ; min normal = 2^-2 ; min subnormal = 2^-4
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp6_e3m2;
constinit const NumberFormat kFormat_fp6_e3m2{
    .id = "fp6_e3m2",
    .title = "FP6 E3M2",
    .source = "OCP Microscaling Formats (MX) v1.0, section 5.3",
    .summary = "Elements of MXFP6: the one with range. No infinity, no NaN.",
    .kind = FormatKind::Float,
    .bits = 6,
    .bitsPerWeight = 6,
    .floating = {.exponentBits = 3, .mantissaBits = 2, .bias = 3, .specials = Specials::None}};

}  // namespace loupe
