// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"

#include <array>
#include <charconv>
#include <string_view>

namespace loupe {

namespace {

std::string scaled(double bytes, double base, const std::array<std::string_view, 6>& units) {
    std::size_t unit = 0;
    while (bytes >= base && unit + 1 < units.size()) {
        bytes /= base;
        ++unit;
    }
    const int decimals = unit == 0 ? 0 : bytes < 10 ? 2 : bytes < 100 ? 2 : 1;
    std::array<char, 64> buffer{};
    const auto result =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), bytes, std::chars_format::fixed, decimals);
    return std::string(buffer.data(), result.ptr) + " " + std::string(units[unit]);
}

}  // namespace

std::string decimalBytes(double bytes) {
    return scaled(bytes, 1000.0, {"B", "kB", "MB", "GB", "TB", "PB"});
}

std::string binaryBytes(double bytes) {
    return scaled(bytes, 1024.0, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"});
}

}  // namespace loupe
