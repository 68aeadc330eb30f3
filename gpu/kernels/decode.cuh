// SPDX-License-Identifier: Apache-2.0
// Attention of one new query a sequence against its stored keys and values (decode), split over the
// keys so that one sequence fills a GPU (Flash-Decoding, Dao et al. 2023). FP16 cache, FP32
// arithmetic. K and V are read once: a block serves all query heads that share a key head (GQA) and
// one range of keys; a second kernel merges the ranges.
//   q [batch, heads, D], k and v [batch, kvHeads, seq, D] FP16; o [batch, heads, D] FP32;
//   partial [batch * heads, splits, D]; stats [batch * heads, splits, 2]: m and l of a range.
#include "gpu/simt/simt.hpp"

namespace decode {

struct alignas(16) Half8 {
    simt::half_t v[8];
};

constexpr int kWarps = 4;
constexpr int kAhead = 4;  // keys, and values, that a thread has in flight

// Grid: (splits, batch * kvHeads, groups of G query heads); 128 threads. D / 8 lanes hold one key;
// every such team of lanes keeps a running maximum, sum and output for its own keys, merged at the
// end.
template <int D, int G>
SIMT_DEVICE void ranges(simt::gmem<const simt::half_t> q,
                        simt::gmem<const simt::half_t> k,
                        simt::gmem<const simt::half_t> v,
                        simt::gmem<float> partial,
                        simt::gmem<float> stats,
                        int heads,
                        int kvHeads,
                        int seq,
                        int perSplit,
                        float scale) {
    using namespace simt;
    constexpr int kLanes = D / 8;
    constexpr int kTeams = 32 / kLanes;       // in a warp
    constexpr int kStride = kWarps * kTeams;  // keys that the block reads side by side
    SIMT_SHARED(float, parts, kWarps* G, D);
    SIMT_SHARED(float, most, kWarps, G);
    SIMT_SHARED(float, sums, kWarps, G);
    const int tid = static_cast<int>(threadIdx.x);
    const int warp = tid / 32;
    const int lane = tid % 32;
    const int column = lane % kLanes * 8;
    const int splits = static_cast<int>(gridDim.x);
    const int split = static_cast<int>(blockIdx.x);
    const int sharing = heads / kvHeads;
    const int firstInGroup = static_cast<int>(blockIdx.z) * G;
    const int count = sharing - firstInGroup < G ? sharing - firstInGroup : G;
    const int batch = static_cast<int>(blockIdx.y) / kvHeads;
    const int keyHead = static_cast<int>(blockIdx.y) % kvHeads;
    const long long head = static_cast<long long>(batch) * heads + keyHead * sharing + firstInGroup;
    const long long rows = static_cast<long long>(blockIdx.y) * seq;
    const int first = split * perSplit;
    const int last = first + perSplit < seq ? first + perSplit : seq;

    float query[G][8];
    float acc[G][8] = {};
    float m[G];
    float l[G];
#pragma unroll
    for (int g = 0; g < G; ++g) {
        Half8 x = {};
        if (g < count) {
            x = vload<Half8>(q + ((head + g) * D + column));
        }
#pragma unroll
        for (int c = 0; c < 8; ++c) {
            query[g][c] = toFloat(x.v[c]) * scale;
        }
        m[g] = -INFINITY;
        l[g] = 0;
    }
    const int mine = warp * kTeams + lane / kLanes;
    for (int j0 = first; j0 < last; j0 += kStride * kAhead) {
        Half8 key[kAhead];
        Half8 value[kAhead];
#pragma unroll
        for (int u = 0; u < kAhead; ++u) {
            const int j = j0 + u * kStride + mine;
            key[u] = Half8{};
            value[u] = Half8{};
            if (j < last) {
                key[u] = vload<Half8>(k + ((rows + j) * D + column));
                value[u] = vload<Half8>(v + ((rows + j) * D + column));
            }
        }
#pragma unroll
        for (int g = 0; g < G; ++g) {
            float s[kAhead];
            float now = m[g];
#pragma unroll
            for (int u = 0; u < kAhead; ++u) {
                float dot = 0;
#pragma unroll
                for (int c = 0; c < 8; ++c) {
                    dot = mad(query[g][c], toFloat(key[u].v[c]), dot);
                }
#pragma unroll
                for (int w = kLanes / 2; w > 0; w /= 2) {
                    dot += __shfl_xor_sync(~0U, dot, w);
                }
                s[u] = j0 + u * kStride + mine < last ? dot : -INFINITY;
                now = fmaxf(now, s[u]);
            }
            const float base = now == -INFINITY ? 0.0F : now;  // no key so far
            const float old = exp_(m[g] - base);
            m[g] = now;
            l[g] *= old;
#pragma unroll
            for (int c = 0; c < 8; ++c) {
                acc[g][c] *= old;
            }
#pragma unroll
            for (int u = 0; u < kAhead; ++u) {
                const float p = exp_(s[u] - base);
                l[g] += p;
#pragma unroll
                for (int c = 0; c < 8; ++c) {
                    acc[g][c] = mad(p, toFloat(value[u].v[c]), acc[g][c]);
                }
            }
        }
    }
    // The teams of a warp, then the warps.
#pragma unroll
    for (int g = 0; g < G; ++g) {
#pragma unroll
        for (int w = kLanes; w < 32; w *= 2) {
            const float otherM = __shfl_xor_sync(~0U, m[g], w);
            const float otherL = __shfl_xor_sync(~0U, l[g], w);
            const float now = fmaxf(m[g], otherM);
            const float base = now == -INFINITY ? 0.0F : now;
            const float a = exp_(m[g] - base);
            const float b = exp_(otherM - base);
#pragma unroll
            for (int c = 0; c < 8; ++c) {
                const float other = __shfl_xor_sync(~0U, acc[g][c], w);
                acc[g][c] = a * acc[g][c] + b * other;
            }
            l[g] = a * l[g] + b * otherL;
            m[g] = now;
        }
        if (lane < kLanes) {
            const float4 low = {acc[g][0], acc[g][1], acc[g][2], acc[g][3]};
            const float4 high = {acc[g][4], acc[g][5], acc[g][6], acc[g][7]};
            parts.template vec<float4>(warp * G + g, column) = low;
            parts.template vec<float4>(warp * G + g, column + 4) = high;
            if (lane == 0) {
                most(warp, g) = m[g];
                sums(warp, g) = l[g];
            }
        }
    }
    __syncthreads();
    for (int e = tid; e < count * D; e += kWarps * 32) {
        const int g = e / D;
        float now = -INFINITY;
        for (int w = 0; w < kWarps; ++w) {
            const float x = most(w, g);
            now = fmaxf(now, x);
        }
        const float base = now == -INFINITY ? 0.0F : now;
        float sum = 0;
        float total = 0;
        for (int w = 0; w < kWarps; ++w) {
            const float x = most(w, g);
            const float factor = exp_(x - base);
            const float part = parts(w * G + g, e % D);
            const float weight = sums(w, g);
            sum = mad(factor, part, sum);
            total = mad(factor, weight, total);
        }
        const long long at = (head + g) * splits + split;
        partial[at * D + e % D] = sum;
        if (e % D == 0) {
            stats[at * 2] = now;
            stats[at * 2 + 1] = total;
        }
    }
}

// Merges the ranges. Grid: batch * heads; D threads, one column each.
template <int D>
SIMT_DEVICE void merge(simt::gmem<const float> partial,
                       simt::gmem<const float> stats,
                       simt::gmem<float> o,
                       int splits) {
    using namespace simt;
    const int column = static_cast<int>(threadIdx.x);
    const long long row = blockIdx.x;
    const long long first = row * splits;
    float now = -INFINITY;
    for (int i = 0; i < splits; ++i) {
        const float x = stats[(first + i) * 2];
        now = fmaxf(now, x);
    }
    const float base = now == -INFINITY ? 0.0F : now;
    float sum = 0;
    float total = 0;
    for (int i = 0; i < splits; ++i) {
        const float x = stats[(first + i) * 2];
        const float weight = stats[(first + i) * 2 + 1];
        const float part = partial[(first + i) * D + column];
        const float factor = exp_(x - base);
        sum = mad(factor, part, sum);
        total = mad(factor, weight, total);
    }
    o[row * D + column] = total > 0 ? sum / total : 0.0F;
}

}  // namespace decode

#define DECODE_RANGES(D, G)                                                      \
    SIMT_KERNEL(128,                                                             \
                decode_d##D##_g##G,                                              \
                (simt::gmem<const simt::half_t> q,                               \
                 simt::gmem<const simt::half_t> k,                               \
                 simt::gmem<const simt::half_t> v,                               \
                 simt::gmem<float> partial,                                      \
                 simt::gmem<float> stats,                                        \
                 int heads,                                                      \
                 int kvHeads,                                                    \
                 int seq,                                                        \
                 int perSplit,                                                   \
                 float scale),                                                   \
                (q, k, v, partial, stats, heads, kvHeads, seq, perSplit, scale), \
                (decode::ranges<D, G>))
#define DECODE_MERGE(D)                           \
    SIMT_KERNEL(D,                                \
                decode_merge_d##D,                \
                (simt::gmem<const float> partial, \
                 simt::gmem<const float> stats,   \
                 simt::gmem<float> o,             \
                 int splits),                     \
                (partial, stats, o, splits),      \
                (decode::merge<D>))

DECODE_RANGES(64, 1)
DECODE_RANGES(64, 4)
DECODE_RANGES(64, 8)
DECODE_RANGES(128, 1)
DECODE_RANGES(128, 4)
DECODE_RANGES(128, 8)
DECODE_MERGE(64)
DECODE_MERGE(128)

#undef DECODE_RANGES
#undef DECODE_MERGE

SIMT_ENTRIES(decode,
             SIMT_ENTRY(decode_d64_g1),
             SIMT_ENTRY(decode_d64_g4),
             SIMT_ENTRY(decode_d64_g8),
             SIMT_ENTRY(decode_d128_g1),
             SIMT_ENTRY(decode_d128_g4),
             SIMT_ENTRY(decode_d128_g8),
             SIMT_ENTRY(decode_merge_d64),
             SIMT_ENTRY(decode_merge_d128))
