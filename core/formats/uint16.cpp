// SPDX-License-Identifier: Apache-2.0
// [0, 2^16 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_uint16;
constinit const NumberFormat kFormat_uint16{.id = "uint16",
                                            .title = "UINT16",
                                            .source = "ISO C 2018, 7.20.1.1",
                                            .summary = "Indices; codes of larger codebooks.",
                                            .kind = FormatKind::Integer,
                                            .bits = 16,
                                            .bitsPerWeight = 16,
                                            .integer = {.min = 0, .max = 65535}};

}  // namespace loupe
