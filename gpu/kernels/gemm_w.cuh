// SPDX-License-Identifier: Apache-2.0
// Weight-only product on tensor cores, 1 to 64 tokens: 8- or 4-bit weights become FP16 in registers
// and meet FP16 activations in mma.sync with FP32 accumulators. Weights are stored in the order in
// which mma wants its first operand, so that a lane's 16-byte load is its own part of 16 rows x 64
// inputs (4 bit) or 16 x 32 (8 bit), and a code costs one bit operation and half an FP16 operation:
//   4 bit, lane (g, t), word s: inputs 16 t + 4 s + {0, 1, 2, 3} of rows g and g + 8; code + 8 in
//          bits {0, 16, 8, 24} (row g) and {4, 20, 12, 28} (row g + 8)
//   8 bit, lane (g, t), words 2 s and 2 s + 1: inputs 8 t + 4 s + {0, 1, 2, 3} of rows g and g + 8,
//          code + 128 in successive bytes
//   w [n / 16, k / 64 or 32, 32 lanes, 16 bytes]; scales of 4 bit: FP16 [n / 16, groups of
//   2^groupShift inputs, 8, 2] (rows g, g + 8); of 8 bit: FP32 [n]. x FP16 [m, k]; y FP32 [m, n]. n
//   and k padded with code 0, x with 0.
#include "gpu/simt/simt.hpp"

namespace gemm_w {

// Two FP16 codes from a word. Under 1024's exponent an integer below 1024 in the low bits is 1024
// plus that integer, 16 times it one nibble higher; both differences are exact.
SIMT_DEVICE std::uint32_t lowNibbles(std::uint32_t word) {
#if defined(__CUDACC__)
    std::uint32_t out;
    asm("sub.rn.f16x2 %0, %1, %2;"
        : "=r"(out)
        : "r"((word & 0x000F000FU) | 0x64006400U), "r"(0x64086408U));  // 1032
    return out;
#else
    return simt::packHalf2(static_cast<float>(word & 15U) - 8.0F,
                           static_cast<float>((word >> 16) & 15U) - 8.0F);
#endif
}

SIMT_DEVICE std::uint32_t highNibbles(std::uint32_t word) {
#if defined(__CUDACC__)
    std::uint32_t out;
    asm("fma.rn.f16x2 %0, %1, %2, %3;"
        : "=r"(out)
        : "r"((word & 0x00F000F0U) | 0x64006400U),
          "r"(0x2C002C00U),
          "r"(0xD480D480U));  // 1/16, -72
    return out;
#else
    return lowNibbles(word >> 4);
#endif
}

template <int UPPER>
SIMT_DEVICE std::uint32_t twoBytes(std::uint32_t word) {
#if defined(__CUDACC__)
    std::uint32_t out;
    asm("sub.rn.f16x2 %0, %1, %2;"
        : "=r"(out)
        : "r"(__byte_perm(word, 0x64646464U, UPPER != 0 ? 0x4342 : 0x4140)), "r"(0x64806480U));
    return out;  // 1024 + code + 128, less 1152
#else
    const std::uint32_t part = UPPER != 0 ? word >> 16 : word;
    return simt::packHalf2(static_cast<float>(part & 255U) - 128.0F,
                           static_cast<float>((part >> 8) & 255U) - 128.0F);
#endif
}

// Step s of a lane's 16 bytes as the first operand of m16n8k16.
template <int BITS>
SIMT_DEVICE void firstOperand(const std::uint32_t (&words)[4], int s, std::uint32_t (&a)[4]) {
    if constexpr (BITS == 4) {
        const std::uint32_t word = words[s];
        a[0] = lowNibbles(word);
        a[1] = highNibbles(word);
        a[2] = lowNibbles(word >> 8);
        a[3] = highNibbles(word >> 8);
    } else {
        a[0] = twoBytes<0>(words[2 * s]);
        a[1] = twoBytes<0>(words[2 * s + 1]);
        a[2] = twoBytes<1>(words[2 * s]);
        a[3] = twoBytes<1>(words[2 * s + 1]);
    }
}

template <int BITS>
struct Shape {
    static constexpr int kSteps = BITS == 4 ? 4 : 2;  // of 16 inputs, in 16 bytes
    static constexpr int kInputs = kSteps * 16;
    static constexpr int kMine = kSteps * 4;  // inputs of a lane, successive
    static constexpr int kLoads = kMine / 8;
    static constexpr std::uint32_t kZero = BITS == 4 ? 0x88888888U : 0x80808080U;
};

// acc += scale * (codes * x), 16 rows x 8 tokens for each of TILES; x as kLoads quads a lane and
// tile.
template <int BITS, int TILES>
SIMT_DEVICE void multiply(const uint4& codes,
                          const uint4 (&x)[TILES][Shape<BITS>::kLoads],
                          float upper,
                          float lower,
                          float (&acc)[TILES][4]) {
    using S = Shape<BITS>;
    const std::uint32_t words[4] = {codes.x, codes.y, codes.z, codes.w};
    float part[TILES][4] = {};
#pragma unroll
    for (int s = 0; s < S::kSteps; ++s) {
        std::uint32_t a[4];
        firstOperand<BITS>(words, s, a);
#pragma unroll
        for (int c = 0; c < TILES; ++c) {
            const uint4& quad = x[c][s / 2];
            const std::uint32_t b[2] = {s % 2 == 0 ? quad.x : quad.z, s % 2 == 0 ? quad.y : quad.w};
            if constexpr (BITS == 4) {
                simt::mma_m16n8k16_f16(part[c], a, b);
            } else {
                simt::mma_m16n8k16_f16(acc[c], a, b);
            }
        }
    }
    if constexpr (BITS == 4) {
#pragma unroll
        for (int c = 0; c < TILES; ++c) {
            acc[c][0] = simt::mad(part[c][0], upper, acc[c][0]);
            acc[c][1] = simt::mad(part[c][1], upper, acc[c][1]);
            acc[c][2] = simt::mad(part[c][2], lower, acc[c][2]);
            acc[c][3] = simt::mad(part[c][3], lower, acc[c][3]);
        }
    }
}

struct alignas(4) HalfPair {
    simt::half_t v[2];
};

template <int BITS, class Scale>
SIMT_DEVICE float rowScale(simt::gmem<const Scale> scales, int row) {
    if constexpr (BITS == 8) {
        const float scale = scales[row];
        return scale;
    } else {
        return 1.0F;
    }
}

// What a lane holds of one tile of inputs. Past the end: x = 0, so that the codes do not matter.
template <int BITS, int TILES, int RT>
struct Fetched {
    uint4 codes[RT];
    HalfPair scales[RT];
    uint4 x[TILES][Shape<BITS>::kLoads];
};

// Few tokens. Grid: rows / (16 * RT); 8 warps that share the rows and divide the inputs, AHEAD
// tiles in flight each; their sums meet in shared memory.
template <int BITS, int TILES, int RT, int AHEAD, class Scale>
SIMT_DEVICE void few(simt::gmem<const std::uint8_t> w,
                     simt::gmem<const Scale> scales,
                     simt::gmem<const simt::half_t> x,
                     simt::gmem<float> y,
                     int m,
                     int n,
                     int k,
                     int groupShift) {
    using namespace simt;
    using S = Shape<BITS>;
    constexpr int kWarps = 8;
    SIMT_SHARED(float, sums, kWarps* TILES * 8, RT * 16 + 4);
    const int tid = static_cast<int>(threadIdx.x);
    const int warp = tid / 32;
    const int lane = tid % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    const int rowTile = static_cast<int>(blockIdx.x) * RT;
    const int kTiles = k / S::kInputs;
    const int groups = ((k - 1) >> groupShift) + 1;
    Fetched<BITS, TILES, RT> next[AHEAD];
    const auto fetch = [&](int first) {
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            const int tile = first + u * kWarps;
            next[u] = {};
            if (tile >= kTiles) {
                continue;
            }
#pragma unroll
            for (int r = 0; r < RT; ++r) {
                next[u].codes[r] = vload<uint4>(
                    w + ((static_cast<long long>(rowTile + r) * kTiles + tile) * 512 + lane * 16));
                if constexpr (BITS == 4) {
                    next[u].scales[r] =
                        vload<HalfPair>(scales + ((static_cast<long long>(rowTile + r) * groups +
                                                   (tile * S::kInputs >> groupShift)) *
                                                      16 +
                                                  g * 2));
                }
            }
#pragma unroll
            for (int c = 0; c < TILES; ++c) {
                const int token = c * 8 + g;
                if (token < m) {
#pragma unroll
                    for (int h = 0; h < S::kLoads; ++h) {
                        next[u].x[c][h] =
                            vload<uint4>(x + (static_cast<long long>(token) * k +
                                              tile * S::kInputs + t * S::kMine + h * 8));
                    }
                }
            }
        }
    };
    fetch(warp);
    float acc[RT][TILES][4] = {};
    for (int k0 = warp; k0 < kTiles; k0 += kWarps * AHEAD) {
        Fetched<BITS, TILES, RT> now[AHEAD];
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            now[u] = next[u];
        }
        fetch(k0 + kWarps * AHEAD);
        __syncwarp();  // keeps the compiler from moving the loads down to where they are used
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
#pragma unroll
            for (int r = 0; r < RT; ++r) {
                multiply<BITS, TILES>(now[u].codes[r],
                                      now[u].x,
                                      toFloat(now[u].scales[r].v[0]),
                                      toFloat(now[u].scales[r].v[1]),
                                      acc[r]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < RT; ++r) {
#pragma unroll
        for (int c = 0; c < TILES; ++c) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                sums((warp * TILES + c) * 8 + t * 2 + e % 2, r * 16 + g + e / 2 * 8) = acc[r][c][e];
            }
        }
    }
    __syncthreads();
    for (int e = tid; e < TILES * 8 * RT * 16; e += kWarps * 32) {
        const int token = e / (RT * 16);
        const int row = rowTile * 16 + e % (RT * 16);
        if (token < m && row < n) {
            float sum = 0;
#pragma unroll
            for (int v = 0; v < kWarps; ++v) {
                const float part = sums(v * TILES * 8 + token, e % (RT * 16));
                sum += part;
            }
            y[static_cast<long long>(token) * n + row] = sum * rowScale<BITS, Scale>(scales, row);
        }
    }
}

// Up to 64 tokens. Grid: (rows / 64, splits of the inputs); 4 warps with 16 rows each. X passes
// through three stages of shared memory; out [splits, m, n] (y itself where there is one split).
template <int BITS, int TILES, class Scale>
SIMT_DEVICE void many(simt::gmem<const std::uint8_t> w,
                      simt::gmem<const Scale> scales,
                      simt::gmem<const simt::half_t> x,
                      simt::gmem<float> out,
                      int m,
                      int n,
                      int k,
                      int groupShift,
                      int perSplit) {
    using namespace simt;
    using S = Shape<BITS>;
    constexpr int kChunk = 128;
    constexpr int kPerChunk = kChunk / S::kInputs;
    constexpr int kStages = 3;
    constexpr int kTokens = TILES * 8;
    // A lane's 16-byte reads of 8 rows start in different banks.
    constexpr int kPitch = BITS == 4 ? kChunk + 8 : kChunk + 32;
    SIMT_SHARED_DYNAMIC(half_t, staged, kStages * kTokens, kPitch, 0);
    const int tid = static_cast<int>(threadIdx.x);
    const int lane = tid % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    const int rowTile = static_cast<int>(blockIdx.x) * 4 + tid / 32;
    const int split = static_cast<int>(blockIdx.y);
    const int kTiles = k / S::kInputs;
    const int groups = ((k - 1) >> groupShift) + 1;
    const int first = split * perSplit;
    const int last = first + perSplit < k ? first + perSplit : k;
    const int chunks = (last - first) / kChunk;

    const auto stageIn = [&](int chunk) {
#pragma unroll
        for (int e = tid; e < kTokens * (kChunk / 8); e += 128) {
            const int token = e / (kChunk / 8);
            const int at = e % (kChunk / 8) * 8;
            const int from = token < m ? token : 0;
            cp_async16(staged.ptr(chunk % kStages * kTokens + token, at),
                       x + (static_cast<long long>(from) * k + first + chunk * kChunk + at),
                       token < m);
        }
    };
    uint4 codes[kPerChunk];
    uint4 next[kPerChunk];
    HalfPair groupScales[kPerChunk] = {};
    HalfPair nextScales[kPerChunk] = {};
    const auto fetch = [&](int chunk) {
#pragma unroll
        for (int u = 0; u < kPerChunk; ++u) {
            const int tile = (first + chunk * kChunk) / S::kInputs + u;
            next[u] = vload<uint4>(
                w + ((static_cast<long long>(rowTile) * kTiles + tile) * 512 + lane * 16));
            if constexpr (BITS == 4) {
                nextScales[u] =
                    vload<HalfPair>(scales + ((static_cast<long long>(rowTile) * groups +
                                               (tile * S::kInputs >> groupShift)) *
                                                  16 +
                                              g * 2));
            }
        }
    };
    for (int c = 0; c < kStages - 1; ++c) {
        if (c < chunks) {
            stageIn(c);
        }
        cp_async_commit();
    }
    fetch(0);
    float acc[TILES][4] = {};
    for (int chunk = 0; chunk < chunks; ++chunk) {
#pragma unroll
        for (int u = 0; u < kPerChunk; ++u) {
            codes[u] = next[u];
            groupScales[u] = nextScales[u];
        }
        if (chunk + 1 < chunks) {
            fetch(chunk + 1);
        }
        cp_async_wait<kStages - 2>();
        __syncthreads();
        if (chunk + kStages - 1 < chunks) {
            stageIn(chunk + kStages - 1);
        }
        cp_async_commit();
#pragma unroll
        for (int u = 0; u < kPerChunk; ++u) {
            uint4 in[TILES][S::kLoads];
#pragma unroll
            for (int c = 0; c < TILES; ++c) {
#pragma unroll
                for (int h = 0; h < S::kLoads; ++h) {
                    in[c][h] = staged.template vec<uint4>(chunk % kStages * kTokens + c * 8 + g,
                                                          u * S::kInputs + t * S::kMine + h * 8);
                }
            }
            multiply<BITS, TILES>(
                codes[u], in, toFloat(groupScales[u].v[0]), toFloat(groupScales[u].v[1]), acc);
        }
    }
#pragma unroll
    for (int c = 0; c < TILES; ++c) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int token = c * 8 + t * 2 + e % 2;
            const int row = rowTile * 16 + g + e / 2 * 8;
            if (token < m && row < n) {
                out[(static_cast<long long>(split) * m + token) * n + row] =
                    acc[c][e] * rowScale<BITS, Scale>(scales, row);
            }
        }
    }
}

// y = sum of the splits, in order. Grid: m * n / 256.
SIMT_DEVICE void sumSplits(simt::gmem<const float> parts,
                           simt::gmem<float> y,
                           int count,
                           int splits) {
    const int at = static_cast<int>(blockIdx.x) * 256 + static_cast<int>(threadIdx.x);
    if (at >= count) {
        return;
    }
    float sum = 0;
    for (int i = 0; i < splits; ++i) {
        const float part = parts[static_cast<long long>(i) * count + at];
        sum += part;
    }
    y[at] = sum;
}

}  // namespace gemm_w

#define GEMM_W_FEW(NAME, BITS, TILES, RT, AHEAD, SCALE) \
    SIMT_KERNEL(256,                                    \
                NAME,                                   \
                (simt::gmem<const std::uint8_t> w,      \
                 simt::gmem<const SCALE> scales,        \
                 simt::gmem<const simt::half_t> x,      \
                 simt::gmem<float> y,                   \
                 int m,                                 \
                 int n,                                 \
                 int k,                                 \
                 int groupShift),                       \
                (w, scales, x, y, m, n, k, groupShift), \
                (gemm_w::few<BITS, TILES, RT, AHEAD, SCALE>))
#define GEMM_W_MANY(NAME, BITS, TILES, SCALE)                       \
    SIMT_KERNEL(128,                                                \
                NAME,                                               \
                (simt::gmem<const std::uint8_t> w,                  \
                 simt::gmem<const SCALE> scales,                    \
                 simt::gmem<const simt::half_t> x,                  \
                 simt::gmem<float> out,                             \
                 int m,                                             \
                 int n,                                             \
                 int k,                                             \
                 int groupShift,                                    \
                 int perSplit),                                     \
                (w, scales, x, out, m, n, k, groupShift, perSplit), \
                (gemm_w::many<BITS, TILES, SCALE>))

GEMM_W_FEW(gemm_w8a16_t8, 8, 1, 1, 6, float)
GEMM_W_FEW(gemm_w8a16_t16, 8, 2, 2, 4, float)
GEMM_W_MANY(gemm_w8a16_t32, 8, 4, float)
GEMM_W_MANY(gemm_w8a16_t64, 8, 8, float)
GEMM_W_FEW(gemm_w4a16_t8, 4, 1, 1, 4, simt::half_t)
GEMM_W_FEW(gemm_w4a16_t16, 4, 2, 2, 2, simt::half_t)
GEMM_W_MANY(gemm_w4a16_t32, 4, 4, simt::half_t)
GEMM_W_MANY(gemm_w4a16_t64, 4, 8, simt::half_t)
SIMT_KERNEL(256,
            gemm_w_sum,
            (simt::gmem<const float> parts, simt::gmem<float> y, int count, int splits),
            (parts, y, count, splits),
            (gemm_w::sumSplits))

#undef GEMM_W_FEW
#undef GEMM_W_MANY

SIMT_ENTRIES(gemm_w,
             SIMT_ENTRY(gemm_w8a16_t8),
             SIMT_ENTRY(gemm_w8a16_t16),
             SIMT_ENTRY(gemm_w8a16_t32),
             SIMT_ENTRY(gemm_w8a16_t64),
             SIMT_ENTRY(gemm_w4a16_t8),
             SIMT_ENTRY(gemm_w4a16_t16),
             SIMT_ENTRY(gemm_w4a16_t32),
             SIMT_ENTRY(gemm_w4a16_t64),
             SIMT_ENTRY(gemm_w_sum))
