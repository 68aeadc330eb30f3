// SPDX-License-Identifier: Apache-2.0
// Texts and fat binaries inside the program; the table is generated.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace loupe::gpu {

struct EmbeddedFamily {
    std::string_view family;
    std::string_view sha256;  ///< of the text; empty for what is no family
    const char* textBegin = nullptr;
    const char* textEnd = nullptr;
    const char* deviceBegin = nullptr;  ///< nullptr without nvcc
    const char* deviceEnd = nullptr;
};
[[nodiscard]] std::span<const EmbeddedFamily> embeddedFamilies();

}  // namespace loupe::gpu
