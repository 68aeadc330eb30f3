// SPDX-License-Identifier: Apache-2.0
// Two's complement [-2^15, 2^15 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_int16;
constinit const NumberFormat kFormat_int16{
    .id = "int16",
    .title = "INT16",
    .source = "ISO C 2018, 7.20.1.1",
    .summary = "Activations in mixed integer schemes; audio and sensor data.",
    .kind = FormatKind::Integer,
    .bits = 16,
    .bitsPerWeight = 16,
    .integer = {.min = -32768, .max = 32767}};

}  // namespace loupe
