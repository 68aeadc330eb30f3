// SPDX-License-Identifier: Apache-2.0
// max = (2 - 2^-52) * 2^1023 ; min normal = 2^-1022 ; min subnormal = 2^-1074
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp64;
constinit const NumberFormat kFormat_fp64{
    .id = "fp64",
    .title = "FP64",
    .source = "IEEE 754-2019, section 3.6, binary64",
    .summary = "Scientific computing; the reference that every error here is measured against.",
    .kind = FormatKind::Float,
    .bits = 64,
    .bitsPerWeight = 64,
    .floating = {.exponentBits = 11, .mantissaBits = 52, .bias = 1023, .specials = Specials::Ieee}};

}  // namespace loupe
