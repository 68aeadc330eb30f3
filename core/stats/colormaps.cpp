// SPDX-License-Identifier: Apache-2.0
#include "core/stats/colormaps.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/assert.hpp"

namespace loupe {

namespace {

#include "core/stats/colormap_tables.inc"

constexpr int kPerSide = 256;
constexpr std::size_t kDivergingSize = 2 * kPerSide - 1;
constexpr std::uint32_t kOpaque = 0xff000000U;

struct Rgb {
    double r, g, b;  // linear light, 0 to 1
};
struct Lab {
    double l, a, b;
};

// D65, 2 degrees; the white of sRGB.
constexpr double kWhiteX = 0.95047;
constexpr double kWhiteZ = 1.08883;

/// IEC 61966-2-1.
double toLinear(double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); }
double toGamma(double c) { return c <= 0.0031308 ? c * 12.92 : 1.055 * std::pow(c, 1 / 2.4) - 0.055; }

Rgb linear(std::uint32_t rgb) {
    const auto channel = [&](int shift) { return toLinear(static_cast<double>((rgb >> shift) & 0xffU) / 255.0); };
    return {channel(16), channel(8), channel(0)};
}

double luminance(const Rgb& c) { return 0.2126729 * c.r + 0.7151522 * c.g + 0.0721750 * c.b; }

double labCurve(double t) { return t > 216.0 / 24389.0 ? std::cbrt(t) : (24389.0 / 27.0 * t + 16.0) / 116.0; }
double labCurveInverse(double f) {
    return f > 6.0 / 29.0 ? f * f * f : (116.0 * f - 16.0) * 27.0 / 24389.0;
}

Lab toLab(std::uint32_t rgb) {
    const Rgb c = linear(rgb);
    const double x = labCurve((0.4124564 * c.r + 0.3575761 * c.g + 0.1804375 * c.b) / kWhiteX);
    const double y = labCurve(luminance(c));
    const double z = labCurve((0.0193339 * c.r + 0.1191920 * c.g + 0.9503041 * c.b) / kWhiteZ);
    return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

std::uint32_t fromLab(const Lab& lab) {
    const double fy = (lab.l + 16) / 116;
    const double x = kWhiteX * labCurveInverse(fy + lab.a / 500);
    const double y = labCurveInverse(fy);
    const double z = kWhiteZ * labCurveInverse(fy - lab.b / 200);
    const auto code = [](double linearLight) {
        const double c = std::clamp(toGamma(std::clamp(linearLight, 0.0, 1.0)), 0.0, 1.0);
        return static_cast<std::uint32_t>(std::lround(c * 255));
    };
    return kOpaque | code(3.2404542 * x - 1.5371385 * y - 0.4985314 * z) << 16 |
           code(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z) << 8 |
           code(0.0556434 * x - 0.2040259 * y + 1.0572252 * z);
}

using Diverging = std::array<std::uint32_t, kDivergingSize>;

/// Nine stops from the lowest to the highest value, interpolated in CIELAB. Where two mirrored stops differ by more than
/// 0.6 in L* (rounding must stay within 1), both give way by half of the excess; other stops are met exactly.
Diverging diverging(const std::array<std::uint32_t, 9>& colors) {
    std::array<Lab, 9> stops{};
    for (std::size_t k = 0; k < stops.size(); ++k) {
        stops[k] = toLab(colors[k]);
    }
    for (std::size_t k = 0; k < 4; ++k) {
        const double difference = stops[k].l - stops[8 - k].l;
        const double shift = std::copysign(std::max(0.0, std::fabs(difference) - 0.6) / 2, difference);
        stops[k].l -= shift;
        stops[8 - k].l += shift;
    }
    Diverging table{};
    const double step = static_cast<double>(kDivergingSize - 1) / 8;
    for (std::size_t i = 0; i < table.size(); ++i) {
        const double position = static_cast<double>(i) / step;
        const auto k = std::min<std::size_t>(static_cast<std::size_t>(position), 7);
        const double t = position - static_cast<double>(k);
        const Lab& from = stops[k];
        const Lab& to = stops[k + 1];
        table[i] = fromLab({from.l + t * (to.l - from.l), from.a + t * (to.a - from.a), from.b + t * (to.b - from.b)});
    }
    return table;
}

std::array<std::uint32_t, 256> greys() {
    std::array<std::uint32_t, 256> table{};
    for (std::size_t i = 0; i < table.size(); ++i) {
        table[i] = kOpaque | static_cast<std::uint32_t>(i) * 0x010101U;
    }
    return table;
}

}  // namespace

const ColorTable& colorTable(ColorMapId id) {
    static const Diverging signedEntries = diverging({0x005083, 0x2574AE, 0x619AD3, 0xA2C3EC, 0xF2F2F2, 0xF3B286,
                                                      0xD48244, 0xAB5914, 0x7C3800});
    static const Diverging againstEntries = diverging({0x61378B, 0x8958B8, 0xB181DC, 0xD6B2F3, 0xF2F2F2, 0x82CEC6,
                                                       0x1EA79E, 0x008077, 0x005953});
    static const std::array<std::uint32_t, 256> greyEntries = greys();
    static const std::array<ColorTable, kColorMapCount> tables = {
        ColorTable{"viridis", "Viridis", false, kViridis, 0xff000000U, 0xffffffffU},
        ColorTable{"cividis", "Cividis", false, kCividis, 0xff000000U, 0xffffffffU},
        ColorTable{"signed", "Signed (blue to orange)", true, signedEntries, 0xff06142eU, 0xff3a1600U},
        ColorTable{"a_against_b", "A against B (teal, violet)", true, againstEntries, 0xff2a0b4aU, 0xff00302cU},
        // Grey has no dark or light left for its caps: the two ends of the signed map.
        ColorTable{"grey", "Grey", false, greyEntries, 0xff005083U, 0xffd48244U},
    };
    const auto index = static_cast<std::size_t>(id);
    LOUPE_ASSERT(index < tables.size(), "a colour map that exists");
    return tables[index];
}

std::optional<ColorMapId> parseColorMap(std::string_view id) {
    for (int i = 0; i < kColorMapCount; ++i) {
        if (colorTable(static_cast<ColorMapId>(i)).id == id) {
            return static_cast<ColorMapId>(i);
        }
    }
    return std::nullopt;
}

double lightness(std::uint32_t rgb) { return toLab(rgb).l; }

double contrastRatio(std::uint32_t a, std::uint32_t b) {
    const double first = luminance(linear(a)) + 0.05;
    const double second = luminance(linear(b)) + 0.05;
    return std::max(first, second) / std::min(first, second);
}

std::uint32_t textColorOn(std::uint32_t rgb) {
    return contrastRatio(rgb, 0xff000000U) >= contrastRatio(rgb, 0xffffffffU) ? 0xff000000U : 0xffffffffU;
}

}  // namespace loupe
