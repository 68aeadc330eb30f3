// SPDX-License-Identifier: Apache-2.0
// Inside core/formats only: one rounding from an exact value to a code.
#pragma once

#include "core/formats/codec.hpp"

#include <cstdint>

namespace loupe::detail {

/// A finite value of any precision, as much of it as one rounding to at most 62 bits needs:
/// (-1)^negative · (significand + f) · 2^exponent with 0 <= f < 1, and f > 0 iff `sticky`.
/// The top bit of the significand is set, except for zero, where it is 0.
struct Scaled {
    bool negative = false;
    bool sticky = false;
    std::uint64_t significand = 0;
    int exponent = 0;
};

/// @param value finite
[[nodiscard]] Scaled scaledFrom(double value);

/// -1, 0 or 1 as `a` is below, equal to or above `b` (finite).
[[nodiscard]] int compare(const Scaled& a, double b);

/// Positions of the special codes of a float, all without the sign bit.
struct FloatCodes {
    std::uint64_t sign = 0;       ///< the sign bit, 0 for unsigned formats
    std::uint64_t maxFinite = 0;  ///< largest finite magnitude
    std::uint64_t infinity = 0;   ///< meaningful for Specials::Ieee
    std::uint64_t nan =
        0;  ///< quiet NaN (with the sign bit for NanNegativeZero); meaningless for None
};
[[nodiscard]] FloatCodes floatCodes(const FloatLayout& layout);

/// Whether finite values beyond the range become the largest finite value.
[[nodiscard]] bool saturates(const NumberFormat& format, Overflow overflow);

[[nodiscard]] bool isBinary(const NumberFormat& format);
/// A codebook whose top bit is a sign: ties go to the smaller magnitude instead of the lower value.
[[nodiscard]] bool isSignMagnitude(const NumberFormat& format);

struct Rounded {
    std::uint64_t code = 0;
    bool overflow = false;  ///< rounding led beyond the largest finite value
};
/// @param random 64 random bits, used by Rounding::Stochastic
[[nodiscard]] Rounded roundToCode(const NumberFormat& format,
                                  const Scaled& value,
                                  const EncodeOptions& options,
                                  std::uint64_t random);

/// Code of NaN or an infinity.
/// @errors Invalid as encode()
[[nodiscard]] Result<std::uint64_t> specialToCode(const NumberFormat& format,
                                                  bool isNan,
                                                  bool negative,
                                                  Overflow overflow);

}  // namespace loupe::detail
