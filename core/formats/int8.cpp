// SPDX-License-Identifier: Apache-2.0
// Two's complement [-2^7, 2^7 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_int8;
constinit const NumberFormat kFormat_int8{
    .id = "int8",
    .title = "INT8",
    .source = "ISO C 2018, 7.20.1.1",
    .summary = "Weights and activations of W8A8 and LLM.int8().",
    .kind = FormatKind::Integer,
    .bits = 8,
    .bitsPerWeight = 8,
    .integer = {.min = -128, .max = 127}};

}  // namespace loupe
