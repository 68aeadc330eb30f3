// SPDX-License-Identifier: Apache-2.0
// max = (2 - 2^-10) * 2^127 ; min normal = 2^-126 ; min subnormal = 2^-136 (formal)
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_tf32;
constinit const NumberFormat kFormat_tf32{
    .id = "tf32",
    .title = "TF32",
    .source = "NVIDIA A100 Tensor Core GPU Architecture, white paper (2020)",
    .summary =
        "What Ampere tensor cores read of an FP32 operand; lives in 32-bit words, the low 13 bits "
        "zero.",
    .kind = FormatKind::Float,
    .bits = 19,
    .bitsPerWeight = 19,
    .floating = {.exponentBits = 8, .mantissaBits = 10, .bias = 127, .specials = Specials::Ieee}};

}  // namespace loupe
