// SPDX-License-Identifier: Apache-2.0
// max = (2 - 2^-10) * 2^15 = 65504 ; min normal = 2^-14 ; min subnormal = 2^-24
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_fp16;
constinit const NumberFormat kFormat_fp16{
    .id = "fp16",
    .title = "FP16",
    .source = "IEEE 754-2019, section 3.6, binary16",
    .summary = "Inference and mixed-precision training with loss scaling.",
    .kind = FormatKind::Float,
    .bits = 16,
    .bitsPerWeight = 16,
    .floating = {.exponentBits = 5, .mantissaBits = 10, .bias = 15, .specials = Specials::Ieee}};

}  // namespace loupe
