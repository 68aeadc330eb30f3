// SPDX-License-Identifier: Apache-2.0
// [0, 2^8 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_uint8;
constinit const NumberFormat kFormat_uint8{
    .id = "uint8",
    .title = "UINT8",
    .source = "ISO C 2018, 7.20.1.1",
    .summary = "Asymmetric 8-bit quantization with a zero point.",
    .kind = FormatKind::Integer,
    .bits = 8,
    .bitsPerWeight = 8,
    .integer = {.min = 0, .max = 255}};

}  // namespace loupe
