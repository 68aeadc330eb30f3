// SPDX-License-Identifier: Apache-2.0
// Two's complement [-2^3, 2^3 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_int4;
constinit const NumberFormat kFormat_int4{
    .id = "int4",
    .title = "INT4",
    .source = "ONNX 1.16 operators, Cast, 4-bit integers",
    .summary = "Weights of GPTQ, AWQ and most 4-bit checkpoints.",
    .kind = FormatKind::Integer,
    .bits = 4,
    .bitsPerWeight = 4,
    .integer = {.min = -8, .max = 7}};

}  // namespace loupe
