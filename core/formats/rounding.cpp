// SPDX-License-Identifier: Apache-2.0
#include "core/formats/rounding.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace loupe::detail {

namespace {

/// Value / 2^unit as an integer part and what is left of it, ready for the decision.
struct Split {
    std::uint64_t whole = 0;
    std::uint64_t fraction = 0;  ///< of 2^-64 units, rounded down
    bool exact = true;
};

/// @param unit exponent of the grid, at least value.exponent
Split split(const Scaled& value, int unit) {
    const int shift = unit - value.exponent;
    const std::uint64_t s = value.significand;
    Split part;
    if (shift == 0) {
        part = {s, 0, !value.sticky};
    } else if (shift < 64) {
        part = {s >> shift, s << (64 - shift), !value.sticky};
    } else {
        const int lost = std::min(shift - 64, 64);
        part.fraction = lost == 64 ? 0 : s >> lost;
        part.exact = !value.sticky && (lost == 0 || (lost < 64 ? (s << (64 - lost)) == 0 : s == 0));
    }
    return part;
}

constexpr std::uint64_t kHalf = std::uint64_t{1} << 63U;

bool roundsUp(const Split& part, Rounding rounding, std::uint64_t random) {
    switch (rounding) {
        case Rounding::Nearest:
            if (part.fraction == kHalf && part.exact) {
                return (part.whole & 1U) != 0;
            }
            return part.fraction >= kHalf;
        case Rounding::Away:
            return part.fraction >= kHalf;
        case Rounding::Zero:
            return false;
        case Rounding::Stochastic:
            return random < part.fraction;
    }
    return false;
}

Rounded saturated(const NumberFormat& format,
                  const FloatCodes& codes,
                  bool negative,
                  Overflow overflow) {
    const std::uint64_t sign = negative ? codes.sign : 0;
    if (saturates(format, overflow)) {
        return {sign | codes.maxFinite, true};
    }
    if (format.floating.specials == Specials::Ieee) {
        return {sign | codes.infinity, true};
    }
    return {format.floating.specials == Specials::NanNegativeZero ? codes.nan : sign | codes.nan,
            true};
}

/// E8M0 has neither sign nor zero. As ml_dtypes 0.6.0: 0 and negatives give NaN; whatever is below
/// 2^-127 gives 2^-127. ml_dtypes rounds the binade (2^-127, 2^-126), subnormal in FP32, on a grid
/// of 2^-126 and so always up.
Rounded roundPowerOfTwo(const NumberFormat& format,
                        const Scaled& value,
                        const EncodeOptions& options,
                        std::uint64_t random) {
    const FloatCodes codes = floatCodes(format.floating);
    if (value.negative || value.significand == 0) {
        return {codes.nan, false};
    }
    const int lowest = -format.floating.bias;
    const int exponent = value.exponent + 63;
    if (exponent < lowest) {
        return {0, false};
    }
    const bool asSubnormal = exponent == lowest && options.rounding == Rounding::Nearest;
    const Split part = split(value, exponent);
    const bool up = asSubnormal ? !(part.fraction == 0 && part.exact)
                                : roundsUp(part, options.rounding, random);
    const auto code = static_cast<std::int64_t>(exponent) - lowest + (up ? 1 : 0);
    if (code > static_cast<std::int64_t>(codes.maxFinite)) {
        return saturated(format, codes, false, options.overflow);
    }
    return {static_cast<std::uint64_t>(code), false};
}

Rounded roundFloat(const NumberFormat& format,
                   const Scaled& value,
                   const EncodeOptions& options,
                   std::uint64_t random) {
    const FloatLayout& layout = format.floating;
    if (!layout.hasZero) {
        return roundPowerOfTwo(format, value, options, random);
    }
    const FloatCodes codes = floatCodes(layout);
    // A format without negative zero spends that code on NaN.
    const bool signedZero = layout.specials != Specials::NanNegativeZero;
    std::uint64_t magnitude = 0;
    if (value.significand != 0) {
        const int minExponent = 1 - layout.bias;
        const int exponent = std::max(value.exponent + 63, minExponent);
        if (exponent >
            layout.bias + 1) {  // beyond every layout here, and out of reach of the shift below
            return saturated(format, codes, value.negative, options.overflow);
        }
        const Split part = split(value, exponent - layout.mantissaBits);
        // Subnormals, and the carry into the next exponent, fall out of this sum.
        magnitude = (static_cast<std::uint64_t>(exponent - minExponent) << layout.mantissaBits) +
                    part.whole + (roundsUp(part, options.rounding, random) ? 1 : 0);
        if (magnitude > codes.maxFinite) {
            return saturated(format, codes, value.negative, options.overflow);
        }
    }
    const bool negative = value.negative && (magnitude != 0 || signedZero);
    return {(negative ? codes.sign : 0) | magnitude, false};
}

std::uint64_t integerCode(const NumberFormat& format, std::int64_t value) {
    return static_cast<std::uint64_t>(value) & (~std::uint64_t{0} >> (64 - format.bits));
}

Rounded roundInteger(const NumberFormat& format,
                     const Scaled& value,
                     const EncodeOptions& options,
                     std::uint64_t random) {
    constexpr int kBeyond = 40;  // any integer format here has fewer bits
    const std::int64_t edge = value.negative ? format.integer.min : format.integer.max;
    if (value.significand == 0) {
        return {0, false};
    }
    if (value.exponent + 63 >= kBeyond) {
        return {integerCode(format, edge), true};
    }
    const Split part = split(value, 0);
    const auto magnitude =
        static_cast<std::int64_t>(part.whole) + (roundsUp(part, options.rounding, random) ? 1 : 0);
    const std::int64_t rounded = value.negative ? -magnitude : magnitude;
    const std::int64_t clamped = std::clamp(rounded, format.integer.min, format.integer.max);
    return {integerCode(format, clamped), clamped != rounded};
}

/// The two levels around a value that lies strictly between them.
struct Gap {
    double lower = 0;
    double upper = 0;
};

/// True for the upper level. `tieUp` decides Nearest at the exact midpoint.
bool picksUpper(
    const Scaled& value, const Gap& gap, Rounding rounding, bool tieUp, std::uint64_t random) {
    const int side = compare(value, (gap.lower + gap.upper) / 2);  // exact: levels are floats
    switch (rounding) {
        case Rounding::Nearest:
            return side > 0 || (side == 0 && tieUp);
        case Rounding::Away:
            return side > 0 || (side == 0 && !value.negative);
        case Rounding::Zero:
            return value.negative;
        case Rounding::Stochastic: {
            const double x = (value.negative ? -1.0 : 1.0) *
                             std::ldexp(static_cast<double>(value.significand), value.exponent);
            const double fraction = (x - gap.lower) / (gap.upper - gap.lower);
            return static_cast<double>(random >> 11U) * 0x1p-53 < fraction;
        }
    }
    return false;
}

/// {-1, +1}: the sign; zero, and every x >= 0, gives +1 whatever the rounding but Stochastic.
Rounded roundBinary(const Scaled& value, const EncodeOptions& options, std::uint64_t random) {
    const bool below = compare(value, -1.0) < 0;
    const bool above = compare(value, 1.0) > 0;
    if (!below && !above && options.rounding == Rounding::Stochastic) {
        return {picksUpper(value, {-1.0, 1.0}, Rounding::Stochastic, true, random)
                    ? std::uint64_t{1}
                    : 0,
                false};
    }
    return {compare(value, 0.0) >= 0 ? std::uint64_t{1} : 0, below || above};
}

Rounded roundCodebook(const NumberFormat& format,
                      const Scaled& value,
                      const EncodeOptions& options,
                      std::uint64_t random) {
    std::optional<std::size_t> lower;
    std::optional<std::size_t> upper;
    const std::span<const float> book = format.codebook;
    // Of +0 and -0, the one with the sign of the input wins.
    const auto better = [&](std::size_t candidate, std::size_t held) {
        return book[candidate] == book[held] && std::signbit(book[candidate]) == value.negative;
    };
    for (std::size_t code = 0; code < book.size(); ++code) {
        const int side = compare(value, static_cast<double>(book[code]));
        if (side >= 0 && (!lower || book[code] > book[*lower] || better(code, *lower))) {
            lower = code;
        }
        if (side <= 0 && (!upper || book[code] < book[*upper] || better(code, *upper))) {
            upper = code;
        }
    }
    if (!lower || !upper) {
        return {lower ? *lower : *upper, true};
    }
    if (book[*lower] == book[*upper]) {
        return {*lower, false};
    }
    const Gap gap{static_cast<double>(book[*lower]), static_cast<double>(book[*upper])};
    const bool tieUp = isSignMagnitude(format) && value.negative;
    return {picksUpper(value, gap, options.rounding, tieUp, random) ? *upper : *lower, false};
}

}  // namespace

Scaled scaledFrom(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    constexpr std::uint64_t kFraction = (std::uint64_t{1} << 52U) - 1;
    const int field = static_cast<int>((bits >> 52U) & 0x7FFU);
    std::uint64_t significand = bits & kFraction;
    Scaled scaled;
    scaled.negative = (bits >> 63U) != 0;
    if (field == 0 && significand == 0) {
        return scaled;
    }
    significand |= field == 0 ? 0 : kFraction + 1;
    const int lead = std::countl_zero(significand);
    scaled.significand = significand << lead;
    scaled.exponent = std::max(field, 1) - 1023 - 52 - lead;
    return scaled;
}

int compare(const Scaled& a, double b) {
    const Scaled other = scaledFrom(b);
    const bool aZero = a.significand == 0;
    const bool bZero = other.significand == 0;
    if (aZero || bZero) {
        if (aZero && bZero) {
            return 0;
        }
        return aZero ? (other.negative ? 1 : -1) : (a.negative ? -1 : 1);
    }
    if (a.negative != other.negative) {
        return a.negative ? -1 : 1;
    }
    int magnitude = 0;
    if (a.exponent != other.exponent) {
        magnitude = a.exponent < other.exponent ? -1 : 1;
    } else if (a.significand != other.significand) {
        magnitude = a.significand < other.significand ? -1 : 1;
    } else {
        magnitude = a.sticky ? 1 : 0;
    }
    return a.negative ? -magnitude : magnitude;
}

FloatCodes floatCodes(const FloatLayout& layout) {
    const int width = layout.exponentBits + layout.mantissaBits;
    const std::uint64_t all = (std::uint64_t{1} << width) - 1;
    const std::uint64_t top = ((std::uint64_t{1} << layout.exponentBits) - 1)
                              << layout.mantissaBits;
    FloatCodes codes;
    codes.sign = layout.hasSign ? std::uint64_t{1} << width : 0;
    switch (layout.specials) {
        case Specials::Ieee:
            codes.maxFinite = top - 1;
            codes.infinity = top;
            codes.nan = top | (std::uint64_t{1} << (layout.mantissaBits - 1));
            break;
        case Specials::NanAllOnes:
            codes.maxFinite = all - 1;
            codes.nan = all;
            break;
        case Specials::NanNegativeZero:
            codes.maxFinite = all;
            codes.nan = codes.sign;
            break;
        case Specials::None:
            codes.maxFinite = all;
            break;
    }
    return codes;
}

bool saturates(const NumberFormat& format, Overflow overflow) {
    if (format.kind != FormatKind::Float || format.floating.specials == Specials::None) {
        return true;
    }
    if (overflow == Overflow::Default) {
        // E8M0 has no infinity, but follows ml_dtypes, which gives NaN.
        return format.floating.specials != Specials::Ieee && format.floating.hasZero;
    }
    return overflow == Overflow::Saturate;
}

bool isBinary(const NumberFormat& format) {
    return format.kind == FormatKind::Integer && format.bits == 1;
}

bool isSignMagnitude(const NumberFormat& format) {
    const std::size_t half = format.codebook.size() / 2;
    for (std::size_t code = 0; code < half; ++code) {
        if (format.codebook[code] != -format.codebook[code + half]) {
            return false;
        }
    }
    return half > 0;
}

Rounded roundToCode(const NumberFormat& format,
                    const Scaled& value,
                    const EncodeOptions& options,
                    std::uint64_t random) {
    switch (format.kind) {
        case FormatKind::Float:
            return roundFloat(format, value, options, random);
        case FormatKind::Integer:
            return isBinary(format) ? roundBinary(value, options, random)
                                    : roundInteger(format, value, options, random);
        case FormatKind::Codebook:
            return roundCodebook(format, value, options, random);
        case FormatKind::Block:
            break;
    }
    return {};
}

Result<std::uint64_t> specialToCode(const NumberFormat& format,
                                    bool isNan,
                                    bool negative,
                                    Overflow overflow) {
    const bool isFloat = format.kind == FormatKind::Float;
    if (isNan) {
        if (!isFloat || format.floating.specials == Specials::None) {
            return fail(ErrorCode::Invalid, std::string(format.id) + " has no NaN");
        }
        const FloatCodes codes = floatCodes(format.floating);
        return format.floating.specials == Specials::NanNegativeZero
                   ? codes.nan
                   : codes.nan | (negative ? codes.sign : 0);
    }
    if (isFloat) {
        const FloatCodes codes = floatCodes(format.floating);
        if (!format.floating.hasSign && negative) {
            return codes.nan;
        }
        return saturated(format, codes, negative, overflow).code;
    }
    if (format.kind == FormatKind::Integer && overflow != Overflow::Saturate) {
        return fail(ErrorCode::Invalid,
                    std::string(format.id) +
                        " has no infinity (ask for saturation to get its largest value)");
    }
    const Scaled beyond{negative, false, std::uint64_t{1} << 63U, 4096};
    return roundToCode(format, beyond, {}, 0).code;
}

}  // namespace loupe::detail
