// SPDX-License-Identifier: Apache-2.0
// max = 2^(254-127) = 2^127 ; min = 2^-127 ; NaN = 0xFF
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_e8m0;
constinit const NumberFormat kFormat_e8m0{
    .id = "e8m0",
    .title = "E8M0",
    .source = "OCP Microscaling Formats (MX) v1.0, section 5.4",
    .summary = "Scale of MX blocks: a power of two. No sign, no zero, no infinity.",
    .kind = FormatKind::Float,
    .bits = 8,
    .bitsPerWeight = 8,
    .floating = {.exponentBits = 8,
                 .mantissaBits = 0,
                 .bias = 127,
                 .specials = Specials::NanAllOnes,
                 .hasSign = false,
                 .hasZero = false}};

}  // namespace loupe
