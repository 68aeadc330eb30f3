// SPDX-License-Identifier: Apache-2.0
// y = x·wᵀ on tensor cores. x [m, k] and w [n, k] in FP16 or BF16, row-major, sums and y [m, n] in
// FP32. k is a multiple of 8, so that rows can be read 16 bytes at a time; m and n are free.

#include "gpu/simt/simt.hpp"

SIMT_DEVICE void multiplyAdd(float d[4],
                             const std::uint32_t a[4],
                             const std::uint32_t b[2],
                             simt::half_t) {
    simt::mma_m16n8k16_f16(d, a, b);
}
SIMT_DEVICE void multiplyAdd(float d[4],
                             const std::uint32_t a[4],
                             const std::uint32_t b[2],
                             simt::bf16_t) {
    simt::mma_m16n8k16_bf16(d, a, b);
}

/// Two neighbours of a row of y, where they lie inside.
SIMT_DEVICE void storePair(
    simt::gmem<float> y, int row, int col, float first, float second, int m, int n) {
    if (row >= m || col >= n) {
        return;
    }
    if (n % 2 == 0) {
        simt::vstore(y + (std::size_t(row) * n + col), make_float2(first, second));
        return;
    }
    y[std::size_t(row) * n + col] = first;
    if (col + 1 < n) {
        y[std::size_t(row) * n + col + 1] = second;
    }
}

/// CUDA's own warp matrices: four warps, each a quarter of a BM x BN tile, one stage, no overlap of
/// copy and product. Sums go through shared memory, since nobody may know where they lie in a
/// fragment.
template <class T, int BM, int BN, int BK>
SIMT_DEVICE void gemmWmma(
    simt::gmem<const T> x, simt::gmem<const T> w, simt::gmem<float> y, int m, int n, int k) {
    constexpr int kFragsM = BM / 32;
    constexpr int kFragsN = BN / 32;
    SIMT_SHARED(T, xs, BM, BK + 8);
    SIMT_SHARED(T, ws, BN, BK + 8);
    SIMT_SHARED(float, sums, BM, BN + 4);
    const int tid = threadIdx.x;
    const int warp = tid / 32;
    const int warpRow = warp / 2 * (BM / 2);
    const int warpCol = warp % 2 * (BN / 2);
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    simt::wmma::FragmentSum sum[kFragsM][kFragsN];
    for (int i = 0; i < kFragsM; ++i) {
        for (int j = 0; j < kFragsN; ++j) {
            simt::wmma::fill_fragment(sum[i][j], 0.0f);
        }
    }
    for (int k0 = 0; k0 < k; k0 += BK) {
        for (int e = tid * 8; e < BM * BK; e += 128 * 8) {
            const int r = e / BK;
            const int c = e % BK;
            const bool inside = m0 + r < m && k0 + c < k;
            xs.template vec<int4>(r, c) =
                inside ? simt::vload<int4>(x + (std::size_t(m0 + r) * k + k0 + c))
                       : make_int4(0, 0, 0, 0);
        }
        for (int e = tid * 8; e < BN * BK; e += 128 * 8) {
            const int r = e / BK;
            const int c = e % BK;
            const bool inside = n0 + r < n && k0 + c < k;
            ws.template vec<int4>(r, c) =
                inside ? simt::vload<int4>(w + (std::size_t(n0 + r) * k + k0 + c))
                       : make_int4(0, 0, 0, 0);
        }
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < BK; kk += 16) {
            simt::wmma::FragmentA<T> a[kFragsM];
            simt::wmma::FragmentB<T> b[kFragsN];
#pragma unroll
            for (int i = 0; i < kFragsM; ++i) {
                simt::wmma::load_matrix_sync(a[i], xs.ptr(warpRow + i * 16, kk), BK + 8);
            }
#pragma unroll
            for (int j = 0; j < kFragsN; ++j) {
                simt::wmma::load_matrix_sync(b[j], ws.ptr(warpCol + j * 16, kk), BK + 8);
            }
#pragma unroll
            for (int i = 0; i < kFragsM; ++i) {
#pragma unroll
                for (int j = 0; j < kFragsN; ++j) {
                    simt::wmma::mma_sync(sum[i][j], a[i], b[j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < kFragsM; ++i) {
#pragma unroll
        for (int j = 0; j < kFragsN; ++j) {
            simt::wmma::store_matrix_sync(sums.ptr(warpRow + i * 16, warpCol + j * 16),
                                          sum[i][j],
                                          BN + 4,
                                          simt::wmma::mem_row_major);
        }
    }
    __syncthreads();
    for (int e = tid; e < BM * BN; e += 128) {
        const int r = e / BN;
        const int c = e % BN;
        if (m0 + r < m && n0 + c < n) {
            y[std::size_t(m0 + r) * n + n0 + c] = sums(r, c);
        }
    }
}

/// mma.sync on fragments that ldmatrix fills; tiles arrive by cp.async, Stages deep, so that the
/// next ones travel while this one is multiplied. Four warps in 2 x 2. The 8 elements of padding a
/// row let the eight rows of an ldmatrix lie in different banks.
template <class T, int BM, int BN, int BK, int Stages>
SIMT_DEVICE void gemmMma(
    simt::gmem<const T> x, simt::gmem<const T> w, simt::gmem<float> y, int m, int n, int k) {
    constexpr int kPitch = BK + 8;
    constexpr int kWarpM = BM / 2;
    constexpr int kWarpN = BN / 2;
    SIMT_SHARED_DYNAMIC(T, xs, Stages * BM, kPitch, 0);
    SIMT_SHARED_DYNAMIC(T, ws, Stages * BN, kPitch, Stages * BM * kPitch * int(sizeof(T)));
    const int tid = threadIdx.x;
    const int lane = tid % 32;
    const int warpRow = tid / 64 * kWarpM;
    const int warpCol = tid / 32 % 2 * kWarpN;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    const auto fetch = [&](int stage, int k0) {
        for (int e = tid * 8; e < BM * BK; e += 128 * 8) {
            const int r = e / BK;
            const int c = e % BK;
            const bool inside = m0 + r < m && k0 + c < k;
            simt::cp_async16(xs.ptr(stage * BM + r, c),
                             x + (inside ? std::size_t(m0 + r) * k + k0 + c : 0),
                             inside);
        }
        for (int e = tid * 8; e < BN * BK; e += 128 * 8) {
            const int r = e / BK;
            const int c = e % BK;
            const bool inside = n0 + r < n && k0 + c < k;
            simt::cp_async16(ws.ptr(stage * BN + r, c),
                             w + (inside ? std::size_t(n0 + r) * k + k0 + c : 0),
                             inside);
        }
    };
    float sum[kWarpM / 16][kWarpN / 8][4] = {};
    const int tiles = (k + BK - 1) / BK;
    for (int stage = 0; stage < Stages - 1; ++stage) {
        if (stage < tiles) {
            fetch(stage, stage * BK);
        }
        simt::cp_async_commit();
    }
    for (int t = 0; t < tiles; ++t) {
        simt::cp_async_wait<Stages - 2>();
        __syncthreads();  // tile t is here for all, and nobody reads the stage that is filled next
        if (t + Stages - 1 < tiles) {
            fetch((t + Stages - 1) % Stages, (t + Stages - 1) * BK);
        }
        simt::cp_async_commit();
        const int stage = t % Stages;
#pragma unroll
        for (int kk = 0; kk < BK; kk += 16) {
            std::uint32_t a[kWarpM / 16][4];
            std::uint32_t b[kWarpN / 16][4];
#pragma unroll
            for (int i = 0; i < kWarpM / 16; ++i) {
                simt::ldmatrix_x4(
                    a[i], xs.ptr(stage * BM + warpRow + i * 16 + lane % 16, kk + lane / 16 * 8));
            }
#pragma unroll
            for (int j = 0; j < kWarpN / 16; ++j) {
                simt::ldmatrix_x4(b[j],
                                  ws.ptr(stage * BN + warpCol + j * 16 + lane % 8 + lane / 16 * 8,
                                         kk + lane / 8 % 2 * 8));
            }
#pragma unroll
            for (int i = 0; i < kWarpM / 16; ++i) {
#pragma unroll
                for (int j = 0; j < kWarpN / 16; ++j) {
                    multiplyAdd(sum[i][2 * j], a[i], b[j], T{});
                    multiplyAdd(sum[i][2 * j + 1], a[i], b[j] + 2, T{});
                }
            }
        }
    }
    const int row = m0 + warpRow + lane / 4;
    const int col = n0 + warpCol + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kWarpM / 16; ++i) {
#pragma unroll
        for (int j = 0; j < kWarpN / 8; ++j) {
            const float* s = sum[i][j];
            storePair(y, row + i * 16, col + j * 8, s[0], s[1], m, n);
            storePair(y, row + i * 16 + 8, col + j * 8, s[2], s[3], m, n);
        }
    }
}

#define GEMM_F16_PARAMETERS(T) \
    (simt::gmem<const T> x, simt::gmem<const T> w, simt::gmem<float> y, int m, int n, int k)

SIMT_KERNEL(128,
            gemm_f16_wmma_64x64x32,
            GEMM_F16_PARAMETERS(simt::half_t),
            (x, w, y, m, n, k),
            gemmWmma<simt::half_t, 64, 64, 32>)
SIMT_KERNEL(128,
            gemm_bf16_wmma_64x64x32,
            GEMM_F16_PARAMETERS(simt::bf16_t),
            (x, w, y, m, n, k),
            gemmWmma<simt::bf16_t, 64, 64, 32>)
SIMT_KERNEL(128,
            gemm_f16_mma_64x64x32x3,
            GEMM_F16_PARAMETERS(simt::half_t),
            (x, w, y, m, n, k),
            gemmMma<simt::half_t, 64, 64, 32, 3>)
SIMT_KERNEL(128,
            gemm_bf16_mma_64x64x32x3,
            GEMM_F16_PARAMETERS(simt::bf16_t),
            (x, w, y, m, n, k),
            gemmMma<simt::bf16_t, 64, 64, 32, 3>)
SIMT_KERNEL(128,
            gemm_f16_mma_128x128x32x3,
            GEMM_F16_PARAMETERS(simt::half_t),
            (x, w, y, m, n, k),
            gemmMma<simt::half_t, 128, 128, 32, 3>)
SIMT_KERNEL(128,
            gemm_bf16_mma_128x128x32x3,
            GEMM_F16_PARAMETERS(simt::bf16_t),
            (x, w, y, m, n, k),
            gemmMma<simt::bf16_t, 128, 128, 32, 3>)

SIMT_ENTRIES(gemm_f16,
             SIMT_ENTRY(gemm_f16_wmma_64x64x32),
             SIMT_ENTRY(gemm_bf16_wmma_64x64x32),
             SIMT_ENTRY(gemm_f16_mma_64x64x32x3),
             SIMT_ENTRY(gemm_bf16_mma_64x64x32x3),
             SIMT_ENTRY(gemm_f16_mma_128x128x32x3),
             SIMT_ENTRY(gemm_bf16_mma_128x128x32x3))
