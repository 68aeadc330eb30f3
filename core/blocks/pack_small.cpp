// SPDX-License-Identifier: Apache-2.0
// Quantizers of ggml's ternary and 4-bit floating blocks.
#include "core/blocks/pack_numbers.hpp"
#include "core/blocks/pack_reference.hpp"
#include "core/blocks/structs.hpp"

#include <algorithm>

namespace loupe::blocks::reference {

namespace {

/// 0, 1 or 2; 1 for what no integer holds.
unsigned trit(float scaled) {
    const float rounded = std::round(scaled);
    return std::fabs(rounded) < 2 ? static_cast<unsigned>(static_cast<int>(rounded) + 1) : 1U;
}

/// Five trits as a fraction of 256/243, rounded up, so that multiplying by three brings out one
/// after the other.
std::uint8_t fiveTrits(unsigned number) {
    return static_cast<std::uint8_t>((number * 256U + 242U) / 243U);
}

/// The level nearest to x, the lower index of equals.
template <std::size_t kCount>
unsigned nearestLevel(const float (&levels)[kCount], float scale, float x) {
    unsigned best = 0;
    float least = std::fabs(levels[0] * scale - x);
    for (unsigned i = 1; i < kCount; ++i) {
        const float error = std::fabs(levels[i] * scale - x);
        if (error < least) {
            least = error;
            best = i;
        }
    }
    return best;
}

/// E8M0 of half a step, as float.
float halfPowerOfTwo(std::uint8_t e) {
    return std::bit_cast<float>(e < 2 ? 0x00200000U << e
                                      : static_cast<std::uint32_t>(e - 1) << 23U);
}

/// UE4M3: no sign, the code of NaN never; nearest, halves up.
std::uint8_t toUe4m3(float x) {
    if (!(x > 0)) {
        return 0;
    }
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(std::min(x, 448.0F));
    int exponent = static_cast<int>(bits >> 23U) - 127 + 7;
    if (exponent <= 0) {
        // NOLINTNEXTLINE(bugprone-incorrect-roundings): halves up, as ggml rounds
        return static_cast<std::uint8_t>(std::min(static_cast<int>(x * 512.0F + 0.5F), 7));
    }
    std::uint32_t mantissa = ((bits >> 20U) & 7U) + ((bits >> 19U) & 1U);
    if (mantissa > 7) {
        mantissa = 0;
        ++exponent;
    }
    return exponent >= 15 ? std::uint8_t{0x7E}
                          : static_cast<std::uint8_t>(exponent << 3 | static_cast<int>(mantissa));
}

float halfOfUe4m3(std::uint8_t code) {
    const int exponent = code >> 3;
    const auto mantissa = static_cast<float>(code & 7);
    return 0.5F *
           (exponent == 0 ? mantissa * 0x1p-9F : std::ldexp(1.0F + mantissa / 8.0F, exponent - 7));
}

}  // namespace

void packTq1_0(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Tq1_0, kSuper>(values, count, blocks, [](const float* x, Tq1_0& block) {
        const float d = largestMagnitude(x, kSuper);
        const float id = inverse(d);
        block.d = floatToHalf(d);
        const auto number = [&](int first, int step, int trits) {
            unsigned v = 0;
            for (int n = 0; n < trits; ++n) {
                v = 3 * v + trit(x[first + n * step] * id);
            }
            return v;
        };
        for (int i = 0; i < 32; ++i) {
            block.qs[i] = fiveTrits(number(i, 32, 5));
        }
        for (int i = 0; i < 16; ++i) {
            block.qs[32 + i] = fiveTrits(number(160 + i, 16, 5));
        }
        for (int i = 0; i < 4; ++i) {
            block.qh[i] = fiveTrits(3 * number(240 + i, 4, 4));
        }
    });
}

void packTq2_0(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Tq2_0, kSuper>(values, count, blocks, [](const float* x, Tq2_0& block) {
        const float d = largestMagnitude(x, kSuper);
        const float id = inverse(d);
        block.d = floatToHalf(d);
        for (int i = 0; i < kSuper; ++i) {
            std::uint8_t& byte = block.qs[i / 128 * 32 + i % 32];
            byte = static_cast<std::uint8_t>(byte | trit(x[i] * id) << (2 * (i % 128 / 32)));
        }
    });
}

void packMxfp4(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<GgmlMxfp4, 32>(values, count, blocks, [](const float* x, GgmlMxfp4& block) {
        const float most = largestMagnitude(x, 32);
        if (most > 0) {  // no clamp: the byte wraps for the smallest and the largest blocks
            const int exponent = static_cast<int>(std::floor(std::log2(most))) - 2 + 127;
            block.e = static_cast<std::uint8_t>(static_cast<unsigned>(exponent) & 0xFFU);
        }
        const float scale = halfPowerOfTwo(block.e);
        for (int i = 0; i < 16; ++i) {
            block.qs[i] =
                static_cast<std::uint8_t>(nearestLevel(kDoubledE2m1, scale, x[i]) |
                                          nearestLevel(kDoubledE2m1, scale, x[i + 16]) << 4U);
        }
    });
}

void packNvfp4(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<GgmlNvfp4, 64>(values, count, blocks, [](const float* values64, GgmlNvfp4& block) {
        for (int part = 0; part < 4; ++part) {
            const float* x = nth(values64, part, 16);
            block.d[part] = toUe4m3(largestMagnitude(x, 16) / 6.0F);
            const float scale = halfOfUe4m3(block.d[part]);
            for (int i = 0; i < 8; ++i) {
                block.qs[8 * part + i] =
                    static_cast<std::uint8_t>(nearestLevel(kDoubledE2m1, scale, x[i]) |
                                              nearestLevel(kDoubledE2m1, scale, x[i + 8]) << 4U);
            }
        }
    });
}

}  // namespace loupe::blocks::reference
