// SPDX-License-Identifier: Apache-2.0
// Weight-only product for decode: Y = X * dequant(W)^T with 1 to 8 tokens, 8- or 4-bit weights,
// FP16 activations, FP32 arithmetic on the ordinary units. At so few tokens the time is that of
// reading the weights, so: every weight byte is read once, 16 bytes a load, several independent
// loads a thread.
//   w: 8 bit: int8 [n, k]; 4 bit: code + 8, two a byte, the even input in the low half [n, k / 2]
//   scales [n, groups] of 2^groupShift inputs, 32 at least; x FP16 [m, k]; y FP32 [m, n]. k a
//   multiple of 32.
#include "gpu/simt/simt.hpp"

namespace gemv_w {

struct alignas(16) Half8 {
    simt::half_t v[8];
};

SIMT_DEVICE float scaleValue(float s) {
    return s;
}
SIMT_DEVICE float scaleValue(simt::half_t s) {
    return simt::toFloat(s);
}

// Code number `at` of a word, as a float. An integer below 2^23 in the low bits of 2^23's pattern
// is 2^23 plus that integer: one bit operation and one exact multiply-add in place of a slow
// conversion.
template <int BITS>
SIMT_DEVICE float codeValue(std::uint32_t word, int at) {
    if constexpr (BITS == 4) {
        const int place = at < 5 ? at : at - 5;  // five fit below bit 20
        const std::uint32_t from = at < 5 ? word : word >> 20;
        const float scaled = simt::bitsFloat(0x4B000000U | (from & (15U << (4 * place))));
        const auto down = 1.0F / static_cast<float>(1 << (4 * place));
        return scaled * down - (8388608.0F * down + 8.0F);
    } else {
        const std::uint32_t byte = ((word ^ 0x80808080U) >> (8 * at)) & 255U;
        return simt::bitsFloat(0x4B000000U | byte) - 8388736.0F;
    }
}

// Grid: rows / (4 * ROWS); 128 threads. A warp makes ROWS outputs for all tokens; a lane takes the
// 16 bytes of weights (32 or 16 inputs) after its neighbour's. X passes through shared memory CHUNK
// inputs at a time, laid so that a lane's inputs start in a bank of their own.
template <int BITS, int TOKENS, int ROWS, int CHUNK, class Scale>
SIMT_DEVICE void product(simt::gmem<const std::uint8_t> w,
                         simt::gmem<const Scale> scales,
                         simt::gmem<const simt::half_t> x,
                         simt::gmem<float> y,
                         int m,
                         int n,
                         int k,
                         int groupShift) {
    using namespace simt;
    constexpr int kSpan = 128 / BITS;  // inputs a lane has in 16 bytes
    constexpr int kPerWord = 32 / BITS;
    constexpr int kPasses = CHUNK / (32 * kSpan);
    SIMT_SHARED(half_t, staged, TOKENS * (CHUNK / kSpan), kSpan + 8);
    const int tid = static_cast<int>(threadIdx.x);
    const int lane = tid % 32;
    const int row0 = (static_cast<int>(blockIdx.x) * 4 + tid / 32) * ROWS;
    const int groups = ((k - 1) >> groupShift) + 1;
    const long long rowBytes = static_cast<long long>(k) * BITS / 8;
    float acc[ROWS][TOKENS] = {};
    for (int k0 = 0; k0 < k; k0 += CHUNK) {
        uint4 codes[kPasses][ROWS];
        Scale stored[kPasses][ROWS];
#pragma unroll
        for (int p = 0; p < kPasses; ++p) {
            const int at = k0 + (p * 32 + lane) * kSpan;
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                codes[p][r] = {0, 0, 0, 0};
                stored[p][r] = Scale{};
                if (at < k && row0 + r < n) {
                    codes[p][r] = vload<uint4>(w + ((row0 + r) * rowBytes + at / 8 * BITS));
                    stored[p][r] =
                        scales[static_cast<long long>(row0 + r) * groups + (at >> groupShift)];
                }
            }
        }
        __syncthreads();
        for (int e = tid; e < TOKENS * (CHUNK / 8); e += 128) {
            const int token = e / (CHUNK / 8);
            const int at = e % (CHUNK / 8) * 8;
            uint4 value = {0, 0, 0, 0};
            if (token < m && k0 + at < k) {
                value = vload<uint4>(x + (static_cast<long long>(token) * k + k0 + at));
            }
            staged.template vec<uint4>(token * (CHUNK / kSpan) + at / kSpan, at % kSpan) = value;
        }
        __syncthreads();
#pragma unroll
        for (int p = 0; p < kPasses; ++p) {
            const int at = k0 + (p * 32 + lane) * kSpan;
            if (at >= k) {
                break;
            }
            float part[ROWS][TOKENS] = {};
#pragma unroll(BITS == 4 && TOKENS == 8 ? 2 : kSpan / 8)    // unrolled, it would spill on sm_100
            for (int half = 0; half < kSpan / 8; ++half) {  // eight inputs at a time
                float value[ROWS][8];
#pragma unroll
                for (int r = 0; r < ROWS; ++r) {
                    const std::uint32_t words[4] = {
                        codes[p][r].x, codes[p][r].y, codes[p][r].z, codes[p][r].w};
#pragma unroll
                    for (int c = 0; c < 8; ++c) {
                        const int index = half * 8 + c;
                        value[r][c] = codeValue<BITS>(words[index / kPerWord], index % kPerWord);
                    }
                }
#pragma unroll
                for (int t = 0; t < TOKENS; ++t) {
                    const Half8 in =
                        staged.template vec<Half8>(t * (CHUNK / kSpan) + p * 32 + lane, half * 8);
#pragma unroll
                    for (int c = 0; c < 8; ++c) {
                        const float input = toFloat(in.v[c]);
#pragma unroll
                        for (int r = 0; r < ROWS; ++r) {
                            part[r][t] = mad(value[r][c], input, part[r][t]);
                        }
                    }
                }
            }
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                const float scale = scaleValue(stored[p][r]);
#pragma unroll
                for (int t = 0; t < TOKENS; ++t) {
                    acc[r][t] = mad(part[r][t], scale, acc[r][t]);
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
#pragma unroll
        for (int t = 0; t < TOKENS; ++t) {
            float sum = acc[r][t];
#pragma unroll
            for (int o = 16; o > 0; o /= 2) {
                sum += __shfl_xor_sync(~0U, sum, o);
            }
            if (lane == 0 && row0 + r < n && t < m) {
                y[static_cast<long long>(t) * n + row0 + r] = sum;
            }
        }
    }
}

}  // namespace gemv_w

#define GEMV_W(NAME, BITS, TOKENS, ROWS, CHUNK, SCALE)  \
    SIMT_KERNEL(128,                                    \
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
                (gemv_w::product<BITS, TOKENS, ROWS, CHUNK, SCALE>))

GEMV_W(gemv_w8a16_t1, 8, 1, 2, 2048, float)
GEMV_W(gemv_w8a16_t2, 8, 2, 2, 2048, float)
GEMV_W(gemv_w8a16_t4, 8, 4, 2, 1024, float)
GEMV_W(gemv_w8a16_t8, 8, 8, 2, 512, float)
GEMV_W(gemv_w4a16_t1, 4, 1, 2, 4096, simt::half_t)
GEMV_W(gemv_w4a16_t2, 4, 2, 2, 4096, simt::half_t)
GEMV_W(gemv_w4a16_t4, 4, 4, 2, 2048, simt::half_t)
GEMV_W(gemv_w4a16_t8, 4, 8, 2, 1024, simt::half_t)

#undef GEMV_W

SIMT_ENTRIES(gemv_w,
             SIMT_ENTRY(gemv_w8a16_t1),
             SIMT_ENTRY(gemv_w8a16_t2),
             SIMT_ENTRY(gemv_w8a16_t4),
             SIMT_ENTRY(gemv_w8a16_t8),
             SIMT_ENTRY(gemv_w4a16_t1),
             SIMT_ENTRY(gemv_w4a16_t2),
             SIMT_ENTRY(gemv_w4a16_t4),
             SIMT_ENTRY(gemv_w4a16_t8))
