// SPDX-License-Identifier: Apache-2.0
// [0, 2^2 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_uint2;
constinit const NumberFormat kFormat_uint2{
    .id = "uint2",
    .title = "UINT2",
    .source = "ml_dtypes 0.6.0, README",
    .summary = "Asymmetric 2-bit quantization with a zero point.",
    .kind = FormatKind::Integer,
    .bits = 2,
    .bitsPerWeight = 2,
    .integer = {.min = 0, .max = 3}};

}  // namespace loupe
