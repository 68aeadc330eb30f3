// SPDX-License-Identifier: Apache-2.0
// Quantizers of IQ4_NL and IQ4_XS: sixteen levels that lie closer together near zero, and a scale
// that is searched for.
#include "core/blocks/pack_numbers.hpp"
#include "core/blocks/pack_reference.hpp"
#include "core/blocks/packers.hpp"
#include "core/blocks/structs.hpp"

#include <algorithm>
#include <array>

namespace loupe::blocks {

namespace {

constexpr float kLeast = 1e-15F;  ///< below it a block counts as zero
constexpr std::uint8_t kCodeOfZero = 8;

/// The level nearest to x, the upper of equals.
std::uint8_t nearestIq4(float x) {
    if (x <= kIq4Levels[0]) {
        return 0;
    }
    if (x >= kIq4Levels[15]) {
        return 15;
    }
    int below = 0;
    int above = 15;
    while (above - below > 1) {
        const int middle = (below + above) / 2;
        (x < kIq4Levels[middle] ? above : below) = middle;
    }
    return static_cast<std::uint8_t>(x - kIq4Levels[above - 1] < kIq4Levels[above] - x ? above - 1
                                                                                       : above);
}

/// What the least squares of one candidate need: weights x², levels q.
struct Sums {
    float qx = 0;  ///< sum of w·q·x
    float qq = 0;  ///< sum of w·q·q
};

Sums sumsOf(const float* x, float inverseScale) {
    Sums sums;
    for (int i = 0; i < 32; ++i) {
        const float q = kIq4Levels[nearestIq4(inverseScale * x[i])];
        const float w = x[i] * x[i];
        sums.qx += w * q * x[i];
        sums.qq += w * q * q;
    }
    return sums;
}

/// The scale of 32 elements with the least weighted error among sixteen candidates.
float searchedScale(const float* x) {
    const float most = firstLargest(x, 32);
    if (std::fabs(most) < kLeast) {
        return 0;
    }
    Sums sums = sumsOf(x, 1.0F / (-most / kIq4Levels[0]));
    float d = sums.qx / sums.qq;
    float best = d * sums.qx;
    for (int t = -7; t <= 7; ++t) {
        sums = sumsOf(x, (static_cast<float>(t) + kIq4Levels[0]) / most);
        if (sums.qq > 0 && sums.qx * sums.qx > best * sums.qq) {
            d = sums.qx / sums.qq;
            best = d * sums.qx;
        }
    }
    return d;
}

void storeCodes(const float* x, float inverseScale, std::uint8_t* qs) {
    for (int i = 0; i < 16; ++i) {
        qs[i] = static_cast<std::uint8_t>(nearestIq4(inverseScale * x[i]) |
                                          nearestIq4(inverseScale * x[i + 16]) << 4U);
    }
}

}  // namespace

void packIq4NlOneScale(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Iq4Nl, 32>(values, count, blocks, [](const float* x, Iq4Nl& block) {
        const float most = firstLargest(x, 32);
        if (std::fabs(most) < kLeast) {
            std::fill(std::begin(block.qs), std::end(block.qs), std::uint8_t{kCodeOfZero * 17});
            return;
        }
        const float inverseScale = 1.0F / (most / kIq4Levels[0]);
        const Sums sums = sumsOf(x, inverseScale);
        block.d = floatToHalf(sums.qx / sums.qq);
        storeCodes(x, inverseScale, block.qs);
    });
}

namespace reference {

void packIq4Nl(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Iq4Nl, 32>(values, count, blocks, [](const float* x, Iq4Nl& block) {
        const float d = searchedScale(x);
        block.d = floatToHalf(d);
        storeCodes(x, inverse(d), block.qs);
    });
}

void packIq4Xs(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Iq4Xs, kSuper>(values, count, blocks, [](const float* x, Iq4Xs& block) {
        std::array<float, 8> scales{};
        for (int part = 0; part < 8; ++part) {
            scales[static_cast<std::size_t>(part)] = searchedScale(nth(x, part, 32));
        }
        const float d = -firstLargest(scales.data(), 8) / 32.0F;
        const float id = inverse(d);
        block.d = floatToHalf(d);
        for (int part = 0; part < 8; ++part) {
            const int l =
                std::clamp(nearestInt(id * scales[static_cast<std::size_t>(part)]), -32, 31);
            storeCodes(
                nth(x, part, 32), inverse(d * static_cast<float>(l)), nth(&block.qs[0], part, 16));
            const auto stored = static_cast<unsigned>(l + 32);
            block.scalesLow[part / 2] = static_cast<std::uint8_t>(
                block.scalesLow[part / 2] | (stored & 15U) << (4 * (part % 2)));
            block.scalesHigh =
                static_cast<std::uint16_t>(block.scalesHigh | (stored >> 4U) << (2 * part));
        }
    });
}

}  // namespace reference

}  // namespace loupe::blocks
