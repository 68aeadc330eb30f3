// SPDX-License-Identifier: Apache-2.0
#include "core/formats/codec.hpp"

#include "core/base/hash.hpp"
#include "tests/support/catch.hpp"

#include <bit>
#include <cmath>
#include <limits>

using namespace loupe;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const NumberFormat& format(std::string_view id) {
    const NumberFormat* found = findFormat(id);
    REQUIRE(found != nullptr);
    return *found;
}

std::uint64_t code(std::string_view id, double value, const EncodeOptions& options = {}) {
    const Result<std::uint64_t> result = encode(format(id), value, options);
    REQUIRE(result);
    return *result;
}

EncodeOptions with(Overflow overflow, Rounding rounding = Rounding::Nearest) {
    EncodeOptions options;
    options.overflow = overflow;
    options.rounding = rounding;
    return options;
}

/// FNV-1a of the float32 values of every code, little-endian, NaN as 0x7FC00000.
std::uint64_t decodeHash(const NumberFormat& f) {
    std::uint64_t hash = fnv1a(std::string_view{});
    for (std::uint64_t c = 0; c < std::uint64_t{1} << f.bits; ++c) {
        const double value = decode(f, c);
        const auto bits = std::isnan(value)
                              ? 0x7FC00000U
                              : std::bit_cast<std::uint32_t>(static_cast<float>(value));
        hash = fnv1a(std::as_bytes(std::span(&bits, 1)), hash);
    }
    return hash;
}

/// FNV-1a of the codes of all finite halves, 0x0000..0x7BFF then 0x8000..0xFBFF, in as many bytes
/// as `bytes`.
std::uint64_t encodeHash(const NumberFormat& f, Overflow overflow, std::size_t bytes) {
    const NumberFormat& halves = format("fp16");
    std::uint64_t hash = fnv1a(std::string_view{});
    for (std::uint64_t half = 0; half < 0xFC00; ++half) {
        if (half >= 0x7C00 && half < 0x8000) {
            continue;
        }
        const Result<std::uint64_t> result = encode(f, decode(halves, half), with(overflow));
        const std::uint64_t c = result.value();
        hash = fnv1a(std::as_bytes(std::span(&c, 1)).first(bytes), hash);
    }
    return hash;
}

}  // namespace

TEST_CASE("published hashes of the small floats are reproduced") {
    struct Row {
        const char* id;
        std::uint64_t decoded;
        std::uint64_t saturating;
        std::uint64_t special;
    };
    // Worked out with LLVM 19 APFloat (E3M4 and the saturating column: exact rational arithmetic).
    const Row row =
        GENERATE(Row{"fp8_e5m2", 0x6c1e56b6fb09c905, 0x0a03a8b5c7f07525, 0xd56747ff4b9b5b25},
                 Row{"fp8_e4m3_ieee", 0x225eaf4799a27e65, 0x47562ae644aceba5, 0x88cece133dde7b25},
                 Row{"fp8_e3m4", 0xf47936f19e549625, 0x9591da3f040cf2e5, 0xdc5ff9b244fbad25},
                 Row{"fp8_e4m3", 0xdad1d9c50f749ca5, 0xbfcc2109c2f49ba5, 0xcd9d67a49dee32a5},
                 Row{"fp8_e4m3fnuz", 0xf51851cb11c63018, 0x898c0bc3a8a10c25, 0x7abd8b7db1f239a5},
                 Row{"fp8_e5m2fnuz", 0x94ae6fc493d49818, 0xd24a6e5c09f19aa5, 0x44b41dc2b9fa3da5},
                 Row{"fp8_e4m3b11fnuz", 0xd90d7a600530d158, 0xd4accf16b1b3e425, 0x69b24cd0c22a39a5},
                 Row{"fp6_e3m2", 0x25da13434201d785, 0x175b5f60742d5025, 0x175b5f60742d5025},
                 Row{"fp6_e2m3", 0x7ffacb24ad8b0aa5, 0x26634b0f1fa38ba5, 0x26634b0f1fa38ba5},
                 Row{"fp4_e2m1", 0x2403bb76b85dfea5, 0x74e44ac75a7a5925, 0x74e44ac75a7a5925});
    CAPTURE(row.id);
    CHECK(decodeHash(format(row.id)) == row.decoded);
    CHECK(encodeHash(format(row.id), Overflow::Saturate, 1) == row.saturating);
    CHECK(encodeHash(format(row.id), Overflow::Special, 1) == row.special);
}

TEST_CASE("published hashes of E8M0 and BF16 are reproduced") {
    CHECK(decodeHash(format("e8m0")) == 0x6d2c8b41c3f0e5a5);
    CHECK(encodeHash(format("bf16"), Overflow::Default, 2) == 0x2b5f23cfdb316765);
}

TEST_CASE("zeros, infinities and NaN keep their sign where the format has one") {
    CHECK(code("fp16", -0.0) == 0x8000);
    CHECK(code("fp8_e4m3fnuz", -0.0) == 0x00);
    CHECK(code("fp8_e4m3fnuz", -1e-9) == 0x00);
    CHECK(code("fp32", kInf) == 0x7F800000);
    CHECK(code("fp32", -kInf) == 0xFF800000);
    CHECK(code("fp32", kNan) == 0x7FC00000);
    CHECK(code("fp32", std::copysign(kNan, -1.0)) == 0xFFC00000);
    CHECK(code("fp8_e4m3", kNan) == 0x7F);
    CHECK(code("fp8_e4m3", std::copysign(kNan, -1.0)) == 0xFF);
    CHECK(code("fp8_e5m2fnuz", kNan) == 0x80);
    CHECK(std::isnan(decode(format("fp8_e5m2fnuz"), 0x80)));
    CHECK(std::signbit(decode(format("fp8_e4m3"), 0xFF)));
}

TEST_CASE("overflow follows the format's default or what was asked for") {
    CHECK(code("fp8_e4m3", 464) == 0x7E);  // the midpoint goes to the even 448
    CHECK(code("fp8_e4m3", 1e9) == 0x7E);
    CHECK(code("fp8_e4m3", 1e9, with(Overflow::Special)) == 0x7F);
    CHECK(code("fp8_e4m3", 464, with(Overflow::Special)) == 0x7E);
    CHECK(code("fp8_e4m3", kInf) == 0x7E);
    CHECK(code("fp16", 65520) == 0x7C00);
    CHECK(code("fp16", 65519.99) == 0x7BFF);
    CHECK(code("fp16", 1e300) == 0x7C00);
    CHECK(code("fp16", 1e300, with(Overflow::Saturate)) == 0x7BFF);
    CHECK(code("fp16", -kInf, with(Overflow::Saturate)) == 0xFBFF);
    CHECK(code("fp8_e4m3fnuz", 1e300, with(Overflow::Special)) == 0x80);
    CHECK(code("fp4_e2m1", kInf, with(Overflow::Special)) == 0x7);
    CHECK(code("fp32", 3.4028235677973366e38) == 0x7F800000);
    CHECK(code("fp32", 3.4028235677973362e38) == 0x7F7FFFFF);
}

TEST_CASE("integers saturate, and take neither NaN nor an unasked infinity") {
    CHECK(code("int8", 200) == 0x7F);
    CHECK(code("int8", -200) == 0x80);
    CHECK(code("int8", 2.5) == 2);
    CHECK(code("int8", -2.5) == 0xFE);
    CHECK(code("int8", 2.5, with(Overflow::Default, Rounding::Away)) == 3);
    CHECK(code("int8", -2.7, with(Overflow::Default, Rounding::Zero)) == 0xFE);
    CHECK(code("uint8", -3) == 0);
    CHECK(code("int32", 1e300) == 0x7FFFFFFF);
    CHECK(code("uint32", 4294967295.0) == 0xFFFFFFFF);
    CHECK(code("int4", kInf, with(Overflow::Saturate)) == 7);
    CHECK_FALSE(encode(format("int4"), kInf));
    CHECK_FALSE(encode(format("int4"), kNan, with(Overflow::Saturate)));
    CHECK_FALSE(encode(format("fp4_e2m1"), kNan));
    CHECK_FALSE(encode(format("nf4"), kNan));
    CHECK(encode(format("int4"), kNan).error().code == ErrorCode::Invalid);
}

TEST_CASE("ternary and binary") {
    CHECK(code("ternary", -7) == 3);
    CHECK(code("ternary", 0.5) == 0);
    CHECK(code("ternary", 0.6) == 1);
    CHECK(decode(format("ternary"), 3) == -1);
    CHECK(std::isnan(decode(format("ternary"), 2)));
    CHECK(code("binary", -1e-9) == 0);
    CHECK(code("binary", 0.0) == 1);
    CHECK(code("binary", 12) == 1);
    CHECK(decode(format("binary"), 0) == -1);
}

TEST_CASE("codebooks: nearest level, ties as bitsandbytes decides them") {
    CHECK(code("nf4", 0.0) == 7);
    CHECK(code("nf4", -0.0) == 7);
    CHECK(code("nf4", 5) == 15);
    CHECK(code("nf4", -kInf) == 0);
    CHECK(code("fp4_bnb", -0.0) == 8);
    CHECK(code("fp4_bnb", -1e-30) == 8);
    CHECK(code("fp4_bnb", 0.6666667) == 2);
    const double tie = (0.25 + static_cast<double>(2.0F / 12)) / 2;
    CHECK(code("fp4_bnb", tie) == 6);
    CHECK(code("fp4_bnb", std::nextafter(tie, 1.0)) == 7);
    CHECK(code("fp4_bnb", -tie) == 14);
    const double between = (-1.0 + static_cast<double>(-0.6961928009986877F)) / 2;
    CHECK(code("nf4", between) == 0);
    CHECK(code("nf4", std::nextafter(between, 0.0)) == 1);
}

TEST_CASE("E8M0 as ml_dtypes") {
    CHECK(code("e8m0", 1.5) == 128);
    CHECK(code("e8m0", 1.4999) == 127);
    CHECK(code("e8m0", 0) == 255);
    CHECK(code("e8m0", -1) == 255);
    CHECK(code("e8m0", kInf) == 255);
    CHECK(code("e8m0", 0x1p-149) == 0);
    CHECK(code("e8m0", 0x1p-127) == 0);
    CHECK(code("e8m0", 0x1.1p-127) == 1);
    CHECK(code("e8m0", 0x1.8p127) == 255);
    CHECK(code("e8m0", 0x1.8p127, with(Overflow::Saturate)) == 254);
}

TEST_CASE("one rounding, from the double itself") {
    CHECK(code("bf16", 1 + 0x1p-8 + 0x1p-40) ==
          0x3F81);  // through FP32 it would be a tie, and 0x3F80
    CHECK(code("fp8_e4m3", 1 + 0x1p-4 + 0x1p-40) == 0x39);
    CHECK(code("fp16", 1 + 0x1p-11 + 0x1p-52) == 0x3C01);
}
