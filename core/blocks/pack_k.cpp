// SPDX-License-Identifier: Apache-2.0
// Quantizers of ggml's K-quants: a scale (and minimum) of each part by weighted least squares over
// several candidates, these quantized in turn, and the codes taken again with what is stored.
#include "core/blocks/pack_numbers.hpp"
#include "core/blocks/pack_reference.hpp"
#include "core/blocks/structs.hpp"

#include <algorithm>

namespace loupe::blocks::reference {

namespace {

constexpr float kLeast = 1e-15F;  ///< below it a part counts as zero

int nearestClamped(float x, int low, int high) {
    return std::clamp(nearestInt(x), low, high);
}

std::uint8_t lowByte(int x) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(x) & 0xFFU);
}

// --- the searches
// ---------------------------------------------------------------------------------

/// Nobody watches a search.
struct Unwatched {
    void operator()(float /*scale*/, float /*offset*/, double /*error*/, bool /*taken*/) const {}
};

/// Symmetric codes 0 to 2·most - 1 around `most`, weights x²; ggml's make_qx_quants. `watch` hears
/// of every scale: of each, the sum of squared errors times x² is Σx⁴ less what is compared.
template <int kCount, class Watch = Unwatched>
float searchSymmetric(const float* x, int most, std::uint8_t* codes, const Watch& watch = {}) {
    const float largest = firstLargest(x, kCount);
    if (std::fabs(largest) < kLeast) {
        std::fill(codes, codes + kCount, std::uint8_t{0});
        return 0;
    }
    const auto take = [&](float inverseScale) {
        for (int i = 0; i < kCount; ++i) {
            codes[i] = lowByte(nearestClamped(inverseScale * x[i], -most, most - 1) + most);
        }
    };
    const auto sums = [&](float inverseScale, float& lx, float& ll) {
        lx = ll = 0;
        for (int i = 0; i < kCount; ++i) {
            const auto l = static_cast<float>(nearestClamped(inverseScale * x[i], -most, most - 1));
            const float w = x[i] * x[i];
            lx += w * x[i] * l;
            ll += w * l * l;
        }
    };
    const auto top = static_cast<float>(most);
    float lx = 0;
    float ll = 0;
    sums(-top / largest, lx, ll);
    take(-top / largest);
    float scale = ll != 0 ? lx / ll : 0.0F;
    float best = scale * lx;
    watch(scale, 0.0F, static_cast<double>(best), true);
    for (int t = -9; t <= 9; ++t) {
        if (t == 0) {
            continue;
        }
        const float inverseScale = -(top + 0.1F * static_cast<float>(t)) / largest;
        sums(inverseScale, lx, ll);
        if (ll > 0) {
            watch(lx / ll,
                  0.0F,
                  static_cast<double>(lx) / static_cast<double>(ll) * static_cast<double>(lx),
                  lx * lx > best * ll);
        }
        if (ll > 0 && lx * lx > best * ll) {
            take(inverseScale);
            scale = lx / ll;
            best = scale * lx;
        }
    }
    return scale;
}

/// Codes 0 to 7 around 4, improved one by one in up to five sweeps; ggml's make_q3_quants.
float searchThreeBits(const float* x, std::uint8_t* codes) {
    constexpr int kCount = 16;
    const float largest = firstLargest(x, kCount);
    if (std::fabs(largest) < kLeast) {
        std::fill(codes, codes + kCount, std::uint8_t{0});
        return 0;
    }
    const float inverseScale = -4.0F / largest;
    int found[kCount];
    float lx = 0;
    float ll = 0;
    for (int i = 0; i < kCount; ++i) {
        found[i] = nearestClamped(inverseScale * x[i], -4, 3);
        const auto l = static_cast<float>(found[i]);
        const float w = x[i] * x[i];
        lx += w * x[i] * l;
        ll += w * l * l;
    }
    bool changed = true;
    for (int sweep = 0; sweep < 5 && changed; ++sweep) {
        changed = false;
        for (int i = 0; i < kCount; ++i) {
            const float w = x[i] * x[i];
            const auto before = static_cast<float>(found[i]);
            float otherLx = lx - w * x[i] * before;
            if (!(otherLx > 0)) {
                continue;
            }
            float otherLl = ll - w * before * before;
            const int candidate = nearestClamped(x[i] * otherLl / otherLx, -4, 3);
            if (candidate == found[i]) {
                continue;
            }
            const auto l = static_cast<float>(candidate);
            otherLx += w * x[i] * l;
            otherLl += w * l * l;
            if (otherLl > 0 && otherLx * otherLx * ll > lx * lx * otherLl) {
                found[i] = candidate;
                lx = otherLx;
                ll = otherLl;
                changed = true;
            }
        }
    }
    for (int i = 0; i < kCount; ++i) {
        codes[i] = lowByte(found[i] + 4);
    }
    return ll > 0 ? lx / ll : 0.0F;
}

struct Affine {
    float scale = 0;
    float minimum = 0;  ///< subtracted, so never below zero
};

/// How make_qkx2_quants searches: codes 0 to `most`, steps + 1 candidates, absolute errors or
/// squares.
struct AffineSearch {
    int most;
    float first;
    float step;
    int steps;
    bool absolute;
};

constexpr AffineSearch kSearchQ2K{3, -0.5F, 0.1F, 15, true};
constexpr AffineSearch kSearchQ4K{15, -1.0F, 0.1F, 20, false};
constexpr AffineSearch kSearchQ5K{31, -0.5F, 0.1F, 15, false};

/// Codes from a scale and a minimum; ggml's make_qkx2_quants. `watch` hears of every pair.
template <int kCount, class Watch = Unwatched>
Affine searchAffine(const float* x,
                    const float* weights,
                    const AffineSearch& search,
                    std::uint8_t* codes,
                    const Watch& watch = {}) {
    float low = x[0];
    float high = x[0];
    float sumW = weights[0];
    float sumX = sumW * x[0];
    for (int i = 1; i < kCount; ++i) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        sumW += weights[i];
        sumX += weights[i] * x[i];
    }
    low = low > 0 ? 0 : low;
    if (high == low) {
        std::fill(codes, codes + kCount, std::uint8_t{0});
        return {0, -low};
    }
    const auto errorOf = [&](const std::uint8_t* l, float scale, float minimum) {
        float sum = 0;
        for (int i = 0; i < kCount; ++i) {
            const float error = scale * static_cast<float>(l[i]) + minimum - x[i];
            sum += weights[i] * (search.absolute ? std::fabs(error) : error * error);
        }
        return sum;
    };
    const auto top = static_cast<float>(search.most);
    float inverseScale = top / (high - low);
    float scale = 1.0F / inverseScale;
    for (int i = 0; i < kCount; ++i) {
        codes[i] = lowByte(nearestClamped(inverseScale * (x[i] - low), 0, search.most));
    }
    float best = errorOf(codes, scale, low);
    watch(scale, low, static_cast<double>(best), true);
    std::uint8_t candidate[32];
    for (int t = 0; t <= search.steps; ++t) {
        inverseScale = (search.first + search.step * static_cast<float>(t) + top) / (high - low);
        float sumL = 0;
        float sumLl = 0;
        float sumXl = 0;
        for (int i = 0; i < kCount; ++i) {
            candidate[i] = lowByte(nearestClamped(inverseScale * (x[i] - low), 0, search.most));
            const auto l = static_cast<float>(candidate[i]);
            sumL += weights[i] * l;
            sumLl += weights[i] * l * l;
            sumXl += weights[i] * l * x[i];
        }
        const float determinant = sumW * sumLl - sumL * sumL;
        if (!(determinant > 0)) {
            continue;
        }
        float newScale = (sumW * sumXl - sumX * sumL) / determinant;
        float newLow = (sumLl * sumX - sumL * sumXl) / determinant;
        if (newLow > 0) {
            newLow = 0;
            newScale = sumXl / sumLl;
        }
        const float error = errorOf(candidate, newScale, newLow);
        watch(newScale, newLow, static_cast<double>(error), error < best);
        if (error < best) {
            std::copy(candidate, candidate + kCount, codes);
            best = error;
            scale = newScale;
            low = newLow;  // the next candidates start from it
        }
    }
    return {scale, -low};
}

/// What an error at each of 32 elements counts: Q4_K and Q5_K.
void pairWeights(const float* part, float* weights) {
    float squares = 0;
    for (int i = 0; i < 32; ++i) {
        squares += part[i] * part[i];
    }
    const float average = std::sqrt(squares / 32.0F);
    for (int i = 0; i < 32; ++i) {
        weights[i] = average + std::fabs(part[i]);
    }
}

/// The same of 16: Q2_K.
void magnitudeWeights(const float* part, float* weights) {
    for (int i = 0; i < 16; ++i) {
        weights[i] = std::fabs(part[i]);
    }
}

template <int kCount>
ScaleSearch watchAffine(const float* x,
                        const AffineSearch& search,
                        void (*weigh)(const float*, float*)) {
    ScaleSearch found;
    float weights[32];
    std::uint8_t codes[32];
    static_assert(kCount <= 32);
    weigh(x, weights);
    const Affine chosen = searchAffine<kCount>(
        x, weights, search, codes, [&](float scale, float offset, double error, bool taken) {
            found.trials.push_back(
                {static_cast<double>(scale), static_cast<double>(offset), error, taken});
        });
    found.scale = static_cast<double>(chosen.scale);
    found.offset = -static_cast<double>(chosen.minimum);
    found.largest = static_cast<double>(*std::max_element(x, x + kCount));
    found.smallest = static_cast<double>(std::min(*std::min_element(x, x + kCount), 0.0F));
    found.hasOffset = true;
    found.high = search.most;
    found.error = search.absolute ? "sum of |w| times the absolute error"
                                  : "sum of (rms + |w|) times the squared error";
    return found;
}

// --- packing
// ----------------------------------------------------------------------------------------

/// Codes of two bits: byte i of a half holds elements i, i + 32, i + 64 and i + 96 of it.
void storeTwoBits(const std::uint8_t* codes, std::uint8_t* qs) {
    for (int i = 0; i < kSuper; ++i) {
        std::uint8_t& byte = qs[i / 128 * 32 + i % 32];
        byte = static_cast<std::uint8_t>(byte | (codes[i] & 3U) << (2 * (i % 128 / 32)));
    }
}

/// Eight pairs of six bits in twelve bytes, as Q4_K and Q5_K keep scales and minima.
void storePairs(const std::uint8_t* scales, const std::uint8_t* minima, std::uint8_t* out) {
    for (int j = 0; j < 4; ++j) {
        out[j] = static_cast<std::uint8_t>(scales[j] | (scales[j + 4] >> 4U) << 6U);
        out[j + 4] = static_cast<std::uint8_t>(minima[j] | (minima[j + 4] >> 4U) << 6U);
        out[j + 8] = static_cast<std::uint8_t>((scales[j + 4] & 15U) | (minima[j + 4] & 15U) << 4U);
    }
}

/// What Q4_K and Q5_K share: eight parts of 32 with scale and minimum in six bits each.
template <class Block>
void packPairs(const float* x, const AffineSearch& search, Block& block, std::uint8_t* codes) {
    Affine found[8];
    float mostScale = 0;
    float mostMinimum = 0;
    for (int j = 0; j < 8; ++j) {
        const float* part = nth(x, j, 32);
        float weights[32];
        pairWeights(part, weights);
        found[j] = searchAffine<32>(part, weights, search, nth(codes, j, 32));
        mostScale = found[j].scale > mostScale ? found[j].scale : mostScale;
        mostMinimum = found[j].minimum > mostMinimum ? found[j].minimum : mostMinimum;
    }
    const float perScale = mostScale > 0 ? 63.0F / mostScale : 0.0F;
    const float perMinimum = mostMinimum > 0 ? 63.0F / mostMinimum : 0.0F;
    block.d = floatToHalf(mostScale / 63.0F);
    block.dmin = floatToHalf(mostMinimum / 63.0F);
    const float d = halfToFloat(block.d);
    const float dmin = halfToFloat(block.dmin);
    std::uint8_t scales[8];
    std::uint8_t minima[8];
    for (int j = 0; j < 8; ++j) {
        scales[j] = std::min<std::uint8_t>(63, lowByte(nearestInt(perScale * found[j].scale)));
        minima[j] = std::min<std::uint8_t>(63, lowByte(nearestInt(perMinimum * found[j].minimum)));
        const float scale = d * static_cast<float>(scales[j]);
        if (scale == 0) {
            continue;  // the codes of the search stay
        }
        const float minimum = dmin * static_cast<float>(minima[j]);
        for (int i = 32 * j; i < 32 * (j + 1); ++i) {
            codes[i] = lowByte(nearestClamped((x[i] + minimum) / scale, 0, search.most));
        }
    }
    storePairs(scales, minima, block.scales);
}

}  // namespace

void packQ2K(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q2K, kSuper>(values, count, blocks, [](const float* x, Q2K& block) {
        std::uint8_t codes[kSuper];
        Affine found[16];
        float mostScale = 0;
        float mostMinimum = 0;
        for (int j = 0; j < 16; ++j) {
            float weights[16];
            magnitudeWeights(nth(x, j, 16), weights);
            found[j] = searchAffine<16>(nth(x, j, 16), weights, kSearchQ2K, nth(codes, j, 16));
            mostScale = found[j].scale > mostScale ? found[j].scale : mostScale;
            mostMinimum = found[j].minimum > mostMinimum ? found[j].minimum : mostMinimum;
        }
        const float perScale = mostScale > 0 ? 15.0F / mostScale : 0.0F;
        const float perMinimum = mostMinimum > 0 ? 15.0F / mostMinimum : 0.0F;
        block.d = floatToHalf(mostScale > 0 ? mostScale / 15.0F : 0.0F);
        block.dmin = floatToHalf(mostMinimum > 0 ? mostMinimum / 15.0F : 0.0F);
        const float d = halfToFloat(block.d);
        const float dmin = halfToFloat(block.dmin);
        for (int j = 0; j < 16; ++j) {
            block.scales[j] = lowByte(nearestInt(perScale * found[j].scale) |
                                      nearestInt(perMinimum * found[j].minimum) * 16);
            const float scale = d * static_cast<float>(block.scales[j] & 15);
            if (scale == 0) {
                continue;
            }
            const float minimum = dmin * static_cast<float>(block.scales[j] >> 4);
            for (int i = 16 * j; i < 16 * (j + 1); ++i) {
                codes[i] = lowByte(nearestClamped((x[i] + minimum) / scale, 0, 3));
            }
        }
        storeTwoBits(codes, block.qs);
    });
}

void packQ3K(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q3K, kSuper>(values, count, blocks, [](const float* x, Q3K& block) {
        std::uint8_t codes[kSuper];
        float found[16];
        for (int j = 0; j < 16; ++j) {
            found[j] = searchThreeBits(nth(x, j, 16), nth(codes, j, 16));
        }
        const float most = firstLargest(found, 16);
        if (most != 0) {
            const float perScale = -32.0F / most;
            block.d = floatToHalf(1.0F / perScale);
            const float d = halfToFloat(block.d);
            for (int j = 0; j < 16; ++j) {
                const int stored = nearestClamped(perScale * found[j], -32, 31) + 32;
                block.scales[j % 8] = lowByte(block.scales[j % 8] | (stored & 15) << (4 * (j / 8)));
                block.scales[8 + j % 4] =
                    lowByte(block.scales[8 + j % 4] | (stored >> 4) << (2 * (j / 4)));
                const float scale = d * static_cast<float>(stored - 32);
                if (scale == 0) {
                    continue;
                }
                for (int i = 16 * j; i < 16 * (j + 1); ++i) {
                    codes[i] = lowByte(nearestClamped(x[i] / scale, -4, 3) + 4);
                }
            }
        }
        for (int i = 0; i < kSuper; ++i) {
            block.hmask[i % 32] = lowByte(block.hmask[i % 32] | (codes[i] >> 2) << (i / 32));
        }
        storeTwoBits(codes, block.qs);
    });
}

void packQ4K(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q4K, kSuper>(values, count, blocks, [](const float* x, Q4K& block) {
        std::uint8_t codes[kSuper];
        packPairs(x, kSearchQ4K, block, codes);
        for (int i = 0; i < 128; ++i) {
            const int low = i / 32 * 64 + i % 32;
            block.qs[i] = lowByte(codes[low] | codes[low + 32] << 4);
        }
    });
}

void packQ5K(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q5K, kSuper>(values, count, blocks, [](const float* x, Q5K& block) {
        std::uint8_t codes[kSuper];
        packPairs(x, kSearchQ5K, block, codes);
        for (int i = 0; i < 128; ++i) {
            const int low = i / 32 * 64 + i % 32;
            block.qs[i] = lowByte((codes[low] & 15) | codes[low + 32] << 4);
        }
        for (int i = 0; i < kSuper; ++i) {
            block.qh[i % 32] = lowByte(block.qh[i % 32] | (codes[i] >> 4) << (i / 32));
        }
    });
}

void packQ6K(const float* values, std::int64_t count, std::byte* blocks) {
    packEach<Q6K, kSuper>(values, count, blocks, [](const float* x, Q6K& block) {
        std::uint8_t codes[kSuper];
        float found[16];
        for (int j = 0; j < 16; ++j) {
            found[j] = searchSymmetric<16>(nth(x, j, 16), 32, nth(codes, j, 16));
        }
        const float most = firstLargest(found, 16);
        if (std::fabs(most) < kLeast) {
            return;
        }
        const float perScale = -128.0F / most;
        block.d = floatToHalf(1.0F / perScale);
        const float d = halfToFloat(block.d);
        for (int j = 0; j < 16; ++j) {
            const int stored = std::min(127, nearestInt(perScale * found[j]));
            block.scales[j] = static_cast<std::int8_t>(lowByte(stored));
            const float scale = d * static_cast<float>(block.scales[j]);
            if (scale == 0) {
                continue;
            }
            for (int i = 16 * j; i < 16 * (j + 1); ++i) {
                codes[i] = lowByte(nearestClamped(x[i] / scale, -32, 31) + 32);
            }
        }
        for (int half = 0; half < 2; ++half) {
            const std::uint8_t* q = nth(codes, half, 128);
            for (int i = 0; i < 32; ++i) {
                block.ql[64 * half + i] = lowByte((q[i] & 15) | q[i + 64] << 4);
                block.ql[64 * half + 32 + i] = lowByte((q[i + 32] & 15) | q[i + 96] << 4);
                block.qh[32 * half + i] = lowByte(q[i] >> 4 | q[i + 32] >> 4 << 2 |
                                                  q[i + 64] >> 4 << 4 | q[i + 96] >> 4 << 6);
            }
        }
    });
}

ScaleSearch watchQ2K(const float* part) {
    return watchAffine<16>(part, kSearchQ2K, magnitudeWeights);
}

ScaleSearch watchQ4K(const float* part) {
    return watchAffine<32>(part, kSearchQ4K, pairWeights);
}

ScaleSearch watchQ5K(const float* part) {
    return watchAffine<32>(part, kSearchQ5K, pairWeights);
}

ScaleSearch watchQ6K(const float* part) {
    constexpr int kCount = 16;
    ScaleSearch found;
    double fourthPowers = 0;
    for (int i = 0; i < kCount; ++i) {
        const auto x = static_cast<double>(part[i]);
        fourthPowers += x * x * x * x;
    }
    std::uint8_t codes[kCount];
    const float scale = searchSymmetric<kCount>(
        part, 32, codes, [&](float tried, float /*offset*/, double explained, bool taken) {
            found.trials.push_back(
                {static_cast<double>(tried), 0, std::max(fourthPowers - explained, 0.0), taken});
        });
    found.scale = static_cast<double>(scale);
    found.largest = static_cast<double>(firstLargest(part, kCount));
    found.low = -32;
    found.high = 31;
    found.error = "sum of w² times the squared error";
    return found;
}

}  // namespace loupe::blocks::reference
