// SPDX-License-Identifier: Apache-2.0
// max = (2 - 2^-7) * 2^127 ; min normal = 2^-126 ; min subnormal = 2^-133
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_bf16;
constinit const NumberFormat kFormat_bf16{
    .id = "bf16",
    .title = "BF16",
    .source = "Intel BFLOAT16 Hardware Numerics Definition, rev 1.0 (2018)",
    .summary =
        "Training and checkpoints of most language models: the range of FP32 with 8 significant "
        "bits.",
    .kind = FormatKind::Float,
    .bits = 16,
    .bitsPerWeight = 16,
    .floating = {.exponentBits = 8, .mantissaBits = 7, .bias = 127, .specials = Specials::Ieee}};

}  // namespace loupe
