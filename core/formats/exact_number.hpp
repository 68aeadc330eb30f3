// SPDX-License-Identifier: Apache-2.0
// Inside core/formats only.
#pragma once

#include "core/base/result.hpp"
#include "core/formats/big_uint.hpp"
#include "core/formats/rounding.hpp"

#include <string_view>

namespace loupe::detail {

/// A number as it was written, before any rounding: a fraction of big integers, an infinity or NaN.
///
/// Digits beyond kMaxDigits are replaced by one digit that says "more follows", and exponents are
/// held within ±kMaxExponent decades. Neither moves a number across a rounding boundary of a format
/// here (those have at most 1,390 digits, within 10^±330), so one rounding stays exact while time
/// and memory stay bounded.
class ExactNumber {
public:
    enum class Kind : std::uint8_t { Finite, Infinite, NaN };
    static constexpr int kMaxDigits = 2500;
    static constexpr int kMaxExponent = 1100;

    /// A decimal ("-1.5e-7", ".5", "5."), a hex float ("0x1.8p3", "0x10"), "inf", "infinity" or
    /// "nan" in any case, each with an optional sign.
    /// @errors Usage: anything else
    [[nodiscard]] static Result<ExactNumber> parse(std::string_view text);
    [[nodiscard]] static ExactNumber from(double value);

    [[nodiscard]] Kind kind() const noexcept { return kind_; }
    [[nodiscard]] bool negative() const noexcept { return negative_; }
    [[nodiscard]] bool isZero() const noexcept {
        return kind_ == Kind::Finite && numerator_.isZero();
    }

    /// The leading 64 bits, and whether more follow. @pre finite
    [[nodiscard]] Scaled scaled() const;
    /// Nearest double, ties to even; infinity beyond its range. @pre finite
    [[nodiscard]] double toDouble() const;
    /// |this - value|, exact. @pre both finite
    [[nodiscard]] ExactNumber distanceTo(double value) const;
    /// |this / other|, exact. @pre both finite, other not zero
    [[nodiscard]] ExactNumber dividedBy(const ExactNumber& other) const;

private:
    [[nodiscard]] static Result<ExactNumber> parseDecimal(std::string_view text);
    [[nodiscard]] static Result<ExactNumber> parseHex(std::string_view text);

    Kind kind_ = Kind::Finite;
    bool negative_ = false;
    BigUint numerator_;
    BigUint denominator_{1};
};

}  // namespace loupe::detail
