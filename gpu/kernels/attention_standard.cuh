// SPDX-License-Identifier: Apache-2.0
// Standard attention (Algorithm 0): three kernels that pass the N x N matrices S and P through
// global memory. What every tiled kernel is compared with. FP32.
//   q, o [batch, heads, n, D]; k, v [batch, kvHeads, n, D]; s, p [batch * heads, n, n].
// Causal: blocks above the diagonal are skipped, elements above it neither written nor read.
#include "gpu/simt/simt.hpp"

namespace attention_standard {

constexpr int kTile = 64;          // rows and columns of S that one block of scores computes
constexpr int kStep = 32;          // head dimensions, or keys, staged at a time
constexpr int kPitch = kStep + 4;  // 16-byte rows whose starts fall into different banks

// Which of the kvHeads serves this head, as a row offset of k and v.
SIMT_DEVICE long long keyRows(int head, int heads, int kvHeads, int n) {
    const int group = heads / kvHeads;
    return (static_cast<long long>(head / heads) * kvHeads + head % heads / group) * n;
}

// S = scale * Q * K^T. Grid: (key tiles, query tiles, batch * heads); 256 threads, 4 x 4 scores
// each.
template <int D>
SIMT_DEVICE void scores(simt::gmem<const float> q,
                        simt::gmem<const float> k,
                        simt::gmem<float> s,
                        int heads,
                        int kvHeads,
                        int n,
                        float scale,
                        int causal) {
    using namespace simt;
    SIMT_SHARED(float, queries, kTile, kPitch);
    SIMT_SHARED(float, keys, kTile, kPitch);
    const int tid = static_cast<int>(threadIdx.x);
    const int tx = tid % 16;
    const int ty = tid / 16;
    const int head = static_cast<int>(blockIdx.z);
    const int i0 = static_cast<int>(blockIdx.y) * kTile;
    const int j0 = static_cast<int>(blockIdx.x) * kTile;
    if (causal != 0 && j0 > i0 + kTile - 1) {
        return;
    }
    const long long qRows = static_cast<long long>(head) * n;
    const long long kRows = keyRows(head, heads, kvHeads, n);
    float acc[4][4] = {};
    for (int d0 = 0; d0 < D; d0 += kStep) {
        for (int e = tid; e < kTile * kStep / 4; e += 256) {
            const int r = e / (kStep / 4);
            const int c = e % (kStep / 4) * 4;
            const float4 zero = {0, 0, 0, 0};
            queries.template vec<float4>(r, c) =
                i0 + r < n ? vload<float4>(q + ((qRows + i0 + r) * D + d0 + c)) : zero;
            keys.template vec<float4>(r, c) =
                j0 + r < n ? vload<float4>(k + ((kRows + j0 + r) * D + d0 + c)) : zero;
        }
        __syncthreads();
#pragma unroll
        for (int c = 0; c < kStep; c += 4) {
            float4 a[4];
            float4 b[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                a[i] = queries.template vec<float4>(ty + 16 * i, c);
                b[i] = keys.template vec<float4>(tx + 16 * i, c);
            }
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    acc[i][j] = mad(a[i].x, b[j].x, acc[i][j]);
                    acc[i][j] = mad(a[i].y, b[j].y, acc[i][j]);
                    acc[i][j] = mad(a[i].z, b[j].z, acc[i][j]);
                    acc[i][j] = mad(a[i].w, b[j].w, acc[i][j]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int row = i0 + ty + 16 * i;
            const int col = j0 + tx + 16 * j;
            if (row < n && col < n && (causal == 0 || col <= row)) {
                s[(qRows + row) * n + col] = acc[i][j] * scale;
            }
        }
    }
}

// P = softmax(S) by rows, one warp a row. Grid: (rows of a head / 4, batch * heads); 128 threads.
SIMT_DEVICE void softmax(simt::gmem<const float> s, simt::gmem<float> p, int n, int causal) {
    using namespace simt;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int i = static_cast<int>(blockIdx.x) * 4 + static_cast<int>(threadIdx.x) / 32;
    if (i >= n) {
        return;
    }
    const long long row = (static_cast<long long>(blockIdx.y) * n + i) * n;
    const int count = causal != 0 ? i + 1 : n;
    float m = -INFINITY;
    for (int j = lane; j < count; j += 32) {
        const float x = s[row + j];
        m = fmaxf(m, x);
    }
    for (int o = 16; o > 0; o /= 2) {
        m = fmaxf(m, __shfl_xor_sync(~0U, m, o));
    }
    float l = 0;
    for (int j = lane; j < count; j += 32) {
        const float x = s[row + j];
        l += exp_(x - m);
    }
    for (int o = 16; o > 0; o /= 2) {
        l += __shfl_xor_sync(~0U, l, o);
    }
    for (int j = lane; j < count; j += 32) {
        const float x = s[row + j];
        p[row + j] = exp_(x - m) / l;
    }
}

// O = P * V. Grid: (query tiles, batch * heads); 256 threads, 4 rows x D / 16 columns each.
template <int D>
SIMT_DEVICE void values(simt::gmem<const float> p,
                        simt::gmem<const float> v,
                        simt::gmem<float> o,
                        int heads,
                        int kvHeads,
                        int n,
                        int causal) {
    using namespace simt;
    SIMT_SHARED(float, weights, kTile, kPitch);
    SIMT_SHARED(float, stage, kStep, D);
    constexpr int kQuads = D / 64;  // float4 columns a thread
    const int tid = static_cast<int>(threadIdx.x);
    const int tx = tid % 16;
    const int ty = tid / 16;
    const int head = static_cast<int>(blockIdx.y);
    const int i0 = static_cast<int>(blockIdx.x) * kTile;
    const long long qRows = static_cast<long long>(head) * n;
    const long long kRows = keyRows(head, heads, kvHeads, n);
    const int past = i0 + kTile < n ? i0 + kTile : n;
    const int count = causal != 0 ? past : n;
    float acc[4][kQuads * 4] = {};
    for (int j0 = 0; j0 < count; j0 += kStep) {
        for (int e = tid; e < kTile * kStep; e += 256) {
            const int r = i0 + e / kStep;
            const int c = j0 + e % kStep;
            float x = 0;
            if (r < n && c < n && (causal == 0 || c <= r)) {
                x = p[(qRows + r) * n + c];
            }
            weights(e / kStep, e % kStep) = x;
        }
        for (int e = tid; e < kStep * D / 4; e += 256) {
            const int r = e / (D / 4);
            const int c = e % (D / 4) * 4;
            const float4 zero = {0, 0, 0, 0};
            stage.template vec<float4>(r, c) =
                j0 + r < n ? vload<float4>(v + ((kRows + j0 + r) * D + c)) : zero;
        }
        __syncthreads();
#pragma unroll 1
        for (int j = 0; j < kStep; j += 4) {
            float4 a[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                a[i] = weights.template vec<float4>(ty + 16 * i, j);
            }
#pragma unroll
            for (int t = 0; t < 4; ++t) {
#pragma unroll
                for (int c = 0; c < kQuads; ++c) {
                    const float4 b = stage.template vec<float4>(j + t, c * 64 + tx * 4);
#pragma unroll
                    for (int i = 0; i < 4; ++i) {
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
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int row = i0 + ty + 16 * i;
        if (row < n) {
#pragma unroll
            for (int c = 0; c < kQuads; ++c) {
                const float4 out = {
                    acc[i][c * 4], acc[i][c * 4 + 1], acc[i][c * 4 + 2], acc[i][c * 4 + 3]};
                vstore(o + ((qRows + row) * D + c * 64 + tx * 4), out);
            }
        }
    }
}

}  // namespace attention_standard

#define ATTENTION_SCORES(D)                                  \
    SIMT_KERNEL(256,                                         \
                attention_scores_d##D,                       \
                (simt::gmem<const float> q,                  \
                 simt::gmem<const float> k,                  \
                 simt::gmem<float> s,                        \
                 int heads,                                  \
                 int kvHeads,                                \
                 int n,                                      \
                 float scale,                                \
                 int causal),                                \
                (q, k, s, heads, kvHeads, n, scale, causal), \
                (attention_standard::scores<D>))
#define ATTENTION_VALUES(D)                           \
    SIMT_KERNEL(256,                                  \
                attention_values_d##D,                \
                (simt::gmem<const float> p,           \
                 simt::gmem<const float> v,           \
                 simt::gmem<float> o,                 \
                 int heads,                           \
                 int kvHeads,                         \
                 int n,                               \
                 int causal),                         \
                (p, v, o, heads, kvHeads, n, causal), \
                (attention_standard::values<D>))

ATTENTION_SCORES(64)
ATTENTION_SCORES(128)
ATTENTION_VALUES(64)
ATTENTION_VALUES(128)
SIMT_KERNEL(128,
            attention_softmax,
            (simt::gmem<const float> s, simt::gmem<float> p, int n, int causal),
            (s, p, n, causal),
            (attention_standard::softmax))

#undef ATTENTION_SCORES
#undef ATTENTION_VALUES

SIMT_ENTRIES(attention_standard,
             SIMT_ENTRY(attention_scores_d64),
             SIMT_ENTRY(attention_scores_d128),
             SIMT_ENTRY(attention_softmax),
             SIMT_ENTRY(attention_values_d64),
             SIMT_ENTRY(attention_values_d128))
