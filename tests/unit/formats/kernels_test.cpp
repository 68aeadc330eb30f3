// SPDX-License-Identifier: Apache-2.0
// The vectorised paths give, bit for bit, what the scalar codec gives, for every instruction set of
// this machine.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/storage_type.hpp"
#include "tests/support/catch.hpp"

#include <bit>
#include <cmath>
#include <cstring>

using namespace loupe;

namespace {

struct TargetGuard {
    explicit TargetGuard(CpuTarget target) : before(setCpuTarget(target)) {}
    ~TargetGuard() { setCpuTarget(before); }
    TargetGuard(const TargetGuard&) = delete;
    TargetGuard& operator=(const TargetGuard&) = delete;
    CpuTarget before;
};

bool takes(const NumberFormat& format, double value, const EncodeOptions& options) {
    return static_cast<bool>(encode(format, value, options));
}

/// Every upper half of a float with several lower halves, and every border between codes with its
/// neighbours.
std::vector<float> inputs(const NumberFormat& format, const EncodeOptions& options) {
    std::vector<float> values;
    const auto add = [&](float value) {
        if (takes(format, static_cast<double>(value), options)) {
            values.push_back(value);
        }
    };
    for (std::uint32_t upper = 0; upper < 0x10000; ++upper) {
        add(std::bit_cast<float>((upper << 16U) | 0x8000U));
        if (options.overflow == Overflow::Default) {
            for (const std::uint32_t lower : {0U, 1U, 0x7FFFU, 0x8001U, 0xFFFFU}) {
                add(std::bit_cast<float>((upper << 16U) | lower));
            }
        }
    }
    if (format.bits <= 16) {
        for (std::uint64_t code = 0; code + 1 < std::uint64_t{1} << format.bits; ++code) {
            const double middle = (decode(format, code) + decode(format, code + 1)) / 2;
            const auto border = static_cast<float>(middle);
            for (const float x :
                 {border, std::nextafter(border, 1e38F), std::nextafter(border, -1e38F)}) {
                add(x);
                add(-x);
            }
        }
    }
    for (std::uint64_t i = 0; i < 20000; ++i) {
        add(static_cast<float>(randomNormal(1, i)));
    }
    return values;
}

template <class T>
std::size_t firstDifference(const std::vector<T>& a, const std::vector<T>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) {
            return i;
        }
    }
    return a.size();
}

void checkFormat(const NumberFormat& format, Overflow overflow) {
    EncodeOptions options;
    options.overflow = overflow;
    const std::vector<float> in = inputs(format, options);
    const std::vector<double> wide(in.begin(), in.end());
    std::vector<float> expected(in.size());
    std::vector<double> expectedWide(in.size());
    std::vector<std::uint16_t> expectedCodes(in.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
        const std::uint64_t code = encode(format, static_cast<double>(in[i]), options).value();
        expectedWide[i] = decode(format, code);
        expected[i] = static_cast<float>(expectedWide[i]);
        expectedCodes[i] = static_cast<std::uint16_t>(code);
    }
    for (const CpuTarget target : availableCpuTargets()) {
        const TargetGuard guard(target);
        CAPTURE(format.id, cpuTargetName(target), static_cast<int>(overflow));
        std::vector<float> out(in.size());
        REQUIRE(roundTrip(format, std::span<const float>(in), std::span(out), options));
        std::size_t at = firstDifference(out, expected);
        if (at != in.size()) {
            CAPTURE(in[at], out[at], expected[at]);
            FAIL("float round trip differs");
        }
        std::vector<double> outWide(in.size());
        REQUIRE(roundTrip(format, std::span<const double>(wide), std::span(outWide), options));
        at = firstDifference(outWide, expectedWide);
        if (at != in.size()) {
            CAPTURE(wide[at], outWide[at], expectedWide[at]);
            FAIL("double round trip differs");
        }
        if (format.bits <= 16) {
            std::vector<std::uint16_t> codes(in.size());
            REQUIRE(encodeArray(format, in, codes, options));
            at = firstDifference(codes, expectedCodes);
            if (at != in.size()) {
                CAPTURE(in[at], codes[at], expectedCodes[at]);
                FAIL("codes differ");
            }
        }
    }
}

}  // namespace

TEST_CASE("round trips and codes of arrays equal the scalar codec") {
    for (const NumberFormat* format : allFormats()) {
        checkFormat(*format, Overflow::Default);
        if (format->kind != FormatKind::Codebook) {
            checkFormat(*format, Overflow::Saturate);
        }
        if (format->kind == FormatKind::Float) {
            checkFormat(*format, Overflow::Special);
        }
    }
}

TEST_CASE("doubles near every border of FP32 and below are rounded once") {
    std::vector<double> in;
    for (std::uint64_t i = 0; i < 40000; ++i) {
        const auto base =
            static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(randomBits(5, i))));
        const double step = std::ldexp(1.0, -8 - static_cast<int>(i % 24));
        for (const double x : {base,
                               base * (1 + step),
                               base * (1 + step) * (1 + 0x1p-50),
                               base * (1 + step) * (1 - 0x1p-50)}) {
            if (!std::isnan(x)) {
                in.push_back(x);
            }
        }
    }
    for (const char* id :
         {"fp32", "tf32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "fp8_e4m3fnuz", "fp4_e2m1"}) {
        const NumberFormat& format = *findFormat(id);
        std::vector<double> expected;
        for (const double x : in) {
            expected.push_back(decode(format, encode(format, x).value()));
        }
        for (const CpuTarget target : availableCpuTargets()) {
            const TargetGuard guard(target);
            CAPTURE(id, cpuTargetName(target));
            std::vector<double> out = in;
            REQUIRE(roundTrip(format, std::span<const double>(out), std::span(out)));
            CHECK(firstDifference(out, expected) == in.size());
        }
    }
}

TEST_CASE("the first refused element is named, in place or not") {
    const NumberFormat& format = *findFormat("int4");
    std::vector<float> values(600000, 1.0F);
    values[300001] = std::nanf("");
    values[500000] = std::nanf("");
    const Result<void> result =
        roundTrip(format, std::span<const float>(values), std::span(values));
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::Invalid);
    CHECK(result.error().what == "element 300001: int4 has no NaN");
    std::vector<float> infinite{0.0F, INFINITY};
    EncodeOptions options;
    CHECK_FALSE(roundTrip(format, std::span<const float>(infinite), std::span(infinite), options));
    options.overflow = Overflow::Saturate;
    REQUIRE(roundTrip(format, std::span<const float>(infinite), std::span(infinite), options));
    CHECK(infinite[1] == 7);
}

TEST_CASE("large outputs go past the caches and are the same") {
    const NumberFormat& format = *findFormat("bf16");
    std::vector<float> in((std::size_t{9} << 20) + 7);
    for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(i) * 1.0009765F;
    }
    std::vector<float> out(in.size() + 3);
    REQUIRE(roundTrip(format, std::span<const float>(in), std::span(out).subspan(3)));
    std::vector<float> inPlace = in;
    REQUIRE(roundTrip(format, std::span<const float>(inPlace), std::span(inPlace)));
    CHECK(std::memcmp(out.data() + 3, inPlace.data(), in.size() * sizeof(float)) == 0);
}

TEST_CASE("stored elements decode to the values of their codes") {
    for (const NumberFormat* format : allFormats()) {
        const StorageType* type = findStorageType(format->id);
        if (format->id == "tf32") {
            CHECK(type == nullptr);
            continue;
        }
        REQUIRE(type != nullptr);
        CHECK(type->bits == format->bits);
        if (format->bits > 16) {
            continue;
        }
        // Every code once, packed low bits first, at an odd address.
        const std::size_t count = std::size_t{1} << format->bits;
        std::vector<std::byte> bytes(1 + (count * static_cast<std::size_t>(format->bits) + 7) / 8);
        for (std::size_t code = 0; code < count; ++code) {
            for (std::size_t bit = 0; bit < static_cast<std::size_t>(format->bits); ++bit) {
                if (((code >> bit) & 1U) != 0) {
                    const std::size_t at = code * static_cast<std::size_t>(format->bits) + bit;
                    bytes[1 + at / 8] |= std::byte{1} << (at % 8);
                }
            }
        }
        const auto stored = std::span<const std::byte>(bytes).subspan(1);
        std::vector<float> expected;
        std::vector<double> expectedWide;
        bool codesRight = true;
        for (std::size_t code = 0; code < count; ++code) {
            expectedWide.push_back(decode(*format, code));
            expected.push_back(static_cast<float>(expectedWide.back()));
            codesRight =
                codesRight && elementCode(*type, stored, static_cast<std::int64_t>(code)) == code;
        }
        CHECK(codesRight);
        for (const CpuTarget target : availableCpuTargets()) {
            const TargetGuard guard(target);
            CAPTURE(format->id, cpuTargetName(target));
            std::vector<float> out(count);
            decodeElements(*type, stored, 0, static_cast<std::int64_t>(count), out.data());
            CHECK(firstDifference(out, expected) == count);
            std::vector<double> wide(count);
            decodeElements(*type, stored, 0, static_cast<std::int64_t>(count), wide.data());
            CHECK(firstDifference(wide, expectedWide) == count);
            float one = 0;
            decodeElements(*type, stored, static_cast<std::int64_t>(count) - 1, 1, &one);
            CHECK(std::memcmp(&one, &expected.back(), sizeof one) == 0);
        }
    }
}

TEST_CASE("types that only containers have") {
    const auto decodeOne = [](const char* id, const auto& value) {
        double out = 0;
        const StorageType* type = findStorageType(id);
        REQUIRE(type != nullptr);
        decodeElements(*type, std::as_bytes(std::span(&value, 1)), 0, 1, &out);
        return out;
    };
    CHECK(decodeOne("bool", std::uint8_t{7}) == 1);
    CHECK(decodeOne("int64", std::int64_t{-3}) == -3);
    CHECK(decodeOne("uint64", std::uint64_t{1} << 63U) == 0x1p63);
    CHECK(decodeOne("complex64", std::array<float, 2>{3, -4}) == 5);
    CHECK(decodeOne("complex128", std::array<double, 2>{-6, 8}) == 10);
    CHECK(decodeOne("fp64", 0.1) == 0.1);
    CHECK(decodeOne("fp32", 0.1F) == static_cast<double>(0.1F));
    CHECK(decodeOne("uint32", std::uint32_t{0xFFFFFFFF}) == 4294967295.0);
    CHECK(findStorageType("complex64")->isComplex());
    CHECK(findStorageType("float") == nullptr);
}
