// SPDX-License-Identifier: Apache-2.0
// Y = (x·w) with int8 operands and int32 sums, times one scale per token and one per output
// channel. x [m, k], w [n, k], both row-major; y [m, n] in FP32.
#include "gpu/simt/simt.hpp"

/// Every thread keeps a TM x TN patch of the output in registers; four products an instruction
/// (dp4a). Pitch is the row length of a tile in words: odd, so that the rows of a column lie in
/// different banks.
template <int BM, int BN, int BK, int Pitch>
SIMT_DEVICE void gemmS8Dp4a(simt::gmem<const std::int8_t> x,
                            simt::gmem<const std::int8_t> w,
                            simt::gmem<const float> xScale,
                            simt::gmem<const float> wScale,
                            simt::gmem<float> y,
                            int m,
                            int n,
                            int k) {
    constexpr int kWords = BK / 4;
    constexpr int TM = BM / 16;
    constexpr int TN = BN / 16;
    SIMT_SHARED(int, xs, BM, Pitch);
    SIMT_SHARED(int, ws, BN, Pitch);
    const int tid = threadIdx.x;
    const int tx = tid % 16;
    const int ty = tid / 16;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    int sum[TM][TN] = {};
    for (int k0 = 0; k0 < k; k0 += BK) {
        for (int i = tid; i < BM * kWords; i += 256) {
            const int r = i / kWords;
            const int c = i % kWords;
            const bool inside = m0 + r < m && k0 + c * 4 < k;
            xs(r, c) = inside ? simt::vload<int>(x + (std::size_t(m0 + r) * k + k0 + c * 4)) : 0;
        }
        for (int i = tid; i < BN * kWords; i += 256) {
            const int r = i / kWords;
            const int c = i % kWords;
            const bool inside = n0 + r < n && k0 + c * 4 < k;
            ws(r, c) = inside ? simt::vload<int>(w + (std::size_t(n0 + r) * k + k0 + c * 4)) : 0;
        }
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < kWords; ++kk) {
            int a[TM];
            int b[TN];
#pragma unroll
            for (int i = 0; i < TM; ++i) {
                a[i] = xs(ty * TM + i, kk);
            }
#pragma unroll
            for (int j = 0; j < TN; ++j) {
                b[j] = ws(tx + j * 16, kk);
            }
#pragma unroll
            for (int i = 0; i < TM; ++i) {
#pragma unroll
                for (int j = 0; j < TN; ++j) {
                    sum[i][j] = simt::dp4a(a[i], b[j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int row = m0 + ty * TM + i;
        if (row >= m) {
            continue;
        }
        const float scale = xScale[row];
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            const int col = n0 + tx + j * 16;
            if (col < n) {
                y[std::size_t(row) * n + col] = float(sum[i][j]) * (scale * wScale[col]);
            }
        }
    }
}

/// One output: the exact sum, times the token's scale, times the output channel's.
SIMT_DEVICE void storeScaled(simt::gmem<float> y,
                             simt::gmem<const float> wScale,
                             int row,
                             int col,
                             const int sums[2],
                             float scale,
                             int n) {
    if (col + 1 < n && n % 2 == 0) {
        simt::vstore(y + (std::size_t(row) * n + col),
                     make_float2(float(sums[0]) * (scale * wScale[col]),
                                 float(sums[1]) * (scale * wScale[col + 1])));
        return;
    }
    for (int i = 0; i < 2; ++i) {
        if (col + i < n) {
            y[std::size_t(row) * n + col + i] = float(sums[i]) * (scale * wScale[col + i]);
        }
    }
}

/// Integer tensor cores: mma.sync on fragments that ldmatrix fills (16 bytes are 16 codes), tiles
/// by cp.async, Stages deep. Four warps in 2 x 2. k is a multiple of 16.
template <int BM, int BN, int BK, int Stages>
SIMT_DEVICE void gemmS8Mma(simt::gmem<const std::int8_t> x,
                           simt::gmem<const std::int8_t> w,
                           simt::gmem<const float> xScale,
                           simt::gmem<const float> wScale,
                           simt::gmem<float> y,
                           int m,
                           int n,
                           int k) {
    constexpr int kPitch = BK + 16;
    constexpr int kWarpM = BM / 2;
    constexpr int kWarpN = BN / 2;
    SIMT_SHARED_DYNAMIC(std::int8_t, xs, Stages * BM, kPitch, 0);
    SIMT_SHARED_DYNAMIC(std::int8_t, ws, Stages * BN, kPitch, Stages * BM * kPitch);
    const int tid = threadIdx.x;
    const int lane = tid % 32;
    const int warpRow = tid / 64 * kWarpM;
    const int warpCol = tid / 32 % 2 * kWarpN;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    const auto fetch = [&](int stage, int k0) {
        for (int e = tid * 16; e < BM * BK; e += 128 * 16) {
            const int r = e / BK;
            const int c = e % BK;
            const bool inside = m0 + r < m && k0 + c < k;
            simt::cp_async16(xs.ptr(stage * BM + r, c),
                             x + (inside ? std::size_t(m0 + r) * k + k0 + c : 0),
                             inside);
        }
        for (int e = tid * 16; e < BN * BK; e += 128 * 16) {
            const int r = e / BK;
            const int c = e % BK;
            const bool inside = n0 + r < n && k0 + c < k;
            simt::cp_async16(ws.ptr(stage * BN + r, c),
                             w + (inside ? std::size_t(n0 + r) * k + k0 + c : 0),
                             inside);
        }
    };
    int sum[kWarpM / 16][kWarpN / 8][4] = {};
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
        for (int kk = 0; kk < BK; kk += 32) {
            std::uint32_t a[kWarpM / 16][4];
            std::uint32_t b[kWarpN / 16][4];
#pragma unroll
            for (int i = 0; i < kWarpM / 16; ++i) {
                simt::ldmatrix_x4(
                    a[i], xs.ptr(stage * BM + warpRow + i * 16 + lane % 16, kk + lane / 16 * 16));
            }
#pragma unroll
            for (int j = 0; j < kWarpN / 16; ++j) {
                simt::ldmatrix_x4(b[j],
                                  ws.ptr(stage * BN + warpCol + j * 16 + lane % 8 + lane / 16 * 8,
                                         kk + lane / 8 % 2 * 16));
            }
#pragma unroll
            for (int i = 0; i < kWarpM / 16; ++i) {
#pragma unroll
                for (int j = 0; j < kWarpN / 16; ++j) {
                    simt::mma_m16n8k32_s8(sum[i][2 * j], a[i], b[j]);
                    simt::mma_m16n8k32_s8(sum[i][2 * j + 1], a[i], b[j] + 2);
                }
            }
        }
    }
    const int col = n0 + warpCol + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kWarpM / 8; ++i) {
        const int row = m0 + warpRow + lane / 4 + i * 8;
        if (row >= m) {
            continue;
        }
        const float scale = xScale[row];
#pragma unroll
        for (int j = 0; j < kWarpN / 8; ++j) {
            storeScaled(y, wScale, row, col + j * 8, sum[i / 2][j] + i % 2 * 2, scale, n);
        }
    }
}

#define GEMM_S8_PARAMETERS            \
    (simt::gmem<const std::int8_t> x, \
     simt::gmem<const std::int8_t> w, \
     simt::gmem<const float> xScale,  \
     simt::gmem<const float> wScale,  \
     simt::gmem<float> y,             \
     int m,                           \
     int n,                           \
     int k)
#define GEMM_S8_ARGUMENTS (x, w, xScale, wScale, y, m, n, k)

SIMT_KERNEL(
    256, gemm_s8_dp4a_64x64x32, GEMM_S8_PARAMETERS, GEMM_S8_ARGUMENTS, gemmS8Dp4a<64, 64, 32, 9>)
SIMT_KERNEL(
    128, gemm_s8_mma_64x64x64x3, GEMM_S8_PARAMETERS, GEMM_S8_ARGUMENTS, gemmS8Mma<64, 64, 64, 3>)
SIMT_KERNEL(128,
            gemm_s8_mma_128x128x64x3,
            GEMM_S8_PARAMETERS,
            GEMM_S8_ARGUMENTS,
            gemmS8Mma<128, 128, 64, 3>)

SIMT_ENTRIES(gemm_s8,
             SIMT_ENTRY(gemm_s8_dp4a_64x64x32),
             SIMT_ENTRY(gemm_s8_mma_64x64x64x3),
             SIMT_ENTRY(gemm_s8_mma_128x128x64x3))
