// SPDX-License-Identifier: Apache-2.0
// Two's complement [-2^1, 2^1 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_int2;
constinit const NumberFormat kFormat_int2{
    .id = "int2",
    .title = "INT2",
    .source = "ml_dtypes 0.6.0, README",
    .summary = "Weights at the edge of what post-training quantization can do.",
    .kind = FormatKind::Integer,
    .bits = 2,
    .bitsPerWeight = 2,
    .integer = {.min = -2, .max = 1}};

}  // namespace loupe
