// SPDX-License-Identifier: Apache-2.0
// [0, 2^4 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_uint4;
constinit const NumberFormat kFormat_uint4{
    .id = "uint4",
    .title = "UINT4",
    .source = "ONNX 1.16 operators, Cast, 4-bit integers",
    .summary = "Asymmetric 4-bit quantization with a zero point.",
    .kind = FormatKind::Integer,
    .bits = 4,
    .bitsPerWeight = 4,
    .integer = {.min = 0, .max = 15}};

}  // namespace loupe
