// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace loupe {

/// "13.48 GB": decimal units, 1 GB = 10^9 bytes, four significant digits.
[[nodiscard]] std::string decimalBytes(double bytes);
/// "12.55 GiB": binary units, 1 GiB = 2^30 bytes, four significant digits.
[[nodiscard]] std::string binaryBytes(double bytes);

}  // namespace loupe
