// SPDX-License-Identifier: Apache-2.0
// Scalar formats: every code, every gap between codes, and hashes that others gave.
#include "core/base/hash.hpp"
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/experiment/selftest_parts.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/storage_type.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <span>

namespace loupe::selftest {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
/// Up to so many bits every code is tried.
constexpr int kEveryCode = 19;

double powerOfTwo(int exponent) {
    return std::ldexp(1.0, exponent);
}

double slowFloat(const NumberFormat& format, std::uint64_t code) {
    const FloatLayout& f = format.floating;
    const std::uint64_t fractions = std::uint64_t{1} << f.mantissaBits;
    const std::uint64_t fraction = code % fractions;
    const std::uint64_t exponents = std::uint64_t{1} << f.exponentBits;
    const std::uint64_t exponent = code / fractions % exponents;
    const bool negative = f.hasSign && code / fractions / exponents != 0;
    const bool isTop = exponent == exponents - 1;
    if (f.specials == Specials::Ieee && isTop) {
        return fraction != 0 ? kNan : (negative ? -kInf : kInf);
    }
    if (f.specials == Specials::NanAllOnes && isTop && fraction == fractions - 1) {
        return kNan;
    }
    if (f.specials == Specials::NanNegativeZero && negative && exponent == 0 && fraction == 0) {
        return kNan;
    }
    const double part = static_cast<double>(fraction) / static_cast<double>(fractions);
    const double size = exponent == 0 && f.hasZero
                            ? part * powerOfTwo(1 - f.bias)
                            : (1 + part) * powerOfTwo(static_cast<int>(exponent) - f.bias);
    return negative ? -size : size;
}

/// Levels as published, apart from the tables of the formats.
constexpr std::array<double, 16> kNf4{-1.0,
                                      -0.6961928009986877,
                                      -0.5250730514526367,
                                      -0.39491748809814453,
                                      -0.28444138169288635,
                                      -0.18477343022823334,
                                      -0.09105003625154495,
                                      0.0,
                                      0.07958029955625534,
                                      0.16093020141124725,
                                      0.24611230194568634,
                                      0.33791524171829224,
                                      0.44070982933044434,
                                      0.5626170039176941,
                                      0.7229568362236023,
                                      1.0};
constexpr std::array<double, 8> kFp4Twelfths{0, 0.0625, 8, 12, 4, 6, 2, 3};

double slowCodebook(const NumberFormat& format, std::uint64_t code) {
    if (format.id == "nf4") {
        return kNf4[code];
    }
    if (format.id == "fp4_bnb") {
        const auto size = static_cast<double>(static_cast<float>(kFp4Twelfths[code % 8] / 12));
        return code < 8 ? size : -size;
    }
    return kNan;
}

double slowInteger(const NumberFormat& format, std::uint64_t code) {
    if (format.id == "binary") {
        return code == 0 ? -1 : 1;
    }
    if (format.id == "ternary" && code == 2) {
        return kNan;
    }
    const double whole = powerOfTwo(format.bits);
    const auto value = static_cast<double>(code);
    return format.integer.min < 0 && value >= whole / 2 ? value - whole : value;
}

/// Codes to try: all, or every exponent with the ends of its fractions and some between.
std::vector<std::uint64_t> codesOf(const NumberFormat& format) {
    std::vector<std::uint64_t> codes;
    if (format.bits <= kEveryCode) {
        codes.resize(std::size_t{1} << format.bits);
        for (std::size_t code = 0; code < codes.size(); ++code) {
            codes[code] = code;
        }
        return codes;
    }
    const bool isFloat = format.kind == FormatKind::Float;
    const int fractionBits = isFloat ? format.floating.mantissaBits : format.bits - 8;
    const std::uint64_t upper = std::uint64_t{1} << (format.bits - fractionBits);
    const std::uint64_t most = (std::uint64_t{1} << fractionBits) - 1;
    constexpr std::uint64_t kDraws = 12;
    for (std::uint64_t top = 0; top < upper; ++top) {
        std::set<std::uint64_t> fractions{0, 1, 2, most / 2, most / 2 + 1, most - 1, most};
        for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
            fractions.insert(randomBits(17, top * kDraws + draw) & most);
        }
        for (const std::uint64_t fraction : fractions) {
            codes.push_back((top << fractionBits) | fraction);
        }
    }
    return codes;
}

std::string codeText(std::uint64_t code) {
    return "code " + std::to_string(code);
}

void checkCode(const NumberFormat& format, std::uint64_t code, Tally& tally) {
    const double value = decode(format, code);
    const double expected = slowValue(format, code);
    tally.check(same(value, expected), [&] {
        return codeText(code) + ": expected " + shortest(expected) + ", found " + shortest(value);
    });
    const bool isUnused = format.id == "ternary" && std::isnan(value);
    if (isUnused) {
        return;
    }
    const Result<std::uint64_t> back = encode(format, value);
    tally.check(back && same(decode(format, *back), value), [&] {
        return codeText(code) + " (" + shortest(value) + ") does not encode to itself";
    });
}

/// Rounding from a quarter, the middle and three quarters of the way to the next value.
void checkGap(const NumberFormat& format,
              const std::pair<double, std::uint64_t>& low,
              const std::pair<double, std::uint64_t>& high,
              Tally& tally) {
    const double gap = high.first - low.first;
    const auto rounds = [&](double value, double expected) {
        const Result<std::uint64_t> code = encode(format, value);
        const bool ok = code && decode(format, *code) == expected;
        tally.check(ok, [&] {
            return shortest(value) + ": expected " + shortest(expected) + ", found " +
                   (code ? shortest(decode(format, *code)) : code.error().what);
        });
    };
    // E8M0 encodes as ml_dtypes does, which rounds all that lies in the lowest gap upward.
    const bool onlyUp = format.id == "e8m0" && low.second == 0;
    rounds(low.first + gap / 4, onlyUp ? high.first : low.first);
    rounds(low.first + gap / 4 * 3, high.first);
    const bool hasTies =
        format.id != "e8m0" && format.id != "binary" && format.kind != FormatKind::Codebook;
    if (hasTies) {
        const bool lowIsEven =
            format.kind == FormatKind::Float ? low.second % 2 == 0 : std::fmod(low.first, 2) == 0;
        rounds(low.first + gap / 2, lowIsEven ? low.first : high.first);
    }
}

void checkGaps(const NumberFormat& format, Tally& tally, const JobContext& ctx) {
    if (format.bits > kEveryCode) {
        return;  // a double has no room between two codes' quarters, or there are too many
    }
    std::vector<std::pair<double, std::uint64_t>> values;
    for (const std::uint64_t code : codesOf(format)) {
        const double value = slowValue(format, code);
        // Of two zeros the positive one: both stand at the same place.
        if (std::isfinite(value) && !(value == 0 && std::signbit(value))) {
            values.emplace_back(value, code);
        }
    }
    std::sort(values.begin(), values.end());
    for (std::size_t i = 0; i + 1 < values.size(); ++i) {
        if (i % 4096 == 0) {
            ctx.checkpoint();
        }
        checkGap(format, values[i], values[i + 1], tally);
    }
}

// --- hashes of other implementations ------------------------------------------------------------

struct Golden {
    std::string_view id;
    std::uint64_t decoded;
    std::uint64_t saturating;
    std::uint64_t special;
};
/// spec/formats.md F.3: LLVM's APFloat for every row but E3M4.
constexpr std::array<Golden, 10> kGoldens{{
    {"fp8_e5m2", 0x6c1e56b6fb09c905ULL, 0x0a03a8b5c7f07525ULL, 0xd56747ff4b9b5b25ULL},
    {"fp8_e4m3_ieee", 0x225eaf4799a27e65ULL, 0x47562ae644aceba5ULL, 0x88cece133dde7b25ULL},
    {"fp8_e3m4", 0xf47936f19e549625ULL, 0x9591da3f040cf2e5ULL, 0xdc5ff9b244fbad25ULL},
    {"fp8_e4m3", 0xdad1d9c50f749ca5ULL, 0xbfcc2109c2f49ba5ULL, 0xcd9d67a49dee32a5ULL},
    {"fp8_e4m3fnuz", 0xf51851cb11c63018ULL, 0x898c0bc3a8a10c25ULL, 0x7abd8b7db1f239a5ULL},
    {"fp8_e5m2fnuz", 0x94ae6fc493d49818ULL, 0xd24a6e5c09f19aa5ULL, 0x44b41dc2b9fa3da5ULL},
    {"fp8_e4m3b11fnuz", 0xd90d7a600530d158ULL, 0xd4accf16b1b3e425ULL, 0x69b24cd0c22a39a5ULL},
    {"fp6_e3m2", 0x25da13434201d785ULL, 0x175b5f60742d5025ULL, 0x175b5f60742d5025ULL},
    {"fp6_e2m3", 0x7ffacb24ad8b0aa5ULL, 0x26634b0f1fa38ba5ULL, 0x26634b0f1fa38ba5ULL},
    {"fp4_e2m1", 0x2403bb76b85dfea5ULL, 0x74e44ac75a7a5925ULL, 0x74e44ac75a7a5925ULL},
}};
constexpr std::uint64_t kE8m0Decoded = 0x6d2c8b41c3f0e5a5ULL;
constexpr std::uint64_t kBf16Codes = 0x2b5f23cfdb316765ULL;
constexpr std::uint64_t kHalves = 0xaf417771d363a145ULL;

/// All finite halves, positive ones first, as their definition says.
std::vector<float> finiteHalves() {
    const NumberFormat& half = *findFormat("fp16");
    constexpr std::uint64_t kFinite = 0x7c00;
    constexpr std::uint64_t kNegative = 0x8000;
    std::vector<float> values;
    for (const std::uint64_t sign : {std::uint64_t{0}, kNegative}) {
        for (std::uint64_t code = 0; code < kFinite; ++code) {
            values.push_back(static_cast<float>(slowValue(half, sign + code)));
        }
    }
    return values;
}

void checkHash(std::uint64_t found, std::uint64_t expected, const char* of, Tally& tally) {
    tally.check(found == expected, [of] {
        return std::string("the hash over ") + of + " is not the one that it should be";
    });
}

std::uint64_t hashOfCodes(const NumberFormat& format,
                          std::span<const float> values,
                          Overflow overflow) {
    std::vector<std::uint16_t> codes(values.size());
    if (!encodeArray(format, values, codes, {overflow, Rounding::Nearest, 0, 0})) {
        return 0;
    }
    if (format.bits > 8) {
        return fnv1a(std::as_bytes(std::span(codes)));
    }
    const std::vector<std::uint8_t> bytes(codes.begin(), codes.end());
    return fnv1a(std::as_bytes(std::span(bytes)));
}

std::uint64_t hashOfValues(const NumberFormat& format) {
    std::vector<float> values(std::size_t{1} << format.bits);
    for (std::size_t code = 0; code < values.size(); ++code) {
        values[code] = static_cast<float>(decode(format, code));
        if (std::isnan(values[code])) {
            values[code] = std::bit_cast<float>(0x7FC00000U);
        }
    }
    return fnv1a(std::as_bytes(std::span(values)));
}

void checkHashes(const NumberFormat& format, Tally& tally) {
    const auto golden = std::find_if(
        kGoldens.begin(), kGoldens.end(), [&](const Golden& row) { return row.id == format.id; });
    if (golden != kGoldens.end()) {
        const std::vector<float> halves = finiteHalves();
        checkHash(hashOfValues(format), golden->decoded, "all codes", tally);
        checkHash(hashOfCodes(format, halves, Overflow::Saturate),
                  golden->saturating,
                  "all finite halves, saturated",
                  tally);
        checkHash(hashOfCodes(format, halves, Overflow::Special),
                  golden->special,
                  "all finite halves, with infinities or NaN",
                  tally);
    } else if (format.id == "e8m0") {
        checkHash(hashOfValues(format), kE8m0Decoded, "all codes", tally);
    } else if (format.id == "bf16") {
        checkHash(hashOfCodes(format, finiteHalves(), Overflow::Default),
                  kBf16Codes,
                  "all finite halves",
                  tally);
    } else if (format.id == "fp16") {
        checkHash(fnv1a(std::as_bytes(std::span<const float>(finiteHalves()))),
                  kHalves,
                  "the values of all finite halves",
                  tally);
    }
}

/// The array paths, which use what this processor has, give what the codec gives.
void checkArrays(const NumberFormat& format, Tally& tally) {
    const StorageType* type = findStorageType(format.id);
    if (type == nullptr || (format.bits != 8 && format.bits != 16)) {
        return;
    }
    const std::size_t count = std::size_t{1} << format.bits;
    std::vector<std::byte> bytes(count * static_cast<std::size_t>(format.bits) / 8);
    for (std::size_t code = 0; code < count; ++code) {
        if (format.bits == 16) {
            const auto word = static_cast<std::uint16_t>(code);
            std::memcpy(bytes.data() + code * 2, &word, sizeof word);
        } else {
            bytes[code] = static_cast<std::byte>(code);
        }
    }
    std::vector<float> values(count);
    decodeElements(*type, bytes, 0, static_cast<std::int64_t>(count), values.data());
    for (std::size_t code = 0; code < count; ++code) {
        const auto expected = static_cast<double>(static_cast<float>(slowValue(format, code)));
        tally.check(same(static_cast<double>(values[code]), expected), [&] {
            return codeText(code) + " in an array: expected " + shortest(expected) + ", found " +
                   shortest(values[code]);
        });
    }
}

}  // namespace

double slowValue(const NumberFormat& format, std::uint64_t code) {
    switch (format.kind) {
        case FormatKind::Float:
            return slowFloat(format, code);
        case FormatKind::Integer:
            return slowInteger(format, code);
        case FormatKind::Codebook:
            return slowCodebook(format, code);
        case FormatKind::Block:
            break;
    }
    return kNan;
}

SelfTestItem testScalar(const NumberFormat& format, const JobContext& ctx) {
    Tally tally(format.id);
    std::uint64_t done = 0;
    for (const std::uint64_t code : codesOf(format)) {
        if (++done % 4096 == 0) {
            ctx.checkpoint();
        }
        checkCode(format, code, tally);
    }
    checkGaps(format, tally, ctx);
    checkHashes(format, tally);
    checkArrays(format, tally);
    return tally.item();
}

}  // namespace loupe::selftest
