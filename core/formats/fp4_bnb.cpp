// SPDX-License-Identifier: Apache-2.0
// {0, 0.0625, 8, 12, 4, 6, 2, 3} / 12 by code, bit 3 = sign: not OCP E2M1 and not in order of code.
// Ties go to the smaller magnitude.
#include "core/formats/number_format.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array<float, 16> kLevels{0.0F,
                                        0.0625F / 12,
                                        8.0F / 12,
                                        1.0F,
                                        4.0F / 12,
                                        0.5F,
                                        2.0F / 12,
                                        0.25F,
                                        -0.0F,
                                        -0.0625F / 12,
                                        -8.0F / 12,
                                        -1.0F,
                                        -4.0F / 12,
                                        -0.5F,
                                        -2.0F / 12,
                                        -0.25F};

}  // namespace

extern const NumberFormat kFormat_fp4_bnb;
constinit const NumberFormat kFormat_fp4_bnb{
    .id = "fp4_bnb",
    .title = "FP4 (bitsandbytes)",
    .source = "bitsandbytes 0.50.2, functional.py and csrc/kernels.cu",
    .summary = "The 4-bit float of bitsandbytes, scaled to [-1, 1].",
    .kind = FormatKind::Codebook,
    .bits = 4,
    .bitsPerWeight = 4,
    .codebook = kLevels};

}  // namespace loupe
