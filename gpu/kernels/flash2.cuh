// SPDX-License-Identifier: Apache-2.0
// FlashAttention-2 (Dao 2023, arXiv:2307.08691), forward, on the FP32 units: one block for each
// tile of queries; O, m and l stay in registers while K and V pass by, O is divided once at the
// end, and L = m + ln l is stored for the backward pass. Requested bytes equal the algorithm's
// count:
//   reads nD + ceil(n / BR) * 2nD, writes nD + n.
//   q, o [batch, heads, n, D]; k, v [batch, kvHeads, n, D]; logSum [batch * heads, n].
// Causal: key tiles above the diagonal are not visited, only tiles on it are masked.
#include "gpu/simt/simt.hpp"

namespace flash2 {

template <int D, int BR, int BC>
struct Layout {
    static constexpr int kPitch = D + 4;  // 16-byte rows whose starts fall into different banks
    static constexpr int kPPitch = BC + 4;
    static constexpr int kQueries = 0;
    static constexpr int kKeys = kQueries + BR * kPitch * 4;
    static constexpr int kValues = kKeys + BC * kPitch * 4;
    static constexpr int kWeights = kValues + BC * D * 4;
};

template <int D, class Tile>
SIMT_DEVICE void loadRows(
    Tile& tile, simt::gmem<const float> from, long long first, int count, int padded, int tid) {
    for (int e = tid; e < padded * (D / 4); e += 128) {
        const int r = e / (D / 4);
        const int c = e % (D / 4) * 4;
        const float4 zero = {0, 0, 0, 0};
        tile.template vec<float4>(r, c) =
            r < count ? simt::vload<float4>(from + ((first + r) * D + c)) : zero;
    }
}

// Grid: (query tiles, batch * heads); 128 threads as 16 rows x 8: rows ty + 16 i, keys tx + 8 j,
// columns 4 tx + 32 c.
template <int D, int BR, int BC>
SIMT_DEVICE void forward(simt::gmem<const float> q,
                         simt::gmem<const float> k,
                         simt::gmem<const float> v,
                         simt::gmem<float> o,
                         simt::gmem<float> logSum,
                         int heads,
                         int kvHeads,
                         int n,
                         float scale,
                         int causal) {
    using namespace simt;
    using L = Layout<D, BR, BC>;
    constexpr int kR = BR / 16;
    constexpr int kC = BC / 8;
    constexpr int kQuads = D / 32;
    SIMT_SHARED_DYNAMIC(float, queries, BR, L::kPitch, L::kQueries);
    SIMT_SHARED_DYNAMIC(float, keys, BC, L::kPitch, L::kKeys);
    SIMT_SHARED_DYNAMIC(float, vals, BC, D, L::kValues);
    SIMT_SHARED_DYNAMIC(float, weights, BR, L::kPPitch, L::kWeights);
    const int tid = static_cast<int>(threadIdx.x);
    const int tx = tid % 8;
    const int ty = tid / 8;
    const int head = static_cast<int>(blockIdx.y);
    // Causal tiles cost more the later they are: those first, so that the last wave is short.
    const int tile =
        causal != 0 ? static_cast<int>(gridDim.x - 1 - blockIdx.x) : static_cast<int>(blockIdx.x);
    const int i0 = tile * BR;
    const int rows = n - i0 < BR ? n - i0 : BR;
    const long long qRows = static_cast<long long>(head) * n;
    const long long kRows =
        (static_cast<long long>(head / heads) * kvHeads + head % heads / (heads / kvHeads)) * n;
    loadRows<D>(queries, q, qRows + i0, rows, BR, tid);

    float m[kR];
    float l[kR];
    float acc[kR][kQuads * 4] = {};
#pragma unroll
    for (int i = 0; i < kR; ++i) {
        m[i] = -INFINITY;
        l[i] = 0;
    }
    const int end = causal != 0 ? i0 + rows : n;
    for (int j0 = 0; j0 < end; j0 += BC) {
        const int cols = n - j0 < BC ? n - j0 : BC;
        __syncthreads();
        loadRows<D>(keys, k, kRows + j0, cols, BC, tid);
        loadRows<D>(vals, v, kRows + j0, cols, BC, tid);
        __syncthreads();
        float s[kR][kC] = {};
#pragma unroll 4
        for (int d = 0; d < D; d += 4) {
            float4 b[kC];
#pragma unroll
            for (int j = 0; j < kC; ++j) {
                b[j] = keys.template vec<float4>(tx + 8 * j, d);
            }
#pragma unroll
            for (int i = 0; i < kR; ++i) {
                const float4 a = queries.template vec<float4>(ty + 16 * i, d);
#pragma unroll
                for (int j = 0; j < kC; ++j) {
                    s[i][j] = mad(a.x, b[j].x, s[i][j]);
                    s[i][j] = mad(a.y, b[j].y, s[i][j]);
                    s[i][j] = mad(a.z, b[j].z, s[i][j]);
                    s[i][j] = mad(a.w, b[j].w, s[i][j]);
                }
            }
        }
        const bool masked = cols < BC || (causal != 0 && j0 + BC - 1 > i0);
#pragma unroll
        for (int i = 0; i < kR; ++i) {
            const int r = ty + 16 * i;
            float most = m[i];
#pragma unroll
            for (int j = 0; j < kC; ++j) {
                const int c = tx + 8 * j;
                const bool seen = !masked || (c < cols && (causal == 0 || j0 + c <= i0 + r));
                s[i][j] = seen ? s[i][j] * scale : -INFINITY;
                most = fmaxf(most, s[i][j]);
            }
            for (int w = 4; w > 0; w /= 2) {
                most = fmaxf(most, __shfl_xor_sync(~0U, most, w, 8));
            }
            const float base = most == -INFINITY ? 0.0F : most;  // no visible key so far
            const float old = exp_(m[i] - base);
            float sum = 0;
#pragma unroll
            for (int j = 0; j < kC; ++j) {
                const float x = exp_(s[i][j] - base);
                sum += x;
                weights(r, tx + 8 * j) = x;
            }
            for (int w = 4; w > 0; w /= 2) {
                sum += __shfl_xor_sync(~0U, sum, w, 8);
            }
            l[i] = l[i] * old + sum;
            m[i] = most;
#pragma unroll
            for (int c = 0; c < kQuads * 4; ++c) {
                acc[i][c] *= old;
            }
        }
        __syncwarp();  // a row of P is written and read by the same 8 lanes
#pragma unroll 2
        for (int j = 0; j < BC; j += 4) {
            float4 a[kR];
#pragma unroll
            for (int i = 0; i < kR; ++i) {
                a[i] = weights.template vec<float4>(ty + 16 * i, j);
            }
#pragma unroll
            for (int t = 0; t < 4; ++t) {
#pragma unroll
                for (int c = 0; c < kQuads; ++c) {
                    const float4 b = vals.template vec<float4>(j + t, c * 32 + tx * 4);
#pragma unroll
                    for (int i = 0; i < kR; ++i) {
                        const float x = t == 0   ? a[i].x
                                        : t == 1 ? a[i].y
                                        : t == 2 ? a[i].z
                                                 : a[i].w;
                        acc[i][c * 4] = mad(x, b.x, acc[i][c * 4]);
                        acc[i][c * 4 + 1] = mad(x, b.y, acc[i][c * 4 + 1]);
                        acc[i][c * 4 + 2] = mad(x, b.z, acc[i][c * 4 + 2]);
                        acc[i][c * 4 + 3] = mad(x, b.w, acc[i][c * 4 + 3]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (int i = 0; i < kR; ++i) {
        const int r = ty + 16 * i;
        if (r < rows) {
            const float inverse = l[i] > 0 ? 1.0F / l[i] : 0.0F;
#pragma unroll
            for (int c = 0; c < kQuads; ++c) {
                const float4 out = {acc[i][c * 4] * inverse,
                                    acc[i][c * 4 + 1] * inverse,
                                    acc[i][c * 4 + 2] * inverse,
                                    acc[i][c * 4 + 3] * inverse};
                vstore(o + ((qRows + i0 + r) * D + c * 32 + tx * 4), out);
            }
            if (tx == 0) {
                logSum[qRows + i0 + r] = m[i] + logf(l[i]);
            }
        }
    }
}

}  // namespace flash2

#define FLASH2(D, BR, BC)                                               \
    SIMT_KERNEL(128,                                                    \
                flash2_d##D##_##BR##x##BC,                              \
                (simt::gmem<const float> q,                             \
                 simt::gmem<const float> k,                             \
                 simt::gmem<const float> v,                             \
                 simt::gmem<float> o,                                   \
                 simt::gmem<float> logSum,                              \
                 int heads,                                             \
                 int kvHeads,                                           \
                 int n,                                                 \
                 float scale,                                           \
                 int causal),                                           \
                (q, k, v, o, logSum, heads, kvHeads, n, scale, causal), \
                (flash2::forward<D, BR, BC>))

FLASH2(64, 64, 32)
FLASH2(128, 64, 32)

#undef FLASH2

SIMT_ENTRIES(flash2, SIMT_ENTRY(flash2_d64_64x32), SIMT_ENTRY(flash2_d128_64x32))
