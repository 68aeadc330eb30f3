// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

struct CompiledText {
    std::vector<char> image;  ///< a cubin for the architecture asked for
    std::string version;      ///< of the compiler: "13.0"
};

/// Compiles a family's text with the machine's own NVRTC, where the fat binary is missing or the
/// driver takes none of it. Needs no GPU.
/// @errors Unsupported: no NVRTC, or too old for the architecture; Invalid: the compiler's first
/// error line
[[nodiscard]] Result<CompiledText> compileWithNvrtc(std::string_view family, int capability);

/// Version of the NVRTC that would be used; empty: none.
[[nodiscard]] std::string nvrtcVersion();

}  // namespace loupe::gpu
