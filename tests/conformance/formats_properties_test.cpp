// SPDX-License-Identifier: Apache-2.0
// What must hold of every format, known or yet to come.
#include "core/base/rng.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/storage_type.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

using namespace loupe;

namespace {

/// All codes up to 16 bits, else a spread of 65,536.
std::vector<std::uint64_t> someCodes(const NumberFormat& format) {
    std::vector<std::uint64_t> codes;
    const std::uint64_t mask =
        format.bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << format.bits) - 1;
    const std::uint64_t count = format.bits <= 16 ? mask + 1 : 65536;
    for (std::uint64_t i = 0; i < count; ++i) {
        codes.push_back(format.bits <= 16 ? i : randomBits(11, i) & mask);
    }
    return codes;
}

std::vector<double> finiteValues(const NumberFormat& format) {
    std::vector<double> values;
    for (const std::uint64_t code : someCodes(format)) {
        const double value = decode(format, code);
        if (std::isfinite(value)) {
            values.push_back(value);
        }
    }
    std::sort(values.begin(), values.end());
    return values;
}

double roundedTo(const NumberFormat& format, double value, const EncodeOptions& options = {}) {
    return decode(format, encode(format, value, options).value());
}

/// Values across the format's range and a little beyond it.
std::vector<double> probes(const NumberFormat& format) {
    const FormatLimits limit = limits(format);
    const double most = std::min(limit.max, 1e300) * 1.25;
    const double least = limit.min < 0 ? -most : 0;
    std::vector<double> values;
    for (std::uint64_t i = 0; i < 4000; ++i) {
        const double u = randomUniform(3, i);
        values.push_back(least + (most - least) * u);
        values.push_back((limit.min < 0 ? randomNormal(4, i) : std::abs(randomNormal(4, i))) *
                         std::ldexp(1.0, static_cast<int>(i % 12) - 6));
    }
    std::sort(values.begin(), values.end());
    return values;
}

}  // namespace

TEST_CASE("encode(decode(c)) == c for every code that is a number") {
    for (const NumberFormat* format : allFormats()) {
        CAPTURE(format->id);
        std::int64_t wrong = 0;
        for (const std::uint64_t code : someCodes(*format)) {
            const double value = decode(*format, code);
            if (!std::isnan(value)) {
                EncodeOptions options;
                options.overflow = Overflow::Special;
                wrong += encode(*format, value, options).value() == code ? 0 : 1;
            }
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("positive codes of a float rise with their value") {
    for (const NumberFormat* format : allFormats()) {
        if (format->kind != FormatKind::Float) {
            continue;
        }
        CAPTURE(format->id);
        std::vector<std::uint64_t> codes = someCodes(*format);
        const std::uint64_t sign =
            format->floating.hasSign ? std::uint64_t{1} << (format->bits - 1) : 0;
        for (std::uint64_t& code : codes) {
            code &= ~sign;
        }
        std::sort(codes.begin(), codes.end());
        codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
        bool rising = true;
        bool symmetric = true;
        for (std::size_t i = 1; i < codes.size(); ++i) {
            const double value = decode(*format, codes[i]);
            rising = rising && (std::isnan(value) || decode(*format, codes[i - 1]) < value);
            symmetric = symmetric && (sign == 0 || std::isnan(value) ||
                                      decode(*format, codes[i] | sign) == -value);
        }
        CHECK(rising);
        CHECK(symmetric);
    }
}

TEST_CASE(
    "nearest: no value of the format is closer; rounding is monotone and idempotent; beyond the "
    "range it saturates") {
    for (const NumberFormat* format : allFormats()) {
        CAPTURE(format->id);
        const std::vector<double> values = finiteValues(*format);
        const bool all = format->bits <= 16;
        EncodeOptions options;
        options.overflow = Overflow::Saturate;
        double before = -INFINITY;
        for (const double x : probes(*format)) {
            const double rounded = roundedTo(*format, x, options);
            if (std::isnan(rounded)) {
                CHECK(format->id == "e8m0");
                continue;
            }
            if (rounded < before || roundedTo(*format, rounded, options) != rounded) {
                CAPTURE(x, rounded, before);
                FAIL("not monotone, or not idempotent");
            }
            before = rounded;
            if (all) {
                const auto next = std::lower_bound(values.begin(), values.end(), x);
                const double above = next == values.end() ? values.back() : *next;
                const double below = next == values.begin() ? values.front() : *(next - 1);
                if (std::abs(x - rounded) > std::min(std::abs(x - above), std::abs(x - below))) {
                    CAPTURE(x, rounded, below, above);
                    FAIL("a value of the format is closer");
                }
            }
        }
        CHECK(roundedTo(*format, 1e308, options) ==
              (format->id == "fp64" ? 1e308 : limits(*format).max));
        if (limits(*format).min < 0) {
            CHECK(roundedTo(*format, -1e308, options) ==
                  (format->id == "fp64" ? -1e308 : limits(*format).min));
        }
    }
}

TEST_CASE("ties: to the even code, away from zero, towards zero") {
    for (const NumberFormat* format : allFormats()) {
        if (format->kind != FormatKind::Float || format->bits > 16 || format->id == "e8m0") {
            continue;
        }
        CAPTURE(format->id);
        const FormatLimits limit = limits(*format);
        EncodeOptions away;
        away.rounding = Rounding::Away;
        EncodeOptions zero;
        zero.rounding = Rounding::Zero;
        std::int64_t wrong = 0;
        for (std::uint64_t code = 0; decode(*format, code) < limit.max; ++code) {
            const double middle = (decode(*format, code) + decode(*format, code + 1)) / 2;
            for (const double sign : {1.0, -1.0}) {
                const double even = sign * decode(*format, code + (code & 1U));
                wrong += roundedTo(*format, sign * middle) == even ? 0 : 1;
                wrong += roundedTo(*format, sign * middle, away) == sign * decode(*format, code + 1)
                             ? 0
                             : 1;
                wrong += roundedTo(*format, sign * std::nextafter(middle, INFINITY), zero) ==
                                 sign * decode(*format, code)
                             ? 0
                             : 1;
            }
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("both zeros") {
    for (const NumberFormat* format : allFormats()) {
        if (format->kind == FormatKind::Float && format->floating.hasZero) {
            CAPTURE(format->id);
            const bool keeps = format->floating.specials != Specials::NanNegativeZero;
            CHECK_FALSE(std::signbit(roundedTo(*format, 0.0)));
            CHECK(std::signbit(roundedTo(*format, -0.0)) == keeps);
            CHECK(std::signbit(roundedTo(*format, -1e-320)) == (keeps || format->id == "fp64"));
            CHECK(classify(*format, 0) == NumberClass::Zero);
        }
    }
}

TEST_CASE("stochastic rounding stays between the neighbours and is unbiased within 4 sigma") {
    constexpr int kDraws = 20000;
    for (const NumberFormat* format : allFormats()) {
        if (format->id == "fp64" || format->id == "e8m0" || format->bits == 32) {
            continue;
        }
        CAPTURE(format->id);
        for (const double x : {0.30001, 0.7317, 0.96}) {
            EncodeOptions options;
            options.rounding = Rounding::Stochastic;
            options.seed = 42;
            const std::vector<double> values = finiteValues(*format);
            const auto next = std::upper_bound(values.begin(), values.end(), x);
            const double above = format->bits <= 16 ? *next : std::ceil(x * 2048) / 2048;
            const double below = format->bits <= 16 ? *(next - 1) : std::floor(x * 2048) / 2048;
            int up = 0;
            for (int i = 0; i < kDraws; ++i) {
                options.index = static_cast<std::uint64_t>(i);
                const double rounded = roundedTo(*format, x, options);
                if (format->bits <= 16) {
                    REQUIRE((rounded == above || rounded == below));
                }
                up += rounded > x ? 1 : 0;
            }
            if (format->bits <= 16) {
                const double p = (x - below) / (above - below);
                CAPTURE(x, below, above, up);
                CHECK(std::abs(up - kDraws * p) <= 4 * std::sqrt(kDraws * p * (1 - p)));
            }
        }
    }
}

TEST_CASE("stochastic rounding depends on seed and index alone") {
    const NumberFormat& format = *findFormat("fp8_e4m3");
    std::vector<float> in(1000);
    for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(randomNormal(8, i));
    }
    EncodeOptions options;
    options.rounding = Rounding::Stochastic;
    options.seed = 5;
    options.index = 100;
    std::vector<float> out(in.size());
    REQUIRE(roundTrip(format, std::span<const float>(in), std::span(out), options));
    options.index = 100 + 500;
    std::vector<float> half(500);
    REQUIRE(roundTrip(format, std::span<const float>(in).subspan(500), std::span(half), options));
    CHECK(std::equal(half.begin(), half.end(), out.begin() + 500));
    options.seed = 6;
    std::vector<float> other(in.size());
    REQUIRE(roundTrip(format, std::span<const float>(in), std::span(other), options));
    CHECK(other != out);
}

TEST_CASE("definitions are complete and names are unique") {
    std::vector<std::string_view> names;
    for (const NumberFormat* format : allFormats()) {
        CAPTURE(format->id);
        CHECK(findFormat(format->id) == format);
        CHECK_FALSE(format->title.empty());
        CHECK_FALSE(format->source.empty());
        CHECK_FALSE(format->summary.empty());
        CHECK(format->bits > 0);
        CHECK(format->bitsPerWeight > 0);
        if (format->kind == FormatKind::Float) {
            const FloatLayout& layout = format->floating;
            CHECK((layout.hasSign ? 1 : 0) + layout.exponentBits + layout.mantissaBits ==
                  format->bits);
        }
        names.push_back(format->id);
    }
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
    CHECK(findFormat("fp17") == nullptr);
}
