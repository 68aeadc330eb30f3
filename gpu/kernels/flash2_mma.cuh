// SPDX-License-Identifier: Apache-2.0
// FlashAttention-2 forward (arXiv:2307.08691) on FP16 tensor cores, softmax and accumulation in
// FP32. S and P never leave registers: the accumulator layout of S is the operand layout of P. K
// and V arrive by cp.async, the next K while P V is computed, V while S is.
//   q [batch, heads, n, D], k and v [batch, kvHeads, n, D] FP16; o FP32; logSum [batch * heads, n].
// Causal: key tiles above the diagonal are not visited, only tiles on it are masked.
#include "gpu/simt/simt.hpp"

namespace flash2_mma {

template <int D, int BR, int BC>
struct Layout {
    static constexpr int kPitch = D + 8;  // +16 bytes a row: ldmatrix without bank conflicts
    static constexpr int kQueries = 0;
    static constexpr int kKeys = kQueries + BR * kPitch * 2;
    static constexpr int kValues = kKeys + BC * kPitch * 2;
};

// Rows first .. first + count into shared rows 0 .. ROWS by cp.async; zeros past count.
template <int D, int ROWS, int THREADS, class Tile>
SIMT_DEVICE void loadRows(
    Tile& tile, simt::gmem<const simt::half_t> from, long long first, int count, int tid) {
#pragma unroll
    for (int e = tid; e < ROWS * (D / 8); e += THREADS) {
        const int r = e / (D / 8);
        const int c = e % (D / 8) * 8;
        const int row = r < count ? r : 0;
        simt::cp_async16(tile.ptr(r, c), from + ((first + row) * D + c), r < count);
    }
}

SIMT_DEVICE float quadMax(float x) {
    x = fmaxf(x, __shfl_xor_sync(~0U, x, 1));
    return fmaxf(x, __shfl_xor_sync(~0U, x, 2));
}

SIMT_DEVICE float quadSum(float x) {
    x += __shfl_xor_sync(~0U, x, 1);
    return x + __shfl_xor_sync(~0U, x, 2);
}

// Masks and exponentiates one tile of scores in place: m and l go on, `old` is what O must be
// multiplied by. Rows of a thread: g and g + 8 of its 16.
template <int BC>
SIMT_DEVICE void softmaxTile(
    float (&s)[BC / 8][4], float (&m)[2], float (&l)[2], float (&old)[2], float scale) {
    float most[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (int j = 0; j < BC / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            most[e / 2] = fmaxf(most[e / 2], s[j][e]);
        }
    }
    float base[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const float now = fmaxf(m[r], quadMax(most[r]) * scale);
        base[r] = now == -INFINITY ? 0.0F : now;  // no visible key so far
        old[r] = simt::exp_(m[r] - base[r]);
        m[r] = now;
    }
    float sum[2] = {0, 0};
#pragma unroll
    for (int j = 0; j < BC / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            s[j][e] = simt::exp_(simt::mad(s[j][e], scale, -base[e / 2]));
            sum[e / 2] += s[j][e];
        }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        l[r] = l[r] * old[r] + sum[r];  // of this thread's columns: the quad is summed at the end
    }
}

// Grid: (query tiles, batch * heads); WARPS warps with 16 * MT query rows each.
template <int D, int BC, int WARPS, int MT>
SIMT_DEVICE void forward(simt::gmem<const simt::half_t> q,
                         simt::gmem<const simt::half_t> k,
                         simt::gmem<const simt::half_t> v,
                         simt::gmem<float> o,
                         simt::gmem<float> logSum,
                         int heads,
                         int kvHeads,
                         int n,
                         float scale,
                         int causal) {
    using namespace simt;
    constexpr int kThreads = WARPS * 32;
    constexpr int kRows = WARPS * MT * 16;
    using L = Layout<D, kRows, BC>;
    SIMT_SHARED_DYNAMIC(half_t, queries, kRows, L::kPitch, L::kQueries);
    SIMT_SHARED_DYNAMIC(half_t, keys, BC, L::kPitch, L::kKeys);
    SIMT_SHARED_DYNAMIC(half_t, vals, BC, L::kPitch, L::kValues);
    const int tid = static_cast<int>(threadIdx.x);
    const int warp = tid / 32;
    const int lane = tid % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    const int head = static_cast<int>(blockIdx.y);
    // Causal tiles cost more the later they are: those first, so that the last wave is short.
    const int tile =
        causal != 0 ? static_cast<int>(gridDim.x - 1 - blockIdx.x) : static_cast<int>(blockIdx.x);
    const int i0 = tile * kRows;
    const int rows = n - i0 < kRows ? n - i0 : kRows;
    const long long qRows = static_cast<long long>(head) * n;
    const long long kvRows =
        (static_cast<long long>(head / heads) * kvHeads + head % heads / (heads / kvHeads)) * n;
    const int end = causal != 0 ? i0 + rows : n;

    loadRows<D, kRows, kThreads>(queries, q, qRows + i0, rows, tid);
    loadRows<D, BC, kThreads>(keys, k, kvRows, n, tid);
    cp_async_commit();

    const int warpRow = warp * MT * 16;
    float out[MT][D / 8][4] = {};
    float m[MT][2];
    float l[MT][2];
#pragma unroll
    for (int i = 0; i < MT; ++i) {
        m[i][0] = m[i][1] = -INFINITY;
        l[i][0] = l[i][1] = 0;
    }
    for (int j0 = 0; j0 < end; j0 += BC) {
        cp_async_wait<0>();
        __syncthreads();  // this K is there, and the last V is no longer needed
        loadRows<D, BC, kThreads>(vals, v, kvRows + j0, n - j0, tid);
        cp_async_commit();

        float s[MT][BC / 8][4] = {};
#pragma unroll(MT == 1 && D == 64 ? 2 : D / 16)  // unrolled, it would spill on sm_100
        for (int d = 0; d < D / 16; ++d) {
            std::uint32_t a[MT][4];
#pragma unroll
            for (int i = 0; i < MT; ++i) {
                ldmatrix_x4(a[i],
                            queries.ptr(warpRow + i * 16 + lane % 16, d * 16 + lane / 16 * 8));
            }
#pragma unroll
            for (int j = 0; j < BC / 16; ++j) {
                std::uint32_t b[4];
                ldmatrix_x4(b,
                            keys.ptr(j * 16 + lane % 8 + lane / 16 * 8, d * 16 + lane / 8 % 2 * 8));
#pragma unroll
                for (int i = 0; i < MT; ++i) {
                    mma_m16n8k16_f16(s[i][2 * j], a[i], b);
                    mma_m16n8k16_f16(s[i][2 * j + 1], a[i], b + 2);
                }
            }
        }

        float old[MT][2];
        const bool masked = j0 + BC > n || (causal != 0 && j0 + BC - 1 > i0 + warpRow);
#pragma unroll
        for (int i = 0; i < MT; ++i) {
            if (masked) {
#pragma unroll
                for (int j = 0; j < BC / 8; ++j) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        const int col = j0 + j * 8 + t * 2 + e % 2;
                        const int row = i0 + warpRow + i * 16 + g + e / 2 * 8;
                        if (col >= n || (causal != 0 && col > row)) {
                            s[i][j][e] = -INFINITY;
                        }
                    }
                }
            }
            softmaxTile<BC>(s[i], m[i], l[i], old[i], scale);
#pragma unroll
            for (int c = 0; c < D / 8; ++c) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    out[i][c][e] *= old[i][e / 2];
                }
            }
        }

        cp_async_wait<0>();
        __syncthreads();  // this V is there, and K is no longer needed
        if (j0 + BC < end) {
            loadRows<D, BC, kThreads>(keys, k, kvRows + j0 + BC, n - j0 - BC, tid);
        }
        cp_async_commit();
#pragma unroll
        for (int j = 0; j < BC / 16; ++j) {
            std::uint32_t a[MT][4];
#pragma unroll
            for (int i = 0; i < MT; ++i) {
                a[i][0] = packHalf2(s[i][2 * j][0], s[i][2 * j][1]);
                a[i][1] = packHalf2(s[i][2 * j][2], s[i][2 * j][3]);
                a[i][2] = packHalf2(s[i][2 * j + 1][0], s[i][2 * j + 1][1]);
                a[i][3] = packHalf2(s[i][2 * j + 1][2], s[i][2 * j + 1][3]);
            }
#pragma unroll
            for (int c = 0; c < D / 16; ++c) {
                std::uint32_t b[4];
                ldmatrix_x4_trans(b, vals.ptr(j * 16 + lane % 16, c * 16 + lane / 16 * 8));
#pragma unroll
                for (int i = 0; i < MT; ++i) {
                    mma_m16n8k16_f16(out[i][2 * c], a[i], b);
                    mma_m16n8k16_f16(out[i][2 * c + 1], a[i], b + 2);
                }
            }
        }
    }

#pragma unroll
    for (int i = 0; i < MT; ++i) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const float sum = quadSum(l[i][h]);
            const float inverse = sum > 0 ? 1.0F / sum : 0.0F;
            const int r = warpRow + i * 16 + g + h * 8;
            if (r < rows) {
#pragma unroll
                for (int c = 0; c < D / 8; ++c) {
                    const float2 pair = {out[i][c][2 * h] * inverse,
                                         out[i][c][2 * h + 1] * inverse};
                    vstore(o + ((qRows + i0 + r) * D + c * 8 + t * 2), pair);
                }
                if (t == 0) {
                    logSum[qRows + i0 + r] = m[i][h] + logf(sum);
                }
            }
        }
    }
}

}  // namespace flash2_mma

#define FLASH2_MMA(THREADS, D, BR, BC, WARPS, MT)                       \
    SIMT_KERNEL(THREADS,                                                \
                flash2_mma_d##D##_##BR##x##BC,                          \
                (simt::gmem<const simt::half_t> q,                      \
                 simt::gmem<const simt::half_t> k,                      \
                 simt::gmem<const simt::half_t> v,                      \
                 simt::gmem<float> o,                                   \
                 simt::gmem<float> logSum,                              \
                 int heads,                                             \
                 int kvHeads,                                           \
                 int n,                                                 \
                 float scale,                                           \
                 int causal),                                           \
                (q, k, v, o, logSum, heads, kvHeads, n, scale, causal), \
                (flash2_mma::forward<D, BC, WARPS, MT>))

FLASH2_MMA(128, 64, 64, 64, 4, 1)
FLASH2_MMA(128, 64, 128, 64, 4, 2)
FLASH2_MMA(128, 128, 64, 64, 4, 1)
FLASH2_MMA(256, 128, 128, 64, 8, 1)

#undef FLASH2_MMA

SIMT_ENTRIES(flash2_mma,
             SIMT_ENTRY(flash2_mma_d64_64x64),
             SIMT_ENTRY(flash2_mma_d64_128x64),
             SIMT_ENTRY(flash2_mma_d128_64x64),
             SIMT_ENTRY(flash2_mma_d128_128x64))
