// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/formats/number_format.hpp"

namespace loupe {

enum class Overflow : std::uint8_t {
    Default,   ///< Special for formats with infinities, Saturate for the others
    Special,   ///< infinity, or NaN where the format has no infinity
    Saturate,  ///< the largest finite value
};

enum class Rounding : std::uint8_t {
    Nearest,     ///< ties to even
    Away,        ///< nearest, ties away from zero
    Zero,        ///< truncation
    Stochastic,  ///< up with probability = fraction; depends on seed and index only
};

struct EncodeOptions {
    Overflow overflow = Overflow::Default;
    Rounding rounding = Rounding::Nearest;
    std::uint64_t seed = 0;
    std::uint64_t index = 0;  ///< index of the (first) element, for stochastic rounding
};

[[nodiscard]] std::optional<Overflow> parseOverflow(std::string_view name);
[[nodiscard]] std::optional<Rounding> parseRounding(std::string_view name);

/// Value of a code; exact, since every format here fits a double. NaN for NaN codes. Bits above format.bits must be 0.
[[nodiscard]] double decode(const NumberFormat& format, std::uint64_t code);

/// Code of a value: one rounding, from the double itself (never through another format). Subnormals are kept.
/// @errors Invalid: NaN into a format without NaN; infinity into an integer without Saturate
[[nodiscard]] Result<std::uint64_t> encode(const NumberFormat& format, double value, const EncodeOptions& options = {});

enum class NumberClass : std::uint8_t { Normal, Subnormal, Zero, Infinite, NaN };
[[nodiscard]] std::string_view numberClassName(NumberClass kind);
[[nodiscard]] NumberClass classify(const NumberFormat& format, std::uint64_t code);

/// Everything about one value in one format: what `loupe encode` prints and what the bit view shows.
struct EncodedNumber {
    std::uint64_t code = 0;
    std::string bitsHex;  ///< "0x4248", ceil(bits/4) upper-case digits
    std::string binary;   ///< "0 10000 1001001000": fields separated by one space
    struct Fields {
        std::uint64_t sign = 0;
        std::uint64_t exponent = 0;
        std::uint64_t mantissa = 0;
    };
    std::optional<Fields> fields;  ///< floats only
    NumberClass kind = NumberClass::Zero;
    double value = 0;
    std::string exact;  ///< exact decimal expansion: "3.140625"; "nan", "inf", "-inf"
    bool isExact = false;
    std::optional<double> absoluteError;  ///< |value - input|, empty where infinite or NaN take part
    std::optional<double> relativeError;
    std::optional<double> ulp;  ///< spacing at value
    bool overflow = false;
    bool underflow = false;  ///< result below min_normal and inexact
    std::optional<double> below;  ///< next finite values
    std::optional<double> above;
    std::optional<std::uint64_t> belowCode;
    std::optional<std::uint64_t> aboveCode;
};

/// Encodes a text: a decimal of any length, a hex float, "inf", "nan", "-nan", or a code "bits:0x3f80". The decimal is
/// rounded once, from its exact value, whatever its length.
/// @errors Usage: not a number; Invalid: as encode(); Unsupported: a block format
[[nodiscard]] Result<EncodedNumber> encodeText(const NumberFormat& format,
                                               std::string_view text,
                                               const EncodeOptions& options = {});
/// The same for a value (the GUI's selected weight) and for a code (a clicked bit).
[[nodiscard]] Result<EncodedNumber> encodeValue(const NumberFormat& format, double value, const EncodeOptions& options = {});
[[nodiscard]] EncodedNumber describeCode(const NumberFormat& format, std::uint64_t code);

/// Exact decimal expansion of a finite double: "0.1000000000000000055511151231257827021181583404541015625".
[[nodiscard]] std::string exactDecimal(double value);

// --- whole arrays -------------------------------------------------------------------------------------------------

/// Rounds every value to the format and back: out[i] = decode(encode(in[i])). in and out may be the same. Vectorised for
/// fp16, bf16, fp8, fp4 with Nearest; equal to the scalar codec bit for bit for every format, rounding and overflow.
/// @errors Invalid with the index of the first offending element in `what`
[[nodiscard]] Result<void> roundTrip(const NumberFormat& format,
                                     std::span<const float> in,
                                     std::span<float> out,
                                     const EncodeOptions& options = {});
[[nodiscard]] Result<void> roundTrip(const NumberFormat& format,
                                     std::span<const double> in,
                                     std::span<double> out,
                                     const EncodeOptions& options = {});

/// Codes of every value, for formats of at most 16 bits.
[[nodiscard]] Result<void> encodeArray(const NumberFormat& format,
                                       std::span<const float> in,
                                       std::span<std::uint16_t> codes,
                                       const EncodeOptions& options = {});

}  // namespace loupe
