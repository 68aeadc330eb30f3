// SPDX-License-Identifier: Apache-2.0
// max = (1 + 1/2) * 2^(3-1) = 6 ; min normal = 2^0 ; min subnormal = 2^-1
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp4_e2m1;
constinit const NumberFormat kFormat_fp4_e2m1{
    .id = "fp4_e2m1",
    .title = "FP4 E2M1",
    .source = "OCP Microscaling Formats (MX) v1.0, section 5.3",
    .summary = "Elements of MXFP4 and NVFP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.",
    .kind = FormatKind::Float,
    .bits = 4,
    .bitsPerWeight = 4,
    .floating = {.exponentBits = 2, .mantissaBits = 1, .bias = 1, .specials = Specials::None}};

}  // namespace loupe
