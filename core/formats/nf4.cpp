// SPDX-License-Identifier: Apache-2.0
// 7 negative levels, zero, 8 positive ones; the exact FP32 values that bitsandbytes ships. Ties go
// to the lower value.
#include "core/formats/number_format.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array<float, 16> kLevels{-1.0F,
                                        -0.6961928009986877F,
                                        -0.5250730514526367F,
                                        -0.39491748809814453F,
                                        -0.28444138169288635F,
                                        -0.18477343022823334F,
                                        -0.09105003625154495F,
                                        0.0F,
                                        0.07958029955625534F,
                                        0.16093020141124725F,
                                        0.24611230194568634F,
                                        0.33791524171829224F,
                                        0.44070982933044434F,
                                        0.5626170039176941F,
                                        0.7229568362236023F,
                                        1.0F};

}  // namespace

extern const NumberFormat kFormat_nf4;
constinit const NumberFormat kFormat_nf4{
    .id = "nf4",
    .title = "NF4",
    .source = "Dettmers et al. 2023, QLoRA, arXiv:2305.14314, appendix E",
    .summary = "Weights of QLoRA: 16 quantiles of the normal distribution, scaled to [-1, 1].",
    .kind = FormatKind::Codebook,
    .bits = 4,
    .bitsPerWeight = 4,
    .codebook = kLevels};

}  // namespace loupe
