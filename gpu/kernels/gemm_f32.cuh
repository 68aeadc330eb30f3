// SPDX-License-Identifier: Apache-2.0
// y = x·w in FP32, six times: each rung mends what held the one before back. x [m, k], w [k, pitch]
// (the weights transposed once beforehand, rows padded to whole 16 bytes), y [m, n], all row-major.

#include "gpu/simt/simt.hpp"

/// One output a thread, neighbours in a warp one below the other: every load of x and every store
/// goes to another row, so each moves a sector of 32 bytes for 4.
SIMT_DEVICE void gemmNaive(simt::gmem<const float> x,
                           simt::gmem<const float> w,
                           simt::gmem<float> y,
                           int m,
                           int n,
                           int k,
                           int pitch) {
    const int row = blockIdx.x * 16 + threadIdx.x % 16;
    const int col = blockIdx.y * 16 + threadIdx.x / 16;
    if (row >= m || col >= n) {
        return;
    }
    float sum = 0;
    for (int kk = 0; kk < k; ++kk) {
        const float a = x[std::size_t(row) * k + kk];
        const float b = w[std::size_t(kk) * pitch + col];
        sum = simt::mad(a, b, sum);
    }
    y[std::size_t(row) * n + col] = sum;
}

/// The same with neighbours side by side: they read one x together and 32 neighbouring w.
SIMT_DEVICE void gemmCoalesced(simt::gmem<const float> x,
                               simt::gmem<const float> w,
                               simt::gmem<float> y,
                               int m,
                               int n,
                               int k,
                               int pitch) {
    const int row = blockIdx.x * 8 + threadIdx.x / 32;
    const int col = blockIdx.y * 32 + threadIdx.x % 32;
    if (row >= m || col >= n) {
        return;
    }
    float sum = 0;
    for (int kk = 0; kk < k; ++kk) {
        const float a = x[std::size_t(row) * k + kk];
        const float b = w[std::size_t(kk) * pitch + col];
        sum = simt::mad(a, b, sum);
    }
    y[std::size_t(row) * n + col] = sum;
}

/// Tiles of T x T in shared memory: every value is read from global memory once a block, not once a
/// thread.
template <int T>
SIMT_DEVICE void gemmShared(simt::gmem<const float> x,
                            simt::gmem<const float> w,
                            simt::gmem<float> y,
                            int m,
                            int n,
                            int k,
                            int pitch) {
    SIMT_SHARED(float, xs, T, T);
    SIMT_SHARED(float, ws, T, T);
    const int r = threadIdx.x / T;
    const int c = threadIdx.x % T;
    const int row = blockIdx.x * T + r;
    const int col = blockIdx.y * T + c;
    float sum = 0;
    for (int k0 = 0; k0 < k; k0 += T) {
        xs(r, c) = row < m && k0 + c < k ? float(x[std::size_t(row) * k + k0 + c]) : 0.0f;
        ws(r, c) = k0 + r < k && col < n ? float(w[std::size_t(k0 + r) * pitch + col]) : 0.0f;
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < T; ++kk) {
            const float a = xs(r, kk);
            const float b = ws(kk, c);
            sum = simt::mad(a, b, sum);
        }
        __syncthreads();
    }
    if (row < m && col < n) {
        y[std::size_t(row) * n + col] = sum;
    }
}

/// Every thread keeps 8 x 8 sums in registers: 16 values from shared memory feed 64 products, where
/// one sum a thread needs 2 for 1.
SIMT_DEVICE void gemmRegisters(simt::gmem<const float> x,
                               simt::gmem<const float> w,
                               simt::gmem<float> y,
                               int m,
                               int n,
                               int k,
                               int pitch) {
    constexpr int BM = 128;
    constexpr int BN = 128;
    constexpr int BK = 8;
    SIMT_SHARED(float, xs, BM, BK);
    SIMT_SHARED(float, ws, BK, BN);
    const int tid = threadIdx.x;
    const int tx = tid % 16 * 8;
    const int ty = tid / 16 * 8;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    float sum[8][8] = {};
    for (int k0 = 0; k0 < k; k0 += BK) {
        for (int e = tid; e < BM * BK; e += 256) {
            const int r = e / BK;
            const int c = e % BK;
            xs(r, c) = m0 + r < m && k0 + c < k ? float(x[std::size_t(m0 + r) * k + k0 + c]) : 0.0f;
        }
        for (int e = tid; e < BK * BN; e += 256) {
            const int r = e / BN;
            const int c = e % BN;
            ws(r, c) =
                k0 + r < k && n0 + c < n ? float(w[std::size_t(k0 + r) * pitch + n0 + c]) : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < BK; ++kk) {
            float a[8];
            float b[8];
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                a[i] = xs(ty + i, kk);
                b[i] = ws(kk, tx + i);
            }
#pragma unroll
            for (int i = 0; i < 8; ++i) {
#pragma unroll
                for (int j = 0; j < 8; ++j) {
                    sum[i][j] = simt::mad(a[i], b[j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            if (m0 + ty + i < m && n0 + tx + j < n) {
                y[std::size_t(m0 + ty + i) * n + n0 + tx + j] = sum[i][j];
            }
        }
    }
}

/// Four neighbours of a row of y, where they lie inside.
SIMT_DEVICE void storeFour(
    simt::gmem<float> y, int row, int col, const float values[4], int m, int n) {
    if (row >= m) {
        return;
    }
    if (n % 4 == 0 && col < n) {
        simt::vstore(y + (std::size_t(row) * n + col),
                     make_float4(values[0], values[1], values[2], values[3]));
        return;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        if (col + j < n) {
            y[std::size_t(row) * n + col + j] = values[j];
        }
    }
}

/// One tile step of the last two rungs: 16 bytes a load, x turned on its way so that both operands
/// of the products lie side by side. The rows of xs are padded, so that the turned stores of a warp
/// meet fewer bank conflicts.
template <int BM, int BN, int BK, class Xs, class Ws>
SIMT_DEVICE void loadTurned(Xs& xs,
                            Ws& ws,
                            simt::gmem<const float> x,
                            simt::gmem<const float> w,
                            int m,
                            int k,
                            int pitch,
                            int m0,
                            int n0,
                            int k0) {
    for (int e = threadIdx.x * 4; e < BM * BK; e += 256 * 4) {
        const int r = e / BK;
        const int c = e % BK;
        const bool inside = m0 + r < m && k0 + c < k;
        const float4 v = inside ? simt::vload<float4>(x + (std::size_t(m0 + r) * k + k0 + c))
                                : make_float4(0, 0, 0, 0);
        xs(c, r) = v.x;
        xs(c + 1, r) = v.y;
        xs(c + 2, r) = v.z;
        xs(c + 3, r) = v.w;
    }
    for (int e = threadIdx.x * 4; e < BK * BN; e += 256 * 4) {
        const int r = e / BN;
        const int c = e % BN;
        const bool inside = k0 + r < k && n0 + c < pitch;
        ws.template vec<float4>(r, c) =
            inside ? simt::vload<float4>(w + (std::size_t(k0 + r) * pitch + n0 + c))
                   : make_float4(0, 0, 0, 0);
    }
}

/// 16 bytes an instruction, from global and from shared memory.
SIMT_DEVICE void gemmVectors(simt::gmem<const float> x,
                             simt::gmem<const float> w,
                             simt::gmem<float> y,
                             int m,
                             int n,
                             int k,
                             int pitch) {
    constexpr int BM = 128;
    constexpr int BN = 128;
    constexpr int BK = 8;
    constexpr int kPad = 4;
    SIMT_SHARED(float, xs, BK, BM + kPad);
    SIMT_SHARED(float, ws, BK, BN);
    const int tid = threadIdx.x;
    const int tx = tid % 16 * 8;
    const int ty = tid / 16 * 8;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    float sum[8][8] = {};
    for (int k0 = 0; k0 < k; k0 += BK) {
        loadTurned<BM, BN, BK>(xs, ws, x, w, m, k, pitch, m0, n0, k0);
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < BK; ++kk) {
            const float4 a0 = xs.template vec<float4>(kk, ty);
            const float4 a1 = xs.template vec<float4>(kk, ty + 4);
            const float4 b0 = ws.template vec<float4>(kk, tx);
            const float4 b1 = ws.template vec<float4>(kk, tx + 4);
            const float a[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
            const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
            for (int i = 0; i < 8; ++i) {
#pragma unroll
                for (int j = 0; j < 8; ++j) {
                    sum[i][j] = simt::mad(a[i], b[j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        storeFour(y, m0 + ty + i, n0 + tx, sum[i], m, n);
        storeFour(y, m0 + ty + i, n0 + tx + 4, sum[i] + 4, m, n);
    }
}

/// Warps own 64 x 32 outputs, and a lane's 8 x 8 are four patches of 4 x 4 in them: the lanes of a
/// warp read neighbouring 16 bytes, so that shared memory serves each row of a tile without a
/// conflict.
SIMT_DEVICE void gemmWarps(simt::gmem<const float> x,
                           simt::gmem<const float> w,
                           simt::gmem<float> y,
                           int m,
                           int n,
                           int k,
                           int pitch) {
    constexpr int BM = 128;
    constexpr int BN = 128;
    constexpr int BK = 16;
    constexpr int kPad = 4;
    SIMT_SHARED(float, xs, BK, BM + kPad);
    SIMT_SHARED(float, ws, BK, BN);
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    const int ty = warp / 4 * 64 + lane / 4 * 4;
    const int tx = warp % 4 * 32 + lane % 4 * 4;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    float sum[8][8] = {};
    for (int k0 = 0; k0 < k; k0 += BK) {
        loadTurned<BM, BN, BK>(xs, ws, x, w, m, k, pitch, m0, n0, k0);
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < BK; ++kk) {
            const float4 a0 = xs.template vec<float4>(kk, ty);
            const float4 a1 = xs.template vec<float4>(kk, ty + 32);
            const float4 b0 = ws.template vec<float4>(kk, tx);
            const float4 b1 = ws.template vec<float4>(kk, tx + 16);
            const float a[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
            const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
            for (int i = 0; i < 8; ++i) {
#pragma unroll
                for (int j = 0; j < 8; ++j) {
                    sum[i][j] = simt::mad(a[i], b[j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int row = m0 + ty + i % 4 + i / 4 * 32;
        storeFour(y, row, n0 + tx, sum[i], m, n);
        storeFour(y, row, n0 + tx + 16, sum[i] + 4, m, n);
    }
}

#define GEMM_F32_PARAMETERS     \
    (simt::gmem<const float> x, \
     simt::gmem<const float> w, \
     simt::gmem<float> y,       \
     int m,                     \
     int n,                     \
     int k,                     \
     int pitch)
#define GEMM_F32_ARGUMENTS (x, w, y, m, n, k, pitch)

SIMT_KERNEL(256, gemm_f32_naive, GEMM_F32_PARAMETERS, GEMM_F32_ARGUMENTS, gemmNaive)
SIMT_KERNEL(256, gemm_f32_coalesced, GEMM_F32_PARAMETERS, GEMM_F32_ARGUMENTS, gemmCoalesced)
SIMT_KERNEL(1024, gemm_f32_shared_32x32, GEMM_F32_PARAMETERS, GEMM_F32_ARGUMENTS, gemmShared<32>)
SIMT_KERNEL(
    256, gemm_f32_registers_128x128x8, GEMM_F32_PARAMETERS, GEMM_F32_ARGUMENTS, gemmRegisters)
SIMT_KERNEL(256, gemm_f32_vectors_128x128x8, GEMM_F32_PARAMETERS, GEMM_F32_ARGUMENTS, gemmVectors)
SIMT_KERNEL(256, gemm_f32_warps_128x128x16, GEMM_F32_PARAMETERS, GEMM_F32_ARGUMENTS, gemmWarps)

SIMT_ENTRIES(gemm_f32,
             SIMT_ENTRY(gemm_f32_naive),
             SIMT_ENTRY(gemm_f32_coalesced),
             SIMT_ENTRY(gemm_f32_shared_32x32),
             SIMT_ENTRY(gemm_f32_registers_128x128x8),
             SIMT_ENTRY(gemm_f32_vectors_128x128x8),
             SIMT_ENTRY(gemm_f32_warps_128x128x16))
