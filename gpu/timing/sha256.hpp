// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace loupe::gpu {

/// SHA-256 (FIPS 180-4) in hex: which text of a kernel a record belongs to.
[[nodiscard]] std::string sha256Hex(std::string_view text);

}  // namespace loupe::gpu
