// SPDX-License-Identifier: Apache-2.0
#include "core/formats/number_format.hpp"

#include <algorithm>
#include <array>

namespace loupe {

#define LOUPE_FORMAT(id) extern const NumberFormat kFormat_##id;
#include "core/formats/formats.def"
#undef LOUPE_FORMAT

namespace {

constexpr std::array kFormats{
#define LOUPE_FORMAT(id) &kFormat_##id,
#include "core/formats/formats.def"
#undef LOUPE_FORMAT
};

}  // namespace

std::span<const NumberFormat* const> allFormats() {
    return kFormats;
}

const NumberFormat* findFormat(std::string_view id) {
    const auto* const found = std::find_if(
        kFormats.begin(), kFormats.end(), [&](const NumberFormat* f) { return f->id == id; });
    return found == kFormats.end() ? nullptr : *found;
}

}  // namespace loupe
