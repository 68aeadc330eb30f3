// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/exact_number.hpp"
#include "core/formats/rounding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string>

namespace loupe {

namespace {

using detail::ExactNumber;

std::string hex(std::uint64_t code, int bits) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string text = "0x";
    for (int digit = (bits + 3) / 4 - 1; digit >= 0; --digit) {
        text += kDigits[(code >> (4 * digit)) & 15U];
    }
    return text;
}

std::string bitString(std::uint64_t code, int from, int count) {
    std::string text;
    for (int bit = from + count - 1; bit >= from; --bit) {
        text += ((code >> bit) & 1U) != 0 ? '1' : '0';
    }
    return text;
}

std::string binary(const NumberFormat& format, std::uint64_t code) {
    if (format.kind != FormatKind::Float) {
        return bitString(code, 0, format.bits);
    }
    const FloatLayout& layout = format.floating;
    std::string text;
    if (layout.hasSign) {
        text.append(bitString(code, format.bits - 1, 1)).append(1, ' ');
    }
    text.append(bitString(code, layout.mantissaBits, layout.exponentBits));
    if (layout.mantissaBits > 0) {
        text.append(1, ' ').append(bitString(code, 0, layout.mantissaBits));
    }
    return text;
}

EncodedNumber::Fields fieldsOf(const FloatLayout& layout, std::uint64_t code) {
    const auto part = [&](int from, int count) {
        return (code >> from) & ((std::uint64_t{1} << count) - 1);
    };
    return {layout.hasSign ? part(layout.exponentBits + layout.mantissaBits, 1) : 0,
            part(layout.mantissaBits, layout.exponentBits),
            part(0, layout.mantissaBits)};
}

std::optional<double> spacing(const NumberFormat& format, double value) {
    if (format.kind == FormatKind::Codebook || !std::isfinite(value)) {
        return std::nullopt;
    }
    if (format.kind == FormatKind::Integer) {
        return detail::isBinary(format) ? 2.0 : 1.0;
    }
    const int lowest = (format.floating.hasZero ? 1 : 0) - format.floating.bias;
    const int exponent = value == 0 ? lowest : std::max(std::ilogb(value), lowest);
    return std::ldexp(1.0, exponent - format.floating.mantissaBits);
}

/// A code and its place among the format's values, for stepping to the next one.
struct Neighbours {
    std::optional<std::uint64_t> below;
    std::optional<std::uint64_t> above;
};

Neighbours floatNeighbours(const NumberFormat& format, std::uint64_t code) {
    const detail::FloatCodes codes = detail::floatCodes(format.floating);
    const std::uint64_t magnitude = code & ~codes.sign;
    const bool negative = (code & codes.sign) != 0;
    Neighbours next;
    std::optional<std::uint64_t>& inward = negative ? next.above : next.below;
    std::optional<std::uint64_t>& outward = negative ? next.below : next.above;
    if (magnitude < codes.maxFinite) {
        outward = code + 1;
    }
    if (magnitude == 0) {
        if (format.floating.hasSign) {
            inward = (code ^ codes.sign) + 1;
        }
    } else if (magnitude == 1 && negative &&
               format.floating.specials == Specials::NanNegativeZero) {
        inward = 0;
    } else {
        inward = std::min(magnitude - 1, codes.maxFinite) | (code & codes.sign);
    }
    return next;
}

/// By value, for the few formats whose codes are in no useful order.
Neighbours smallNeighbours(const NumberFormat& format, double value) {
    Neighbours next;
    for (std::uint64_t code = 0; code < std::uint64_t{1} << format.bits; ++code) {
        const double other = decode(format, code);
        if (other < value && (!next.below || other > decode(format, *next.below))) {
            next.below = code;
        }
        if (other > value && (!next.above || other < decode(format, *next.above))) {
            next.above = code;
        }
    }
    return next;
}

Neighbours neighbours(const NumberFormat& format, std::uint64_t code, double value) {
    if (std::isnan(value)) {
        return {};
    }
    if (format.kind == FormatKind::Float) {
        return floatNeighbours(format, code);
    }
    if (format.kind == FormatKind::Codebook || format.bits <= 2) {
        return smallNeighbours(format, value);
    }
    const std::uint64_t mask = (std::uint64_t{1} << format.bits) - 1;
    Neighbours next;
    if (value > static_cast<double>(format.integer.min)) {
        next.below = (code - 1) & mask;
    }
    if (value < static_cast<double>(format.integer.max)) {
        next.above = (code + 1) & mask;
    }
    return next;
}

/// What the rounding did to `input`: errors and flags.
void compareWithInput(const NumberFormat& format, const ExactNumber& input, EncodedNumber& number) {
    if (input.kind() != ExactNumber::Kind::Finite || !std::isfinite(number.value)) {
        const bool bothNan = input.kind() == ExactNumber::Kind::NaN && std::isnan(number.value);
        const bool sameInfinity = input.kind() == ExactNumber::Kind::Infinite &&
                                  std::isinf(number.value) &&
                                  input.negative() == std::signbit(number.value);
        number.isExact = bothNan || sameInfinity;
        number.absoluteError.reset();
        number.relativeError.reset();
        number.overflow =
            number.overflow || (input.kind() == ExactNumber::Kind::Infinite && !sameInfinity);
        return;
    }
    const ExactNumber distance = input.distanceTo(number.value);
    number.isExact = distance.isZero();
    number.absoluteError = distance.toDouble();
    if (!input.isZero()) {
        number.relativeError = distance.dividedBy(input).toDouble();
    } else if (number.isExact) {
        number.relativeError = 0;
    }
    const std::optional<double> minNormal = limits(format).minNormal;
    number.underflow =
        !number.isExact && !number.overflow && minNormal && std::abs(number.value) < *minNormal;
}

Result<EncodedNumber> encodeExact(const NumberFormat& format,
                                  const ExactNumber& input,
                                  const EncodeOptions& options) {
    if (format.kind == FormatKind::Block) {
        return fail(
            ErrorCode::Unsupported,
            std::string(format.id) + " is a block format: one value has no code of its own");
    }
    std::uint64_t code = 0;
    bool overflow = false;
    if (input.kind() == ExactNumber::Kind::Finite) {
        const std::uint64_t random =
            options.rounding == Rounding::Stochastic ? randomBits(options.seed, options.index) : 0;
        const detail::Rounded rounded =
            detail::roundToCode(format, input.scaled(), options, random);
        code = rounded.code;
        overflow = rounded.overflow;
    } else {
        const bool isNan = input.kind() == ExactNumber::Kind::NaN;
        const Result<std::uint64_t> special =
            detail::specialToCode(format, isNan, input.negative(), options.overflow);
        if (!special) {
            return fail(special.error());
        }
        code = *special;
    }
    EncodedNumber number = describeCode(format, code);
    number.overflow = overflow;
    compareWithInput(format, input, number);
    return number;
}

Result<EncodedNumber> describeBits(const NumberFormat& format, std::string_view text) {
    const bool prefixed = text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X";
    const std::string_view digits = prefixed ? text.substr(2) : text;
    std::uint64_t code = 0;
    const auto [end, status] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (status == std::errc::invalid_argument || end != digits.data() + digits.size()) {
        return fail(ErrorCode::Usage,
                    "expected a hexadecimal code such as bits:0x3f80, found 'bits:" +
                        std::string(text) + "'");
    }
    if (status != std::errc{} || (format.bits < 64 && code >> format.bits != 0)) {
        return fail(ErrorCode::Usage,
                    "expected a code of " + std::to_string(format.bits) + " bits for " +
                        std::string(format.id) + ", found '" + std::string(text) + "'");
    }
    const bool unused = format.kind == FormatKind::Integer && std::isnan(decode(format, code));
    if (unused) {
        return fail(ErrorCode::Invalid,
                    hex(code, format.bits) + " is no code of " + std::string(format.id));
    }
    return describeCode(format, code);
}

}  // namespace

Result<EncodedNumber> encodeText(const NumberFormat& format,
                                 std::string_view text,
                                 const EncodeOptions& options) {
    if (format.kind != FormatKind::Block && text.substr(0, 5) == "bits:") {
        return describeBits(format, text.substr(5));
    }
    const Result<ExactNumber> input = ExactNumber::parse(text);
    if (!input) {
        constexpr std::size_t kShown = 40;
        Error error = input.error();
        error.what = "expected a number, found '" + std::string(text.substr(0, kShown)) +
                     (text.size() > kShown ? "...'" : "'");
        return fail(std::move(error));
    }
    return encodeExact(format, *input, options);
}

Result<EncodedNumber> encodeValue(const NumberFormat& format,
                                  double value,
                                  const EncodeOptions& options) {
    return encodeExact(format, ExactNumber::from(value), options);
}

EncodedNumber describeCode(const NumberFormat& format, std::uint64_t code) {
    EncodedNumber number;
    number.code = code;
    number.bitsHex = hex(code, format.bits);
    number.binary = binary(format, code);
    if (format.kind == FormatKind::Float) {
        number.fields = fieldsOf(format.floating, code);
    }
    number.kind = classify(format, code);
    number.value = decode(format, code);
    number.exact =
        std::isfinite(number.value) ? exactDecimal(number.value) : shortest(number.value);
    number.isExact = true;
    if (std::isfinite(number.value)) {
        number.absoluteError = 0;
        number.relativeError = 0;
    }
    number.ulp = spacing(format, number.value);
    const Neighbours next = neighbours(format, code, number.value);
    number.belowCode = next.below;
    number.aboveCode = next.above;
    if (next.below) {
        number.below = decode(format, *next.below);
    }
    if (next.above) {
        number.above = decode(format, *next.above);
    }
    return number;
}

std::string exactDecimal(double value) {
    if (!std::isfinite(value)) {
        return shortest(value);
    }
    std::string sign = std::signbit(value) ? "-" : "";
    const detail::Scaled scaled = detail::scaledFrom(value);
    if (scaled.significand == 0) {
        return sign + "0";
    }
    const int spare = std::countr_zero(scaled.significand);
    const int exponent = scaled.exponent + spare;
    detail::BigUint digits(scaled.significand >> spare);
    if (exponent >= 0) {
        return sign + digits.shiftLeft(exponent).decimal();
    }
    // n / 2^k = n · 5^k / 10^k; n is odd, so the last of the k places is not 0.
    const auto places = static_cast<std::size_t>(-exponent);
    const std::string text = digits.multipliedBy(detail::BigUint::power(5, -exponent)).decimal();
    if (text.size() > places) {
        sign.append(text, 0, text.size() - places).append(1, '.');
        return sign.append(text, text.size() - places, places);
    }
    return sign.append("0.").append(places - text.size(), '0').append(text);
}

}  // namespace loupe
