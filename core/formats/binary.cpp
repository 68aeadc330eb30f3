// SPDX-License-Identifier: Apache-2.0
// values -1 (code 0) and +1 (code 1)
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_binary;
constinit const NumberFormat kFormat_binary{
    .id = "binary",
    .title = "Binary",
    .source = "Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279",
    .summary =
        "Weights of XNOR-Net and ggml Q1_0: the sign alone; bit 1 is +1, bit 0 is -1, zero goes to "
        "+1.",
    .kind = FormatKind::Integer,
    .bits = 1,
    .bitsPerWeight = 1,
    .integer = {.min = -1, .max = 1}};

}  // namespace loupe
