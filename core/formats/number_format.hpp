// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace loupe {

/// How the top codes of a binary float are spent.
enum class Specials : std::uint8_t {
    Ieee,             ///< top exponent: infinity (fraction 0) and NaN
    NanAllOnes,       ///< no infinity; NaN is exponent and fraction all ones (OCP E4M3, "FN")
    NanNegativeZero,  ///< no infinity, no negative zero; its code is the one NaN ("FNUZ")
    None,             ///< every code is finite (FP6, FP4)
};

/// A binary float as data. value = (-1)^s · 2^(E-bias) · (1 + F/2^m), E = 0: (-1)^s · 2^(1-bias) · F/2^m.
struct FloatLayout {
    int exponentBits = 0;
    int mantissaBits = 0;  ///< explicit fraction bits
    int bias = 0;
    Specials specials = Specials::Ieee;
    bool hasSign = true;
    bool hasZero = true;  ///< false: no zero and no subnormals, E = 0 is a normal exponent (E8M0)
};

/// Two's complement or unsigned; `ternary` is {-1, 0, 1} in two bits, `binary` {-1, +1} in one (0 = -1).
struct IntegerLayout {
    std::int64_t min = 0;
    std::int64_t max = 0;
};

enum class FormatKind : std::uint8_t { Float, Integer, Codebook, Block };

/// One number format: what a code of `bits` bits means. Defined once per file in core/formats/, listed in formats.def.
struct NumberFormat {
    std::string_view id;       ///< contract name: "fp8_e4m3"
    std::string_view title;    ///< for people: "FP8 E4M3"
    std::string_view source;   ///< document and section
    std::string_view summary;  ///< one sentence: what it is used for
    FormatKind kind = FormatKind::Float;
    int bits = 0;
    double bitsPerWeight = 0;  ///< differs from bits for ternary (log2 3) and block formats
    FloatLayout floating{};    ///< meaningful for Float
    IntegerLayout integer{};   ///< meaningful for Integer
    std::span<const float> codebook{};  ///< meaningful for Codebook: value of each code; not sorted in general
};

/// Every scalar format and codebook, in the order of formats.def.
[[nodiscard]] std::span<const NumberFormat* const> allFormats();
/// nullptr if there is none of that name.
[[nodiscard]] const NumberFormat* findFormat(std::string_view id);

/// Limits worked out from the definition (not stored, so that they cannot contradict it). Empty where meaningless.
struct FormatLimits {
    double min = 0;  ///< smallest finite value
    double max = 0;  ///< largest finite value
    std::optional<double> minNormal;
    std::optional<double> minSubnormal;
    std::optional<double> epsilon;        ///< gap above 1
    std::optional<double> decimalDigits;  ///< p·log10 2, two places
    std::optional<int> digits10;          ///< floor((p-1)·log10 2)
    std::optional<int> maxDigits10;       ///< ceil(1 + p·log10 2)
    bool hasInfinity = false;
    bool hasNan = false;
    std::uint64_t finiteValues = 0;  ///< finite codes, both zeros counted
};
[[nodiscard]] FormatLimits limits(const NumberFormat& format);

}  // namespace loupe
