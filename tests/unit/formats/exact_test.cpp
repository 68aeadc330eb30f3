// SPDX-License-Identifier: Apache-2.0
// Numbers as they were written: one rounding from the exact value, exact output, errors against the
// literal.
#include "core/base/assert.hpp"
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/formats/big_uint.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/exact_number.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <fstream>

using namespace loupe;
using detail::BigUint;
using detail::ExactNumber;

namespace {

EncodedNumber encoded(const char* id, std::string_view text) {
    const Result<EncodedNumber> number = encodeText(*findFormat(id), text);
    REQUIRE(number);
    return *number;
}

std::string bits(const char* id, std::string_view text) {
    return encoded(id, text).bitsHex;
}

}  // namespace

TEST_CASE("big integers: powers, sums, differences, products, quotients") {
    CHECK(BigUint(0).decimal() == "0");
    CHECK(BigUint(18446744073709551615ULL).decimal() == "18446744073709551615");
    CHECK(BigUint::power(2, 100).decimal() == "1267650600228229401496703205376");
    CHECK(BigUint::power(10, 25).decimal() == "10000000000000000000000000");
    CHECK(BigUint(1).shiftLeft(100).decimal() == BigUint::power(2, 100).decimal());
    CHECK(BigUint::power(2, 100).bitLength() == 101);
    BigUint a = BigUint::power(10, 30);
    CHECK(a.subtract(BigUint(1)).decimal() == "999999999999999999999999999999");
    CHECK(a.add(BigUint(1)).decimal() == BigUint::power(10, 30).decimal());
    CHECK(BigUint::power(7, 40).multipliedBy(BigUint::power(7, 50)).decimal() ==
          BigUint::power(7, 90).decimal());
    BigUint b = BigUint::power(3, 50);
    CHECK(b.divide(9) == 0);
    CHECK(b.decimal() == BigUint::power(3, 48).decimal());
    CHECK(BigUint::compare(BigUint(5), BigUint(7)) < 0);
    CHECK_THROWS_AS(BigUint(1).subtract(BigUint(2)), LogicError);
}

TEST_CASE("literals agree with exact rational arithmetic") {
    std::ifstream file(test::goldenDir() / "formats" / "decimals.csv");
    REQUIRE(file.is_open());
    std::string line;
    std::getline(file, line);
    int rows = 0;
    while (std::getline(file, line)) {
        const std::vector<std::string_view> cell = split(line, ',');
        REQUIRE(cell.size() == 7);
        CAPTURE(line);
        const char* const ids[] = {"fp64", "fp32", "fp16", "bf16"};
        for (std::size_t i = 0; i < 4; ++i) {
            CHECK(bits(ids[i], cell[0]) == cell[i + 1]);
        }
        const EncodedNumber number = encoded("fp32", cell[0]);
        CHECK(number.absoluteError.has_value() == !cell[5].empty());
        if (number.absoluteError) {
            CHECK(*number.absoluteError == std::strtod(std::string(cell[5]).c_str(), nullptr));
            CHECK(*number.relativeError == std::strtod(std::string(cell[6]).c_str(), nullptr));
        }
        ++rows;
    }
    CHECK(rows > 300);
}

TEST_CASE("text of any length costs little time and is rounded exactly") {
    const std::string zeros(100000, '0');
    CHECK(bits("fp64", "1" + zeros + "e-100000") == "0x3FF0000000000000");
    CHECK(bits("fp64", "0." + zeros + "1e100001") == "0x3FF0000000000000");
    // A tie of BF16, and the same one digit beyond what is kept.
    CHECK(bits("bf16", "1.00390625" + zeros) == "0x3F80");
    CHECK(bits("bf16", "1.00390625" + zeros + "1") == "0x3F81");
    CHECK_FALSE(encoded("fp64", "1." + zeros + "1").isExact);
    CHECK(encoded("fp64", "1." + zeros + "1").absoluteError == 0);
    CHECK(bits("fp64", "1e100000") == "0x7FF0000000000000");
    CHECK(bits("fp64", "-1e-100000") == "0x8000000000000000");
    CHECK(bits("fp64", "1e99999999999999999999999999") == "0x7FF0000000000000");
    CHECK(bits("fp64", "1e-99999999999999999999999999") == "0x0000000000000000");
    CHECK(encoded("fp64", "0e99999999999999999999999999").isExact);
    const EncodedNumber tiny = encoded("fp64", "1e-100000");
    CHECK(tiny.underflow);
    CHECK(tiny.relativeError == 1.0);
}

TEST_CASE("hex floats, infinities, NaN and codes") {
    CHECK(encoded("fp32", "0x1.8p3").value == 12);
    CHECK(encoded("fp32", "-0X.8P1").value == -1);
    CHECK(encoded("fp32", "0x10").value == 16);
    CHECK(bits("bf16", "0x1.01p0") == "0x3F80");
    CHECK(bits("bf16", "0x1.01" + std::string(5000, '0') + "1p0") == "0x3F81");
    CHECK(bits("fp64", "0x1p-1075") == "0x0000000000000000");
    CHECK(bits("fp64", "0x1.0000000000001p-1075") == "0x0000000000000001");
    CHECK(bits("fp64", "0x1p99999999999") == "0x7FF0000000000000");
    CHECK(bits("fp16", "Infinity") == "0x7C00");
    CHECK(bits("fp16", "-inf") == "0xFC00");
    CHECK(bits("fp16", "nan") == "0x7E00");
    CHECK(bits("fp16", "-NaN") == "0xFE00");
    CHECK(bits("bf16", "bits:0x3f80") == "0x3F80");
    CHECK(encoded("fp64", "bits:0xFFFFFFFFFFFFFFFF").kind == NumberClass::NaN);
    CHECK(encoded("fp8_e4m3", "bits:7f").kind == NumberClass::NaN);
}

TEST_CASE("what is not a number is refused") {
    for (const char* text :
         {"",      "-",     "+",       ".",        "e5",         "1e",      "1e+",
          "1.2.3", "0x",    "0x1p",    "0x1.8q3",  "1_000",      "--1",     "1 ",
          "infx",  "bits:", "bits:0x", "bits:xyz", "bits:0x1FF", "bits:-1", "1f"}) {
        CAPTURE(text);
        const Result<EncodedNumber> number = encodeText(*findFormat("fp8_e4m3"), text);
        REQUIRE_FALSE(number);
        CHECK(number.error().code == ErrorCode::Usage);
    }
    CHECK(encodeText(*findFormat("ternary"), "bits:2").error().code == ErrorCode::Invalid);
    CHECK(encodeText(*findFormat("int8"), "nan").error().code == ErrorCode::Invalid);
}

TEST_CASE("exact decimal expansions") {
    CHECK(exactDecimal(0.1) == "0.1000000000000000055511151231257827021181583404541015625");
    CHECK(exactDecimal(3.140625) == "3.140625");
    CHECK(exactDecimal(-0.0) == "-0");
    CHECK(exactDecimal(1e22) == "10000000000000000000000");
    CHECK(exactDecimal(-12) == "-12");
    CHECK(exactDecimal(INFINITY) == "inf");
    CHECK(exactDecimal(-INFINITY) == "-inf");
    CHECK(exactDecimal(static_cast<double>(1.1e26F)) == "110000000946866311755988992");
    CHECK(exactDecimal(5e-324).size() == 2 + 1074);
    CHECK(exactDecimal(1.7976931348623157e308).size() == 309);
    for (std::uint64_t i = 0; i < 300; ++i) {
        const auto value = std::bit_cast<double>(randomBits(9, i) & 0xBFFFFFFFFFFFFFFF);
        CHECK(encoded("fp64", exactDecimal(value)).value == value);
        CHECK(encoded("fp64", exactDecimal(value)).isExact);
        CHECK(ExactNumber::from(value).toDouble() == value);
    }
}

TEST_CASE("fields, spacing and neighbours") {
    const EncodedNumber pi = encoded("fp16", "3.14159265358979323846264338327950288");
    CHECK(pi.binary == "0 10000 1001001000");
    CHECK(pi.fields->exponent == 16);
    CHECK(pi.fields->mantissa == 584);
    CHECK(pi.ulp == 0x1p-9);
    CHECK(pi.below == 3.138671875);
    CHECK(pi.above == 3.142578125);
    CHECK(pi.absoluteError == 0.0009676535897932385);
    const EncodedNumber zero = describeCode(*findFormat("fp8_e4m3fnuz"), 0);
    CHECK(zero.below == -0x1p-10);
    CHECK(zero.above == 0x1p-10);
    CHECK(describeCode(*findFormat("fp8_e4m3fnuz"), 0x81).aboveCode == 0);
    const EncodedNumber inf = encoded("fp16", "-1e9");
    CHECK(inf.overflow);
    CHECK(inf.above == -65504);
    CHECK_FALSE(inf.below);
    CHECK_FALSE(inf.absoluteError);
    CHECK_FALSE(encoded("fp8_e4m3", "inf").absoluteError);
    CHECK(encoded("fp8_e4m3", "inf").overflow);
    CHECK_FALSE(encoded("fp16", "inf").overflow);
    CHECK(encoded("e8m0", "2").binary == "10000000");
    CHECK(encoded("int8", "-3").binary == "11111101");
    CHECK(encoded("int8", "-3").below == -4);
    CHECK_FALSE(encoded("int8", "127").above);
    CHECK(encoded("nf4", "0").above == static_cast<double>(0.07958029955625534F));
    CHECK(encoded("binary", "-0.5").above == 1);
    CHECK(encoded("ternary", "-1").above == 0);
    CHECK(encoded("fp16", "1e-5").kind == NumberClass::Subnormal);
    CHECK(encoded("fp16", "1e-5").underflow);
    CHECK_FALSE(encoded("fp16", "6.1035e-5").isExact);
    CHECK_FALSE(encoded("fp16", "0.00006103515625").underflow);
}

TEST_CASE("neighbours walk through every value of a format, up and down") {
    for (const NumberFormat* format : allFormats()) {
        if (format->bits > 16) {
            continue;
        }
        CAPTURE(format->id);
        std::vector<double> values;
        for (std::uint64_t code = 0; code < std::uint64_t{1} << format->bits; ++code) {
            const double value = decode(*format, code);
            if (std::isfinite(value)) {
                values.push_back(value);
            }
        }
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());  // -0 equals 0
        EncodedNumber number = *encodeValue(*format, values.front());
        std::size_t steps = 1;
        while (number.above && steps < values.size() && *number.above == values[steps]) {
            number = describeCode(*format, *number.aboveCode);
            ++steps;
        }
        CHECK(steps == values.size());
        CHECK_FALSE(number.above);
        while (number.below && steps > 1 && *number.below == values[steps - 2]) {
            number = describeCode(*format, *number.belowCode);
            --steps;
        }
        CHECK(steps == 1);
        CHECK_FALSE(number.below);
    }
}
