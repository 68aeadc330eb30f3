// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace loupe {

enum class ColorMapId : std::uint8_t {
    Viridis,   ///< magnitude, error, density, codes (default)
    Cividis,   ///< the same, made for all forms of colour-vision deficiency
    Signed,    ///< blue (negative) - light grey (0) - orange (positive)
    AAgainstB, ///< of |eB| - |eA|: violet where B is closer (negative), teal where A is (positive)
    Grey,      ///< sRGB greys from black to white
};
inline constexpr int kColorMapCount = 5;

/// A colour map: entries from the lowest to the highest value, and the end caps for values out of range.
struct ColorTable {
    std::string_view id;     ///< "viridis": sessions, options
    std::string_view title;  ///< for people
    bool diverging = false;  ///< 511 entries with 0 in the middle; else 256
    std::span<const std::uint32_t> entries;  ///< 0xffRRGGBB
    std::uint32_t below = 0;
    std::uint32_t above = 0;
};

/// The table of a map; made on first use, lives for ever. Thread-safe.
[[nodiscard]] const ColorTable& colorTable(ColorMapId id);

[[nodiscard]] std::optional<ColorMapId> parseColorMap(std::string_view id);

/// CIELAB lightness of an sRGB colour, 0 to 100 (D65).
[[nodiscard]] double lightness(std::uint32_t rgb);

/// WCAG contrast ratio of two colours, 1 to 21.
[[nodiscard]] double contrastRatio(std::uint32_t a, std::uint32_t b);

/// Black or white, whichever contrasts more: text in a cell of this colour (always at least 4.58).
[[nodiscard]] std::uint32_t textColorOn(std::uint32_t rgb);

}  // namespace loupe
