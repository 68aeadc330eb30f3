// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/equation_label.hpp"
#include "core/formats/codec.hpp"

#include <cstdint>
#include <vector>

namespace loupe::app {

/// What a code means, with its numbers: "value = (−1)^1 · 2^(9−15) · (1 + 173/1024) exactly".
/// Numbers wear their field's colour.
[[nodiscard]] std::vector<EquationRun> storedEquation(const NumberFormat& format,
                                                      std::uint64_t code);

}  // namespace loupe::app
