// SPDX-License-Identifier: Apache-2.0
#include "core/formats/kernel_setup.hpp"

#include "core/formats/rounding.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace loupe::detail {

namespace {

std::int32_t floatBits(double value) {
    return std::bit_cast<std::int32_t>(static_cast<float>(value));
}
std::int64_t doubleBits(double value) {
    return std::bit_cast<std::int64_t>(value);
}
std::int32_t code32(std::uint64_t code) {
    return static_cast<std::int32_t>(code);
}

/// Magnitude of what an overflow gives.
double overflowValue(const NumberFormat& format, Overflow overflow) {
    if (saturates(format, overflow)) {
        return limits(format).max;
    }
    return format.floating.specials == Specials::Ieee ? std::numeric_limits<double>::infinity()
                                                      : std::numeric_limits<double>::quiet_NaN();
}

int topExponent(const NumberFormat& format) {
    return std::ilogb(limits(format).max);
}

std::int32_t signedSpecials(const FloatLayout& layout) {
    return layout.specials == Specials::NanNegativeZero ? 0 : -1;
}

/// The float t for which `x > t` says the same as `x > border` (or `x >= border`) of every float x.
float threshold(double border, bool atBorderToo) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const auto near = static_cast<float>(border);
    if (static_cast<double>(near) == border) {
        return atBorderToo ? std::nextafter(near, -kInfinity) : near;
    }
    return static_cast<double>(near) > border ? std::nextafter(near, -kInfinity) : near;
}

}  // namespace

bool isMiniFloat(const NumberFormat& format) {
    return format.kind == FormatKind::Float && format.floating.hasZero &&
           format.floating.exponentBits < 8;
}

bool isShortFloat(const NumberFormat& format) {
    return format.kind == FormatKind::Float && format.floating.hasZero &&
           format.floating.exponentBits >= 8;
}

MiniFloat miniFloat(const NumberFormat& format, Overflow overflow) {
    const FloatLayout& layout = format.floating;
    const FloatCodes codes = floatCodes(layout);
    MiniFloat mini;
    mini.mantissaBits = layout.mantissaBits;
    mini.minExponentBits = (1 - layout.bias + 127) << 23;
    mini.magicShift = (23 - layout.mantissaBits) << 23;
    mini.capBits = floatBits(std::ldexp(1.0, topExponent(format) + 1));
    mini.maxBits = floatBits(limits(format).max);
    mini.overflowBits = floatBits(overflowValue(format, overflow));
    mini.signedSpecials = signedSpecials(layout);
    mini.maxCode = code32(codes.maxFinite);
    const bool infinite = layout.specials == Specials::Ieee;
    mini.overflowCode = code32(saturates(format, overflow) ? codes.maxFinite
                               : infinite                  ? codes.infinity
                                                           : codes.nan);
    mini.nanCode = code32(codes.nan);
    mini.infinityCode = infinite ? code32(codes.infinity) : -1;
    mini.signShift = 31 - layout.exponentBits - layout.mantissaBits;
    mini.bias = layout.bias;
    mini.subnormalUnit = std::ldexp(1.0F, 1 - layout.bias - layout.mantissaBits);
    return mini;
}

MiniDouble miniDouble(const NumberFormat& format, Overflow overflow) {
    const FloatLayout& layout = format.floating;
    MiniDouble mini;
    mini.minExponentBits = std::int64_t{1 - layout.bias + 1023} << 52;
    mini.magicShift = std::int64_t{52 - layout.mantissaBits} << 52;
    mini.capBits = doubleBits(std::ldexp(1.0, topExponent(format) + 1));
    mini.maxBits = doubleBits(limits(format).max);
    mini.overflowBits = doubleBits(overflowValue(format, overflow));
    mini.signedSpecials = signedSpecials(layout);
    return mini;
}

ShortFloat shortFloat(const NumberFormat& format, Overflow overflow) {
    ShortFloat shorter;
    shorter.shift = std::max(0, 23 - format.floating.mantissaBits);
    if (shorter.shift > 0) {
        shorter.lastBit = std::int32_t{1} << shorter.shift;
        shorter.half = (shorter.lastBit >> 1) - 1;
        shorter.keep = -shorter.lastBit;
    }
    // The largest FP64 is no float; as one it is infinity, as the scalar codec's result is.
    shorter.maxBits = std::min(floatBits(limits(format).max),
                               floatBits(static_cast<double>(std::numeric_limits<float>::max())));
    shorter.overflowBits = floatBits(overflowValue(format, overflow));
    return shorter;
}

IntegerRange integerRange(const NumberFormat& format) {
    return {static_cast<float>(format.integer.min),
            static_cast<float>(format.integer.max),
            (std::int32_t{1} << format.bits) - 1};
}

Book book(const NumberFormat& format) {
    std::vector<std::size_t> order;
    for (std::size_t code = 0; code < format.codebook.size(); ++code) {
        if (format.codebook[code] != 0 || !std::signbit(format.codebook[code])) {
            order.push_back(code);
        }
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return format.codebook[a] < format.codebook[b];
    });
    Book result;
    std::fill(std::begin(result.thresholds),
              std::end(result.thresholds),
              std::numeric_limits<float>::infinity());
    for (std::size_t k = 0; k < order.size(); ++k) {
        const float level = format.codebook[order[k]];
        result.levels[k] = level;
        result.codes[k] = static_cast<std::int32_t>(order[k]);
        if (level == 0) {
            result.zeroCode = result.codes[k];
        }
        if (k > 0) {
            const double border =
                (static_cast<double>(result.levels[k - 1]) + static_cast<double>(level)) / 2;
            result.thresholds[k] = threshold(border, isSignMagnitude(format) && border < 0);
        }
    }
    if (isSignMagnitude(format)) {
        result.signedZero = -1;
        result.negativeZeroCode =
            result.zeroCode + static_cast<std::int32_t>(format.codebook.size() / 2);
    }
    return result;
}

std::int32_t refused(const NumberFormat& format, Overflow overflow) {
    const bool isFloat = format.kind == FormatKind::Float;
    const bool hasNan = isFloat && format.floating.specials != Specials::None;
    const bool takesInfinity = format.kind != FormatKind::Integer || overflow == Overflow::Saturate;
    return (hasNan ? 0 : kSeenNan) | (takesInfinity ? 0 : kSeenInfinity);
}

}  // namespace loupe::detail
