// SPDX-License-Identifier: Apache-2.0
// Quantizers of ggml's simple blocks: one scale, at most one minimum, each element by itself.
#include "core/blocks/pack_numbers.hpp"
#include "core/blocks/pack_reference.hpp"
#include "core/blocks/structs.hpp"

#include <algorithm>

namespace loupe::blocks::reference {

namespace {

/// Elements i and i + 16 share a byte, the first in its low half.
void storeNibbles(const std::uint8_t* codes, std::uint8_t* qs) {
    for (int i = 0; i < 16; ++i) {
        qs[i] = static_cast<std::uint8_t>((codes[i] & 15U) | (codes[i + 16] & 15U) << 4U);
    }
}

/// The fifth bits of 32 codes, as a little-endian number.
void storeFifthBits(const std::uint8_t* codes, std::uint8_t* qh) {
    for (int i = 0; i < 32; ++i) {
        qh[i / 8] = static_cast<std::uint8_t>(qh[i / 8] | ((codes[i] >> 4U) & 1U) << (i % 8));
    }
}

std::uint8_t code(std::int8_t truncated, int most) {
    return static_cast<std::uint8_t>(std::min<int>(truncated, most));
}

/// The scale puts the element of the largest magnitude onto the lowest code, -levels.
template <int kLevels>
float codesOfSymmetric(const float* x, std::uint8_t* codes) {
    const float d = firstLargest(x, 32) / static_cast<float>(-kLevels);
    const float id = inverse(d);
    for (int i = 0; i < 32; ++i) {
        const float scaled = x[i] * id;
        codes[i] =
            code(truncatedByte(scaled + (static_cast<float>(kLevels) + 0.5F)), 2 * kLevels - 1);
    }
    return d;
}

struct Affine {
    float d;
    float m;
};

/// Codes 0 to `most` from the smallest to the largest element.
Affine codesOfAffine(const float* x, int most, bool clamped, std::uint8_t* codes) {
    float low = std::numeric_limits<float>::max();
    float high = std::numeric_limits<float>::lowest();
    for (int i = 0; i < 32; ++i) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float d = (high - low) / static_cast<float>(most);
    const float id = inverse(d);
    for (int i = 0; i < 32; ++i) {
        const float scaled = (x[i] - low) * id;
        const std::int8_t found = truncatedByte(scaled + 0.5F);
        codes[i] = clamped ? code(found, most) : static_cast<std::uint8_t>(found);
    }
    return {d, low};
}

template <int kLevels>
ScaleSearch watchSymmetric(const float* part) {
    std::uint8_t codes[32];
    ScaleSearch found;
    found.scale = static_cast<double>(codesOfSymmetric<kLevels>(part, codes));
    found.largest = static_cast<double>(firstLargest(part, 32));
    found.low = -kLevels;
    found.high = kLevels - 1;
    return found;
}

ScaleSearch watchAffine(const float* part, int most, bool clamped) {
    std::uint8_t codes[32];
    const Affine scale = codesOfAffine(part, most, clamped, codes);
    ScaleSearch found;
    found.scale = static_cast<double>(scale.d);
    found.offset = static_cast<double>(scale.m);
    found.largest = static_cast<double>(*std::max_element(part, part + 32));
    found.smallest = static_cast<double>(scale.m);
    found.hasOffset = true;
    found.high = most;
    return found;
}

/// The largest magnitude onto code 127.
float scaleOfBytes(const float* x) {
    return largestMagnitude(x, 32) / 127.0F;
}

}  // namespace

ScaleSearch watchQ4_0(const float* part) {
    return watchSymmetric<8>(part);
}

ScaleSearch watchQ5_0(const float* part) {
    return watchSymmetric<16>(part);
}

ScaleSearch watchQ4_1(const float* part) {
    return watchAffine(part, 15, true);
}

ScaleSearch watchQ5_1(const float* part) {
    return watchAffine(part, 31, false);
}

ScaleSearch watchQ8_0(const float* part) {
    ScaleSearch found;
    found.scale = static_cast<double>(scaleOfBytes(part));
    found.largest = static_cast<double>(firstLargest(part, 32));
    found.low = -127;
    found.high = 127;
    return found;
}

void packQ4_0(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q4_0, 32>(values, count, blocks, [](const float* x, Q4_0& block) {
        std::uint8_t codes[32];
        block.d = floatToHalf(codesOfSymmetric<8>(x, codes));
        storeNibbles(codes, block.qs);
    });
}

void packQ4_1(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q4_1, 32>(values, count, blocks, [](const float* x, Q4_1& block) {
        std::uint8_t codes[32];
        const Affine scale = codesOfAffine(x, 15, true, codes);
        block.d = floatToHalf(scale.d);
        block.m = floatToHalf(scale.m);
        storeNibbles(codes, block.qs);
    });
}

void packQ5_0(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q5_0, 32>(values, count, blocks, [](const float* x, Q5_0& block) {
        std::uint8_t codes[32];
        block.d = floatToHalf(codesOfSymmetric<16>(x, codes));
        storeNibbles(codes, block.qs);
        storeFifthBits(codes, block.qh);
    });
}

void packQ5_1(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q5_1, 32>(values, count, blocks, [](const float* x, Q5_1& block) {
        std::uint8_t codes[32];
        const Affine scale = codesOfAffine(x, 31, false, codes);
        block.d = floatToHalf(scale.d);
        block.m = floatToHalf(scale.m);
        storeNibbles(codes, block.qs);
        storeFifthBits(codes, block.qh);
    });
}

void packQ8_0(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q8_0, 32>(values, count, blocks, [](const float* x, Q8_0& block) {
        const float d = scaleOfBytes(x);
        const float id = inverse(d);
        block.d = floatToHalf(d);
        for (int i = 0; i < 32; ++i) {
            block.qs[i] = truncatedByte(std::round(x[i] * id));
        }
    });
}

void packQ8_1(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q8_1, 32>(values, count, blocks, [](const float* x, Q8_1& block) {
        const float d = largestMagnitude(x, 32) / 127.0F;
        const float id = inverse(d);
        int sum = 0;
        for (int i = 0; i < 32; ++i) {
            block.qs[i] = truncatedByte(std::round(x[i] * id));
            sum += block.qs[i];
        }
        block.d = floatToHalf(d);
        block.s = floatToHalf(static_cast<float>(sum) * d);
    });
}

void packQ8K(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q8K, kSuper>(values, count, blocks, [](const float* x, Q8K& block) {
        const float most = firstLargest(x, kSuper);
        if (most == 0) {
            return;
        }
        const float scale = -127.0F / most;
        for (int i = 0; i < kSuper; ++i) {
            const int q = std::min(127, nearestInt(scale * x[i]));
            block.qs[i] = static_cast<std::int8_t>(
                static_cast<std::uint8_t>(static_cast<unsigned>(q) & 0xFFU));
            block.bsums[i / 16] = static_cast<std::int16_t>(block.bsums[i / 16] + block.qs[i]);
        }
        block.d = 1.0F / scale;
    });
}

void packQ1_0(const float* values, std::int64_t count, std::byte* blocks) {
    constexpr int kElements = 128;
    packEach<Q1_0, kElements>(values, count, blocks, [](const float* x, Q1_0& block) {
        float sum = 0;
        for (int i = 0; i < kElements; ++i) {
            sum += std::fabs(x[i]);
            const unsigned bit = x[i] >= 0 ? 1U : 0U;
            block.qs[i / 8] = static_cast<std::uint8_t>(block.qs[i / 8] | bit << (i % 8));
        }
        block.d = floatToHalf(sum / static_cast<float>(kElements));
    });
}

void packQ2_0(const float* values, std::int64_t count, std::byte* blocks) {
    constexpr int kElements = 64;
    packEach<Q2_0, kElements>(values, count, blocks, [](const float* x, Q2_0& block) {
        const float d = largestMagnitude(x, kElements);
        const float id = inverse(d);
        block.d = floatToHalf(d);
        for (int i = 0; i < kElements; ++i) {
            const int q = std::clamp(truncated(std::round(x[i] * id)) + 1, 0, 3);
            block.qs[i / 4] = static_cast<std::uint8_t>(block.qs[i / 4] | q << (2 * (i % 4)));
        }
    });
}

}  // namespace loupe::blocks::reference
