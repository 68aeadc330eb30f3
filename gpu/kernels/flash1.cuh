// SPDX-License-Identifier: Apache-2.0
// FlashAttention, Algorithm 1 of Dao et al. 2022 (arXiv:2205.14135), to the letter: the outer loop
// runs over blocks of K and V, the inner one over blocks of Q, and O, l and m live in global
// memory, read and written again in every step. FP32. One thread block a head (the outer loop
// cannot be divided), so a GPU is mostly idle: a kernel to learn from. BC = ceil(M / 4D), BR =
// min(BC, D) for M elements of on-chip memory. Every element that the algorithm moves is moved by
// exactly one thread, so requested bytes equal its count:
//   reads 2nD + T(2nD + 2n), writes (nD + 2n) + T(nD + 2n), T = ceil(n / BC).
//   q, o [batch, heads, n, D]; k, v [batch, kvHeads, n, D]; l, m [batch * heads, n].
#include "gpu/simt/simt.hpp"

namespace flash1 {

constexpr int roundUp(int x, int to) {
    return (x + to - 1) / to * to;
}

// Bytes of dynamic shared memory, the same sum as in flash1.cpp.
template <int D, int BR, int BC>
struct Layout {
    static constexpr int kRows = roundUp(BR, 16);
    static constexpr int kCols = roundUp(BC, 16);
    static constexpr int kPitch = D + 4;
    static constexpr int kPPitch = kCols + 4;
    static constexpr int kQueries = 0;
    static constexpr int kKeys = kQueries + kRows * kPitch * 4;
    static constexpr int kValues = kKeys + kCols * kPitch * 4;
    static constexpr int kWeights = kValues + kCols * D * 4;
};

// Rows first .. first + count of a [.., D] matrix into shared rows 0 .. padded, zeros past count.
template <int D, class Tile>
SIMT_DEVICE void loadRows(
    Tile& tile, simt::gmem<const float> from, long long first, int count, int padded, int tid) {
    for (int e = tid; e < padded * (D / 4); e += 256) {
        const int r = e / (D / 4);
        const int c = e % (D / 4) * 4;
        const float4 zero = {0, 0, 0, 0};
        tile.template vec<float4>(r, c) =
            r < count ? simt::vload<float4>(from + ((first + r) * D + c)) : zero;
    }
}

SIMT_DEVICE float rowMax(float x) {
    for (int o = 8; o > 0; o /= 2) {
        x = fmaxf(x, __shfl_xor_sync(~0U, x, o, 16));
    }
    return x;
}

SIMT_DEVICE float rowSum(float x) {
    for (int o = 8; o > 0; o /= 2) {
        x += __shfl_xor_sync(~0U, x, o, 16);
    }
    return x;
}

// Grid: batch * heads; 256 threads as 16 x 16: rows ty + 16 i, keys tx + 16 j, columns 4 tx + 64 c.
template <int D, int BR, int BC>
SIMT_DEVICE void forward(simt::gmem<const float> q,
                         simt::gmem<const float> k,
                         simt::gmem<const float> v,
                         simt::gmem<float> o,
                         simt::gmem<float> l,
                         simt::gmem<float> m,
                         int heads,
                         int kvHeads,
                         int n,
                         float scale,
                         int causal) {
    using namespace simt;
    using L = Layout<D, BR, BC>;
    constexpr int kR = L::kRows / 16;
    constexpr int kC = L::kCols / 16;
    constexpr int kQuads = D / 64;
    SIMT_SHARED_DYNAMIC(float, queries, L::kRows, L::kPitch, L::kQueries);
    SIMT_SHARED_DYNAMIC(float, keys, L::kCols, L::kPitch, L::kKeys);
    SIMT_SHARED_DYNAMIC(float, vals, L::kCols, D, L::kValues);
    SIMT_SHARED_DYNAMIC(float, weights, L::kRows, L::kPPitch, L::kWeights);
    const int tid = static_cast<int>(threadIdx.x);
    const int tx = tid % 16;
    const int ty = tid / 16;
    const int head = static_cast<int>(blockIdx.x);
    const long long qRows = static_cast<long long>(head) * n;
    const long long kRows =
        (static_cast<long long>(head / heads) * kvHeads + head % heads / (heads / kvHeads)) * n;

    // Line 2: O = 0, l = 0, m = -inf in global memory.
    const float4 zero = {0, 0, 0, 0};
    for (int e = tid; e < n * (D / 4); e += 256) {
        vstore(o + (qRows * D + e * 4), zero);
    }
    for (int i = tid; i < n; i += 256) {
        l[qRows + i] = 0.0F;
        m[qRows + i] = -INFINITY;
    }
    __syncthreads();

    for (int j0 = 0; j0 < n; j0 += BC) {
        const int cols = n - j0 < BC ? n - j0 : BC;
        loadRows<D>(keys, k, kRows + j0, cols, L::kCols, tid);
        loadRows<D>(vals, v, kRows + j0, cols, L::kCols, tid);
        for (int i0 = 0; i0 < n; i0 += BR) {
            const int rows = n - i0 < BR ? n - i0 : BR;
            if (causal != 0 && j0 > i0 + rows - 1) {
                continue;
            }
            loadRows<D>(queries, q, qRows + i0, rows, L::kRows, tid);
            __syncthreads();

            // S = scale * Q_i * K_j^T in registers.
            float s[kR][kC] = {};
#pragma unroll 1
            for (int d = 0; d < D; d += 4) {
                float4 b[kC];
#pragma unroll
                for (int j = 0; j < kC; ++j) {
                    b[j] = keys.template vec<float4>(tx + 16 * j, d);
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

            // m~ = rowmax S, P~ = exp(S - m~), l~ = rowsum P~; m' and l' merge them with the old
            // ones.
            float keep[kR];  // l e^(m - m') / l': what the old O counts for
            float take[kR];  // e^(m~ - m') / l': what P~ V counts for
#pragma unroll
            for (int i = 0; i < kR; ++i) {
                const int r = ty + 16 * i;
                float most = -INFINITY;
#pragma unroll
                for (int j = 0; j < kC; ++j) {
                    const int c = tx + 16 * j;
                    const bool seen = c < cols && (causal == 0 || j0 + c <= i0 + r);
                    s[i][j] = seen ? s[i][j] * scale : -INFINITY;
                    most = fmaxf(most, s[i][j]);
                }
                most = rowMax(most);
                const float shift =
                    most == -INFINITY ? 0.0F : most;  // no visible key in this block
                float sum = 0;
#pragma unroll
                for (int j = 0; j < kC; ++j) {
                    const float x = exp_(s[i][j] - shift);
                    sum += x;
                    weights(r, tx + 16 * j) = x;
                }
                sum = rowSum(sum);
                float oldMost = -INFINITY;
                float oldSum = 0;
                if (tx == 0 && r < rows) {
                    oldMost = m[qRows + i0 + r];
                    oldSum = l[qRows + i0 + r];
                }
                oldMost = __shfl_sync(~0U, oldMost, 0, 16);
                oldSum = __shfl_sync(~0U, oldSum, 0, 16);
                const float newMost = fmaxf(oldMost, most);
                const float base = newMost == -INFINITY ? 0.0F : newMost;
                const float fromOld = exp_(oldMost - base) * oldSum;
                const float fromNew = exp_(most - base);
                const float newSum = fromOld + fromNew * sum;
                const float inverse = newSum > 0 ? 1.0F / newSum : 0.0F;
                keep[i] = fromOld * inverse;
                take[i] = fromNew * inverse;
                if (tx == 0 && r < rows) {
                    m[qRows + i0 + r] = newMost;
                    l[qRows + i0 + r] = newSum;
                }
            }
            __syncwarp();  // a row of P~ is written and read by the same 16 lanes

            // O_i = keep * O_i + take * P~ V_j.
            float acc[kR][kQuads * 4] = {};
#pragma unroll 2
            for (int j = 0; j < cols; ++j) {
                float4 b[kQuads];
#pragma unroll
                for (int c = 0; c < kQuads; ++c) {
                    b[c] = vals.template vec<float4>(j, c * 64 + tx * 4);
                }
#pragma unroll
                for (int i = 0; i < kR; ++i) {
                    const float a = weights(ty + 16 * i, j);
#pragma unroll
                    for (int c = 0; c < kQuads; ++c) {
                        acc[i][c * 4] = mad(a, b[c].x, acc[i][c * 4]);
                        acc[i][c * 4 + 1] = mad(a, b[c].y, acc[i][c * 4 + 1]);
                        acc[i][c * 4 + 2] = mad(a, b[c].z, acc[i][c * 4 + 2]);
                        acc[i][c * 4 + 3] = mad(a, b[c].w, acc[i][c * 4 + 3]);
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < kR; ++i) {
                const int r = ty + 16 * i;
                if (r < rows) {
#pragma unroll
                    for (int c = 0; c < kQuads; ++c) {
                        const long long at = (qRows + i0 + r) * D + c * 64 + tx * 4;
                        float4 x = vload<float4>(o + at);
                        x.x = keep[i] * x.x + take[i] * acc[i][c * 4];
                        x.y = keep[i] * x.y + take[i] * acc[i][c * 4 + 1];
                        x.z = keep[i] * x.z + take[i] * acc[i][c * 4 + 2];
                        x.w = keep[i] * x.w + take[i] * acc[i][c * 4 + 3];
                        vstore(o + at, x);
                    }
                }
            }
            __syncthreads();
        }
        __syncthreads();  // a causal block may have skipped every query block: keys are rewritten
                          // next
    }
}

}  // namespace flash1

#define FLASH1(D, BR, BC)                                             \
    SIMT_KERNEL(256,                                                  \
                flash1_d##D##_bc##BC,                                 \
                (simt::gmem<const float> q,                           \
                 simt::gmem<const float> k,                           \
                 simt::gmem<const float> v,                           \
                 simt::gmem<float> o,                                 \
                 simt::gmem<float> l,                                 \
                 simt::gmem<float> m,                                 \
                 int heads,                                           \
                 int kvHeads,                                         \
                 int n,                                               \
                 float scale,                                         \
                 int causal),                                         \
                (q, k, v, o, l, m, heads, kvHeads, n, scale, causal), \
                (flash1::forward<D, BR, BC>))

FLASH1(64, 32, 32)
FLASH1(64, 48, 48)
FLASH1(64, 64, 64)
FLASH1(64, 64, 100)
FLASH1(64, 64, 192)
FLASH1(64, 64, 196)
FLASH1(128, 32, 32)
FLASH1(128, 96, 96)
FLASH1(128, 98, 98)

#undef FLASH1

SIMT_ENTRIES(flash1,
             SIMT_ENTRY(flash1_d64_bc32),
             SIMT_ENTRY(flash1_d64_bc48),
             SIMT_ENTRY(flash1_d64_bc64),
             SIMT_ENTRY(flash1_d64_bc100),
             SIMT_ENTRY(flash1_d64_bc192),
             SIMT_ENTRY(flash1_d64_bc196),
             SIMT_ENTRY(flash1_d128_bc32),
             SIMT_ENTRY(flash1_d128_bc96),
             SIMT_ENTRY(flash1_d128_bc98))
