// SPDX-License-Identifier: Apache-2.0
#include "core/formats/codec.hpp"

#include "core/base/assert.hpp"
#include "core/base/rng.hpp"
#include "core/formats/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace loupe {

namespace {

double decodeFloat(const FloatLayout& layout, std::uint64_t code) {
    const detail::FloatCodes codes = detail::floatCodes(layout);
    const bool negative = (code & codes.sign) != 0;
    const std::uint64_t magnitude = code & ~codes.sign;
    const double sign = negative ? -1.0 : 1.0;
    if (layout.specials == Specials::NanNegativeZero && code == codes.nan) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    if (magnitude > codes.maxFinite) {
        const bool infinite = layout.specials == Specials::Ieee && magnitude == codes.infinity;
        return std::copysign(infinite ? std::numeric_limits<double>::infinity()
                                      : std::numeric_limits<double>::quiet_NaN(),
                             sign);
    }
    const auto field = static_cast<int>(magnitude >> layout.mantissaBits);
    const std::uint64_t hidden = std::uint64_t{1} << layout.mantissaBits;
    const std::uint64_t fraction = magnitude & (hidden - 1);
    if (!layout.hasZero) {
        return std::ldexp(static_cast<double>(hidden + fraction),
                          field - layout.bias - layout.mantissaBits);
    }
    const std::uint64_t significand = fraction + (field > 0 ? hidden : 0);
    return sign * std::ldexp(static_cast<double>(significand),
                             std::max(field, 1) - layout.bias - layout.mantissaBits);
}

double decodeInteger(const NumberFormat& format, std::uint64_t code) {
    if (detail::isBinary(format)) {
        return code != 0 ? 1.0 : -1.0;
    }
    const bool negative = format.integer.min < 0 && ((code >> (format.bits - 1)) & 1U) != 0;
    LOUPE_ASSERT(format.bits < 64, "integer formats have at most 32 bits");
    const auto value =
        static_cast<std::int64_t>(code) - (negative ? std::int64_t{1} << format.bits : 0);
    // Ternary leaves one of its four codes unused.
    return value < format.integer.min ? std::numeric_limits<double>::quiet_NaN()
                                      : static_cast<double>(value);
}

}  // namespace

std::optional<Overflow> parseOverflow(std::string_view name) {
    if (name == "special") {
        return Overflow::Special;
    }
    if (name == "saturate") {
        return Overflow::Saturate;
    }
    return name == "default" ? std::optional(Overflow::Default) : std::nullopt;
}

std::optional<Rounding> parseRounding(std::string_view name) {
    if (name == "nearest") {
        return Rounding::Nearest;
    }
    if (name == "away") {
        return Rounding::Away;
    }
    if (name == "zero") {
        return Rounding::Zero;
    }
    return name == "stochastic" ? std::optional(Rounding::Stochastic) : std::nullopt;
}

double decode(const NumberFormat& format, std::uint64_t code) {
    LOUPE_ASSERT(format.bits == 64 || code >> format.bits == 0,
                 "bits above the format's must be 0");
    switch (format.kind) {
        case FormatKind::Float:
            return decodeFloat(format.floating, code);
        case FormatKind::Integer:
            return decodeInteger(format, code);
        case FormatKind::Codebook:
            return static_cast<double>(format.codebook[code]);
        case FormatKind::Block:
            break;
    }
    throw LogicError("a block has no code of its own");
}

Result<std::uint64_t> encode(const NumberFormat& format,
                             double value,
                             const EncodeOptions& options) {
    if (!std::isfinite(value)) {
        return detail::specialToCode(
            format, std::isnan(value), std::signbit(value), options.overflow);
    }
    const std::uint64_t random =
        options.rounding == Rounding::Stochastic ? randomBits(options.seed, options.index) : 0;
    return detail::roundToCode(format, detail::scaledFrom(value), options, random).code;
}

std::string_view numberClassName(NumberClass kind) {
    switch (kind) {
        case NumberClass::Normal:
            return "normal";
        case NumberClass::Subnormal:
            return "subnormal";
        case NumberClass::Zero:
            return "zero";
        case NumberClass::Infinite:
            return "infinite";
        case NumberClass::NaN:
            return "nan";
    }
    return "nan";
}

NumberClass classify(const NumberFormat& format, std::uint64_t code) {
    const double value = decode(format, code);
    if (std::isnan(value)) {
        return NumberClass::NaN;
    }
    if (std::isinf(value)) {
        return NumberClass::Infinite;
    }
    if (value == 0) {
        return NumberClass::Zero;
    }
    if (format.kind == FormatKind::Float && format.floating.hasZero) {
        const std::uint64_t magnitude = code & ~detail::floatCodes(format.floating).sign;
        return magnitude >> format.floating.mantissaBits == 0 ? NumberClass::Subnormal
                                                              : NumberClass::Normal;
    }
    return NumberClass::Normal;
}

}  // namespace loupe
