// SPDX-License-Identifier: Apache-2.0
#include "core/formats/exact_number.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

namespace loupe::detail {

namespace {

constexpr std::int64_t kHugeExponent = 1'000'000'000'000;

/// Significant digits of a literal and the power of the base that the last of them stands for.
struct Digits {
    std::string text;        ///< without leading zeros; at most kMaxDigits + 1
    std::int64_t scale = 0;  ///< value = text · base^scale
    std::size_t consumed = 0;
    bool any = false;
};

std::optional<int> digitOf(char c, int base) {
    int digit = 99;
    if (c >= '0' && c <= '9') {
        digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
        digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
        digit = c - 'A' + 10;
    }
    return digit < base ? std::optional(digit) : std::nullopt;
}

/// Reads digits with at most one point. What exceeds kMaxDigits becomes a final 1 unless it is all
/// zeros.
Digits readDigits(std::string_view text, int base) {
    Digits digits;
    bool point = false;
    bool more = false;
    for (; digits.consumed < text.size(); ++digits.consumed) {
        const char c = text[digits.consumed];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!digitOf(c, base)) {
            break;
        }
        digits.any = true;
        digits.scale -= point ? 1 : 0;
        if (digits.text.empty() && c == '0') {
            continue;
        }
        if (static_cast<int>(digits.text.size()) < ExactNumber::kMaxDigits) {
            digits.text += c;
        } else {
            ++digits.scale;
            more = more || c != '0';
        }
    }
    if (more) {
        digits.text += '1';
        --digits.scale;
    }
    return digits;
}

/// "e-12": an exponent of any length, held within ±kHugeExponent. Empty text: 0.
std::optional<std::int64_t> readExponent(std::string_view text, char marker) {
    if (text.empty()) {
        return 0;
    }
    if (text.front() != marker && text.front() != marker - 'a' + 'A') {
        return std::nullopt;
    }
    text.remove_prefix(1);
    const bool negative = !text.empty() && text.front() == '-';
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
        text.remove_prefix(1);
    }
    if (text.empty()) {
        return std::nullopt;
    }
    std::int64_t exponent = 0;
    for (const char c : text) {
        const std::optional<int> digit = digitOf(c, 10);
        if (!digit) {
            return std::nullopt;
        }
        exponent = std::min(exponent * 10 + *digit, kHugeExponent);
    }
    return negative ? -exponent : exponent;
}

/// Holds the number's first digit within ±limit places of the point; its digits stay.
int heldScale(const Digits& digits, std::int64_t exponent, std::int64_t limit) {
    const auto length = static_cast<std::int64_t>(digits.text.size());
    return static_cast<int>(std::clamp(digits.scale + exponent + length, -limit, limit) - length);
}

tl::unexpected<Error> notANumber() {
    return fail(ErrorCode::Usage,
                "expected a number, found something else",
                {},
                "a decimal (-1.5e-7), a hex float (0x1.8p3), inf, nan, or a code (bits:0x3f80)");
}

}  // namespace

Result<ExactNumber> ExactNumber::parse(std::string_view text) {
    const std::string lower = toLower(text);
    std::string_view rest = lower;
    const bool negative = !rest.empty() && rest.front() == '-';
    if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
        rest.remove_prefix(1);
    }
    Result<ExactNumber> number = ExactNumber{};
    if (rest == "inf" || rest == "infinity") {
        number->kind_ = Kind::Infinite;
    } else if (rest == "nan") {
        number->kind_ = Kind::NaN;
    } else {
        number = rest.substr(0, 2) == "0x" ? parseHex(rest.substr(2)) : parseDecimal(rest);
    }
    if (number) {
        number->negative_ = negative;
    }
    return number;
}

Result<ExactNumber> ExactNumber::parseDecimal(std::string_view text) {
    const Digits digits = readDigits(text, 10);
    const std::optional<std::int64_t> exponent = readExponent(text.substr(digits.consumed), 'e');
    if (!digits.any || !exponent) {
        return notANumber();
    }
    ExactNumber number;
    for (const char c : digits.text) {
        number.numerator_.multiplyAdd(10, static_cast<std::uint32_t>(c - '0'));
    }
    const int scale = heldScale(digits, *exponent, kMaxExponent);
    for (int i = 0; i < std::abs(scale); ++i) {
        (scale > 0 ? number.numerator_ : number.denominator_).multiplyAdd(10, 0);
    }
    return number;
}

Result<ExactNumber> ExactNumber::parseHex(std::string_view text) {
    const Digits digits = readDigits(text, 16);
    const std::optional<std::int64_t> exponent = readExponent(text.substr(digits.consumed), 'p');
    if (!digits.any || !exponent) {
        return notANumber();
    }
    ExactNumber number;
    for (const char c : digits.text) {
        number.numerator_.multiplyAdd(16, static_cast<std::uint32_t>(*digitOf(c, 16)));
    }
    constexpr std::int64_t kLimit = 4 * std::int64_t{kMaxExponent};  // bits
    const std::int64_t length = 4 * static_cast<std::int64_t>(digits.text.size());
    const std::int64_t top = std::clamp(4 * digits.scale + *exponent + length, -kLimit, kLimit);
    const int scale = static_cast<int>(top - length);
    (scale > 0 ? number.numerator_ : number.denominator_).shiftLeft(std::abs(scale));
    return number;
}

ExactNumber ExactNumber::from(double value) {
    ExactNumber number;
    number.negative_ = std::signbit(value);
    if (!std::isfinite(value)) {
        number.kind_ = std::isnan(value) ? Kind::NaN : Kind::Infinite;
        return number;
    }
    const Scaled scaled = scaledFrom(value);
    if (scaled.significand != 0) {
        const int spare = std::countr_zero(scaled.significand);
        const int exponent = scaled.exponent + spare;
        number.numerator_ = BigUint(scaled.significand >> spare);
        (exponent > 0 ? number.numerator_ : number.denominator_).shiftLeft(std::abs(exponent));
    }
    return number;
}

Scaled ExactNumber::scaled() const {
    Scaled result;
    result.negative = negative_;
    if (numerator_.isZero()) {
        return result;
    }
    // Binary long division: scale so that 1/2 < a/b < 2, then take 65 bits, the first of which may
    // be 0.
    BigUint rest = numerator_;
    BigUint divisor = denominator_;
    int exponent = numerator_.bitLength() - denominator_.bitLength();
    (exponent > 0 ? divisor : rest).shiftLeft(std::abs(exponent));
    if (BigUint::compare(rest, divisor) < 0) {
        rest.shiftLeft(1);
        --exponent;
    }
    for (int bit = 63; bit >= 0; --bit) {
        if (BigUint::compare(rest, divisor) >= 0) {
            rest.subtract(divisor);
            result.significand |= std::uint64_t{1} << bit;
        }
        rest.shiftLeft(1);
    }
    result.exponent = exponent - 63;
    result.sticky = !rest.isZero();
    return result;
}

double ExactNumber::toDouble() const {
    const NumberFormat& fp64 = *findFormat("fp64");
    EncodeOptions options;
    options.overflow = Overflow::Special;
    return std::bit_cast<double>(roundToCode(fp64, scaled(), options, 0).code);
}

ExactNumber ExactNumber::distanceTo(double value) const {
    const ExactNumber other = from(value);
    BigUint mine = numerator_.multipliedBy(other.denominator_);
    BigUint theirs = other.numerator_.multipliedBy(denominator_);
    ExactNumber distance;
    distance.denominator_ = denominator_.multipliedBy(other.denominator_);
    if (negative_ != other.negative_) {
        distance.numerator_ = mine.add(theirs);
    } else if (BigUint::compare(mine, theirs) >= 0) {
        distance.numerator_ = mine.subtract(theirs);
    } else {
        distance.numerator_ = theirs.subtract(mine);
    }
    return distance;
}

ExactNumber ExactNumber::dividedBy(const ExactNumber& other) const {
    ExactNumber quotient;
    quotient.numerator_ = numerator_.multipliedBy(other.denominator_);
    quotient.denominator_ = denominator_.multipliedBy(other.numerator_);
    return quotient;
}

}  // namespace loupe::detail
