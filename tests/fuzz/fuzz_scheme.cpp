// SPDX-License-Identifier: Apache-2.0
// Scheme strings: whatever is accepted has a canonical string that reads back as the same scheme.
#include "core/scheme/scheme.hpp"
#include "core/scheme/step.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const loupe::Result<loupe::Scheme> scheme = loupe::parseScheme(text);
    if (!scheme) {
        return 0;
    }
    const std::string canonical = loupe::toString(*scheme);
    const loupe::Result<loupe::Scheme> again = loupe::parseScheme(canonical);
    if (!again || !(*again == *scheme) || loupe::toString(*again) != canonical ||
        loupe::title(*scheme).empty()) {
        std::abort();
    }
    return 0;
}
