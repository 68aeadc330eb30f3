// SPDX-License-Identifier: Apache-2.0
// [0, 2^32 - 1]
#include "core/formats/number_format.hpp"

namespace loupe {

extern const NumberFormat kFormat_uint32;
constinit const NumberFormat kFormat_uint32{.id = "uint32",
                                            .title = "UINT32",
                                            .source = "ISO C 2018, 7.20.1.1",
                                            .summary = "Indices and packed words.",
                                            .kind = FormatKind::Integer,
                                            .bits = 32,
                                            .bitsPerWeight = 32,
                                            .integer = {.min = 0, .max = 4294967295LL}};

}  // namespace loupe
