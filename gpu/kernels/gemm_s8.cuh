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
    const int m0 = blockIdx.y * BM;
    const int n0 = blockIdx.x * BN;
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

SIMT_KERNEL(256,
            gemm_s8_dp4a_64x64x32,
            (simt::gmem<const std::int8_t> x,
             simt::gmem<const std::int8_t> w,
             simt::gmem<const float> xScale,
             simt::gmem<const float> wScale,
             simt::gmem<float> y,
             int m,
             int n,
             int k),
            (x, w, xScale, wScale, y, m, n, k),
            gemmS8Dp4a<64, 64, 32, 9>)

SIMT_ENTRIES(gemm_s8, SIMT_ENTRY(gemm_s8_dp4a_64x64x32))
