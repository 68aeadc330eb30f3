// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/blocks/pack_support.hpp"

#include "core/base/hash.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <span>

namespace loupe::test {

namespace {

/// xorshift32.
class Draws {
public:
    explicit Draws(std::uint32_t seed) : state_(seed) {}
    std::uint32_t bits() {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 17U;
        state_ ^= state_ << 5U;
        return state_;
    }
    float unit() { return static_cast<float>(static_cast<std::int32_t>(bits())) / 2147483648.0F; }
    float normal() {
        float total = 0;
        for (int i = 0; i < 4; ++i) {
            total = total + unit();
        }
        return total * 0.05F;
    }

private:
    std::uint32_t state_;
};

int exponentOf(const std::string& kind) {
    constexpr std::array<std::pair<std::string_view, int>, 5> kExponents{
        {{"tiny", -40}, {"least", -100}, {"denormal", -130}, {"huge", 20}, {"overflow", 34}}};
    for (const auto& [name, exponent] : kExponents) {
        if (name == kind) {
            return exponent;
        }
    }
    return 0;
}

/// What a kind makes of a draw at place i, after the values `before` it.
float shaped(
    const std::string& kind, float x, int i, const std::vector<float>& before, Draws& draws) {
    if (const int exponent = exponentOf(kind); exponent != 0) {
        return std::ldexp(x, exponent);
    }
    if (kind == "positive" || kind == "negative") {
        return kind == "positive" ? std::fabs(x) : -std::fabs(x);
    }
    if (kind == "offset") {
        return 1.0F + x;
    }
    if (kind == "constant") {
        return i % 32 != 0 ? before.back() : x;
    }
    if (kind == "heavy") {
        const std::uint32_t b = draws.bits();
        return b % 16 == 0 ? std::ldexp(x, static_cast<int>((b >> 8U) % 11)) : x;
    }
    if (kind == "sparse") {
        const std::uint32_t b = draws.bits() % 4;
        return b == 0 ? x : (b == 1 ? -0.0F : 0.0F);
    }
    if (kind == "zeros") {
        return i / 16 % 3 == 0 || i / 32 % 5 == 0 || i / 256 % 7 == 3 ? 0.0F : x;
    }
    if (kind == "ties") {
        return static_cast<float>(static_cast<int>(draws.bits() % 65) - 32) / 8.0F;
    }
    if (kind == "signs") {
        return draws.bits() % 2 == 0 ? 0.25F : -0.25F;
    }
    if (kind == "powers") {
        const std::uint32_t b = draws.bits();
        const float one = std::bit_cast<float>(((b % 41U + 107U) << 23U) + (b >> 8U) % 5U - 2U);
        return b >> 31U != 0 ? -one : one;
    }
    return x;
}

template <class T>
std::string hashed(const std::vector<T>& values) {
    std::array<char, 17> text{};
    std::snprintf(text.data(),
                  text.size(),
                  "%016llx",
                  static_cast<unsigned long long>(fnv1a(std::as_bytes(std::span(values)))));
    return text.data();
}

}  // namespace

const std::vector<NamedPacker>& namedPackers() {
    using blocks::Packers;
    static const std::vector<NamedPacker> kNames{{"q4_0", &Packers::q4_0, 32, 18},
                                                 {"q4_1", &Packers::q4_1, 32, 20},
                                                 {"q5_0", &Packers::q5_0, 32, 22},
                                                 {"q5_1", &Packers::q5_1, 32, 24},
                                                 {"q8_0", &Packers::q8_0, 32, 34},
                                                 {"q8_1", &Packers::q8_1, 32, 36},
                                                 {"q8_k", &Packers::q8_k, 256, 292},
                                                 {"q1_0", &Packers::q1_0, 128, 18},
                                                 {"q2_0", &Packers::q2_0, 64, 18},
                                                 {"q2_k", &Packers::q2_k, 256, 84},
                                                 {"q3_k", &Packers::q3_k, 256, 110},
                                                 {"q4_k", &Packers::q4_k, 256, 144},
                                                 {"q5_k", &Packers::q5_k, 256, 176},
                                                 {"q6_k", &Packers::q6_k, 256, 210},
                                                 {"iq4_nl", &Packers::iq4_nl, 32, 18},
                                                 {"iq4_xs", &Packers::iq4_xs, 256, 136},
                                                 {"tq1_0", &Packers::tq1_0, 256, 54},
                                                 {"tq2_0", &Packers::tq2_0, 256, 66},
                                                 {"ggml_mxfp4", &Packers::ggml_mxfp4, 32, 17},
                                                 {"ggml_nvfp4", &Packers::ggml_nvfp4, 64, 36}};
    return kNames;
}

std::vector<std::byte> packed(blocks::Pack pack,
                              const NamedPacker& format,
                              const std::vector<float>& values) {
    const std::size_t count = values.size() / static_cast<std::size_t>(format.elements);
    std::vector<std::byte> bytes(count * static_cast<std::size_t>(format.bytes));
    pack(values.data(), static_cast<std::int64_t>(count), bytes.data());
    return bytes;
}

std::vector<float> rampValues(int count) {
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        values.push_back(static_cast<float>(37 * i % 256 - 128) / 64.0F);
    }
    return values;
}

const std::vector<std::string>& packInputKinds() {
    static const std::vector<std::string> kKinds{"normal",
                                                 "tiny",
                                                 "least",
                                                 "denormal",
                                                 "huge",
                                                 "overflow",
                                                 "positive",
                                                 "negative",
                                                 "offset",
                                                 "constant",
                                                 "heavy",
                                                 "sparse",
                                                 "zeros",
                                                 "ties",
                                                 "signs",
                                                 "powers"};
    return kKinds;
}

std::vector<float> packInput(const std::string& kind, int count, std::uint32_t seed) {
    Draws draws(seed);
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        const float x = draws.normal();
        values.push_back(shaped(kind, x, i, values, draws));
    }
    return values;
}

std::vector<float> packInput(const std::string& kind) {
    const auto& kinds = packInputKinds();
    const auto at = std::find(kinds.begin(), kinds.end(), kind) - kinds.begin();
    return packInput(kind, 4096, static_cast<std::uint32_t>(12345 + 1000 * at));
}

std::vector<float> sumsOfDraws(int count) {
    return packInput("normal", count, 12345);
}

std::string hexOf(const std::byte* bytes, std::size_t count) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = std::to_integer<unsigned>(bytes[i]);
        text += kDigits[value >> 4U];
        text += kDigits[value & 15U];
    }
    return text;
}

std::string hashOf(const std::vector<std::byte>& bytes) {
    return hashed(bytes);
}

std::string hashOf(const std::vector<float>& values) {
    return hashed(values);
}

}  // namespace loupe::test
