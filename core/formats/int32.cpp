// SPDX-License-Identifier: Apache-2.0
// Two's complement [-2^31, 2^31 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_int32;
constinit const NumberFormat kFormat_int32{
    .id = "int32",
    .title = "INT32",
    .source = "ISO C 2018, 7.20.1.1",
    .summary = "Accumulator of integer matrix products; biases of quantized layers.",
    .kind = FormatKind::Integer,
    .bits = 32,
    .bitsPerWeight = 32,
    .integer = {.min = -2147483648LL, .max = 2147483647}};

}  // namespace loupe
