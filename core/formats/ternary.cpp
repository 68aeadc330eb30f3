// SPDX-License-Identifier: Apache-2.0
// values -1, 0, 1 as two's complement codes 0b11, 0b00, 0b01 ; 0b10 means nothing
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_ternary;
constinit const NumberFormat kFormat_ternary{
    .id = "ternary",
    .title = "Ternary",
    .source = "Ma et al. 2024, The Era of 1-bit LLMs, arXiv:2402.17764",
    .summary =
        "Weights of BitNet b1.58 and TWN: -1, 0, +1 (log2 3 = 1.585 bits each where packed well).",
    .kind = FormatKind::Integer,
    .bits = 2,
    .bitsPerWeight = 1.584962500721156,  // log2 3
    .integer = {.min = -1, .max = 1}};

}  // namespace loupe
