// SPDX-License-Identifier: Apache-2.0
// LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339, section 3; the paper's variant: outlier
// inputs keep FP16 weights). Four kernels, all of them timed, since the decomposition depends on
// the live X:
//   columns  an input is an outlier where some |x| >= threshold
//   list     indices of outliers, ascending
//   rows     int8 codes of each token, scale = max |x| below the threshold / 127; outliers have
//   code 0 product  int8 tensor cores, times both scales, plus the FP16 product of the outlier
//   inputs x FP16 [m, k]; codes int8 [m, k]; tokenScales FP32 [m]; w int8 [n, k]; rowScales FP32
//   [n]; kept FP16 [k, n]: weights of all inputs, transposed so that those of one input lie
//   together.
// k is a multiple of 64 (padded with zeros).
#include "gpu/simt/simt.hpp"

namespace llm_int8 {

struct alignas(16) Half8 {
    simt::half_t v[8];
};

// Grid: k / 32; 4 threads with 8 inputs each take every 64th token.
SIMT_DEVICE void columns(simt::gmem<const simt::half_t> x,
                         simt::gmem<std::uint8_t> flags,
                         int m,
                         int k,
                         float threshold) {
    SIMT_SHARED(float, parts, 8, 32);
    const int tid = static_cast<int>(threadIdx.x);
    const int first = static_cast<int>(blockIdx.x) * 32;
    const int mine = tid % 4 * 8;
    float most[8] = {};
    for (int row = tid / 4; row < m; row += 64) {
        const Half8 value =
            simt::vload<Half8>(x + (static_cast<long long>(row) * k + first + mine));
#pragma unroll
        for (int c = 0; c < 8; ++c) {
            most[c] = fmaxf(most[c], fabsf(simt::toFloat(value.v[c])));
        }
    }
#pragma unroll
    for (int c = 0; c < 8; ++c) {
        for (int o = 4; o < 32; o *= 2) {
            most[c] = fmaxf(most[c], __shfl_xor_sync(~0U, most[c], o));
        }
        if (tid % 32 < 4) {
            parts(tid / 32, mine + c) = most[c];
        }
    }
    __syncthreads();
    if (tid < 32) {
        float all = 0;
        for (int w = 0; w < 8; ++w) {
            const float part = parts(w, tid);
            all = fmaxf(all, part);
        }
        flags[first + tid] = static_cast<std::uint8_t>(all >= threshold ? 1 : 0);
    }
}

SIMT_DEVICE int flagsIn(std::uint32_t word) {
    return static_cast<int>((word * 0x01010101U) >> 24);
}

// One block of 256: every thread counts its run of flags, 16 a load; the sums before it say where
// its indices go.
SIMT_DEVICE void list(simt::gmem<const std::uint8_t> flags,
                      simt::gmem<int> found,
                      simt::gmem<int> count,
                      int k) {
    SIMT_SHARED(int, sums, 1, 8);
    const int tid = static_cast<int>(threadIdx.x);
    const int units = k / 16;
    const int run = (units + 255) / 256;
    const int first = tid * run;
    const int last = first + run < units ? first + run : units;
    int mine = 0;
    for (int i = first; i < last; ++i) {
        const uint4 quad = simt::vload<uint4>(flags + i * 16);
        mine += flagsIn(quad.x) + flagsIn(quad.y) + flagsIn(quad.z) + flagsIn(quad.w);
    }
    int upTo = mine;
    for (int o = 1; o < 32; o *= 2) {
        const int other = __shfl_up_sync(~0U, upTo, o);
        upTo += tid % 32 >= o ? other : 0;
    }
    if (tid % 32 == 31) {
        sums(0, tid / 32) = upTo;
    }
    __syncthreads();
    int before = upTo - mine;
    for (int w = 0; w < tid / 32; ++w) {
        const int other = sums(0, w);
        before += other;
    }
    if (tid == 255) {
        count[0] = before + mine;
    }
    if (mine == 0) {
        return;
    }
    for (int i = first * 16; i < last * 16; ++i) {
        const int flag = flags[i];
        if (flag != 0) {
            found[before] = i;
            ++before;
        }
    }
}

// Grid: m; 256 threads a token.
SIMT_DEVICE void rows(simt::gmem<const simt::half_t> x,
                      simt::gmem<const std::uint8_t> flags,
                      simt::gmem<std::int8_t> codes,
                      simt::gmem<float> tokenScales,
                      int k,
                      float threshold) {
    SIMT_SHARED(float, parts, 1, 8);
    const int tid = static_cast<int>(threadIdx.x);
    const long long base = static_cast<long long>(blockIdx.x) * k;
    float most = 0;
    for (int i = tid; i < k; i += 256) {
        const simt::half_t value = x[base + i];
        const float size = fabsf(simt::toFloat(value));
        most = size < threshold ? fmaxf(most, size) : most;
    }
    for (int o = 16; o > 0; o /= 2) {
        most = fmaxf(most, __shfl_xor_sync(~0U, most, o));
    }
    if (tid % 32 == 0) {
        parts(0, tid / 32) = most;
    }
    __syncthreads();
    for (int i = 0; i < 8; ++i) {
        const float part = parts(0, i);
        most = fmaxf(most, part);
    }
    const float scale = most > 0 ? most / 127.0F : 1.0F;
    for (int i = tid; i < k; i += 256) {
        const int flag = flags[i];
        const simt::half_t value = x[base + i];
        const float code = rintf(simt::toFloat(value) / scale);
        codes[base + i] =
            static_cast<std::int8_t>(flag != 0 ? 0.0F : fminf(fmaxf(code, -127.0F), 127.0F));
    }
    if (tid == 0) {
        tokenScales[blockIdx.x] = scale;
    }
}

template <int BM, int BN>
struct Layout {
    static constexpr int kStages = 3;
    static constexpr int kStep = 64;
    static constexpr int kPitch = kStep + 16;  // ldmatrix without bank conflicts
    static constexpr int kOutliers = 16;       // multiplied at a time
    static constexpr int kXPitch = kOutliers + 8;
    static constexpr int kWPitch = BN + 8;
    static constexpr int kA = 0;
    static constexpr int kB = kA + kStages * BM * kPitch;
    static constexpr int kX = kB + kStages * BN * kPitch;
    static constexpr int kW = kX + BM * kXPitch * 2;
};

// Grid: (n / BN, m / BM); 4 warps as 2 x 2, each BM/2 x BN/2.
template <int BM, int BN>
SIMT_DEVICE void product(simt::gmem<const std::int8_t> a,
                         simt::gmem<const std::int8_t> b,
                         simt::gmem<const float> tokenScales,
                         simt::gmem<const float> rowScales,
                         simt::gmem<const simt::half_t> x,
                         simt::gmem<const simt::half_t> kept,
                         simt::gmem<const int> found,
                         simt::gmem<const int> count,
                         simt::gmem<float> y,
                         int m,
                         int n,
                         int k) {
    using namespace simt;
    using L = Layout<BM, BN>;
    constexpr int kStages = L::kStages;
    constexpr int kStep = L::kStep;
    constexpr int kWm = BM / 2;
    constexpr int kWn = BN / 2;
    SIMT_SHARED_DYNAMIC(std::int8_t, as, kStages * BM, L::kPitch, L::kA);
    SIMT_SHARED_DYNAMIC(std::int8_t, bs, kStages * BN, L::kPitch, L::kB);
    SIMT_SHARED_DYNAMIC(half_t, xs, BM, L::kXPitch, L::kX);
    SIMT_SHARED_DYNAMIC(half_t, ws, L::kOutliers, L::kWPitch, L::kW);
    const int tid = static_cast<int>(threadIdx.x);
    const int warp = tid / 32;
    const int lane = tid % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    const int wr = warp / 2 * kWm;
    const int wc = warp % 2 * kWn;
    const int m0 = static_cast<int>(blockIdx.y) * BM;
    const int n0 = static_cast<int>(blockIdx.x) * BN;

    const auto stageIn = [&](int step) {
        const int stage = step % kStages;
        for (int e = tid * 16; e < BM * kStep; e += 128 * 16) {
            const int row = m0 + e / kStep;
            cp_async16(
                as.ptr(stage * BM + e / kStep, e % kStep),
                a + (static_cast<long long>(row < m ? row : 0) * k + step * kStep + e % kStep),
                row < m);
        }
        for (int e = tid * 16; e < BN * kStep; e += 128 * 16) {
            const int row = n0 + e / kStep;
            cp_async16(
                bs.ptr(stage * BN + e / kStep, e % kStep),
                b + (static_cast<long long>(row < n ? row : 0) * k + step * kStep + e % kStep),
                row < n);
        }
    };
    int acc[kWm / 16][kWn / 8][4] = {};
    const int steps = k / kStep;
    for (int s = 0; s < kStages - 1; ++s) {
        if (s < steps) {
            stageIn(s);
        }
        cp_async_commit();
    }
    for (int step = 0; step < steps; ++step) {
        cp_async_wait<kStages - 2>();
        __syncthreads();
        if (step + kStages - 1 < steps) {
            stageIn(step + kStages - 1);
        }
        cp_async_commit();
        const int stage = step % kStages;
#pragma unroll 1
        for (int c = 0; c < kStep; c += 32) {
            std::uint32_t fa[kWm / 16][4];
#pragma unroll
            for (int i = 0; i < kWm / 16; ++i) {
                ldmatrix_x4(fa[i],
                            as.ptr(stage * BM + wr + i * 16 + lane % 16, c + lane / 16 * 16));
            }
#pragma unroll
            for (int j = 0; j < kWn / 16; ++j) {
                std::uint32_t fb[4];
                ldmatrix_x4(fb,
                            bs.ptr(stage * BN + wc + j * 16 + lane % 8 + lane / 16 * 8,
                                   c + lane / 8 % 2 * 16));
#pragma unroll
                for (int i = 0; i < kWm / 16; ++i) {
                    mma_m16n8k32_s8(acc[i][2 * j], fa[i], fb);
                    mma_m16n8k32_s8(acc[i][2 * j + 1], fa[i], fb + 2);
                }
            }
        }
    }
    cp_async_wait<0>();

    // Both scales, then the outlier inputs on top, sixteen at a time.
    float out[kWm / 16][kWn / 8][4];
#pragma unroll
    for (int i = 0; i < kWm / 16; ++i) {
        const int row = m0 + wr + i * 16 + g;
        const float upper = tokenScales[row < m ? row : m - 1];
        const float lower = tokenScales[row + 8 < m ? row + 8 : m - 1];
#pragma unroll
        for (int j = 0; j < kWn / 8; ++j) {
            const int col = n0 + wc + j * 8 + t * 2;
            const float left = rowScales[col < n ? col : n - 1];
            const float right = rowScales[col + 1 < n ? col + 1 : n - 1];
            out[i][j][0] = static_cast<float>(acc[i][j][0]) * upper * left;
            out[i][j][1] = static_cast<float>(acc[i][j][1]) * upper * right;
            out[i][j][2] = static_cast<float>(acc[i][j][2]) * lower * left;
            out[i][j][3] = static_cast<float>(acc[i][j][3]) * lower * right;
        }
    }
    const int outliers = count[0];
    for (int o0 = 0; o0 < outliers; o0 += L::kOutliers) {
        __syncthreads();
        for (int e = tid; e < BM * L::kOutliers; e += 128) {
            const int row = m0 + e / L::kOutliers;
            const int o = o0 + e % L::kOutliers;
            half_t value = toHalf(0.0F);
            if (row < m && o < outliers) {
                const int input = found[o];
                value = x[static_cast<long long>(row) * k + input];
            }
            xs(e / L::kOutliers, e % L::kOutliers) = value;
        }
        for (int e = tid; e < L::kOutliers * BN; e += 128) {
            const int o = o0 + e / BN;
            const int col = n0 + e % BN;
            half_t value = toHalf(0.0F);
            if (col < n && o < outliers) {
                const int input = found[o];
                value = kept[static_cast<long long>(input) * n + col];
            }
            ws(e / BN, e % BN) = value;
        }
        __syncthreads();
        std::uint32_t fa[kWm / 16][4];
#pragma unroll
        for (int i = 0; i < kWm / 16; ++i) {
            ldmatrix_x4(fa[i], xs.ptr(wr + i * 16 + lane % 16, lane / 16 * 8));
        }
#pragma unroll
        for (int j = 0; j < kWn / 16; ++j) {
            std::uint32_t fb[4];
            ldmatrix_x4_trans(fb, ws.ptr(lane % 16, wc + j * 16 + lane / 16 * 8));
#pragma unroll
            for (int i = 0; i < kWm / 16; ++i) {
                mma_m16n8k16_f16(out[i][2 * j], fa[i], fb);
                mma_m16n8k16_f16(out[i][2 * j + 1], fa[i], fb + 2);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < kWm / 16; ++i) {
#pragma unroll
        for (int j = 0; j < kWn / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int row = m0 + wr + i * 16 + g + e / 2 * 8;
                const int col = n0 + wc + j * 8 + t * 2 + e % 2;
                if (row < m && col < n) {
                    y[static_cast<long long>(row) * n + col] = out[i][j][e];
                }
            }
        }
    }
}

}  // namespace llm_int8

#define LLM_INT8_PRODUCT(BM, BN)                                                   \
    SIMT_KERNEL(128,                                                               \
                llm_int8_product_##BM##x##BN,                                      \
                (simt::gmem<const std::int8_t> a,                                  \
                 simt::gmem<const std::int8_t> b,                                  \
                 simt::gmem<const float> tokenScales,                              \
                 simt::gmem<const float> rowScales,                                \
                 simt::gmem<const simt::half_t> x,                                 \
                 simt::gmem<const simt::half_t> kept,                              \
                 simt::gmem<const int> found,                                      \
                 simt::gmem<const int> count,                                      \
                 simt::gmem<float> y,                                              \
                 int m,                                                            \
                 int n,                                                            \
                 int k),                                                           \
                (a, b, tokenScales, rowScales, x, kept, found, count, y, m, n, k), \
                (llm_int8::product<BM, BN>))

SIMT_KERNEL(256,
            llm_int8_columns,
            (simt::gmem<const simt::half_t> x,
             simt::gmem<std::uint8_t> flags,
             int m,
             int k,
             float threshold),
            (x, flags, m, k, threshold),
            (llm_int8::columns))
SIMT_KERNEL(
    256,
    llm_int8_list,
    (simt::gmem<const std::uint8_t> flags, simt::gmem<int> found, simt::gmem<int> count, int k),
    (flags, found, count, k),
    (llm_int8::list))
SIMT_KERNEL(256,
            llm_int8_rows,
            (simt::gmem<const simt::half_t> x,
             simt::gmem<const std::uint8_t> flags,
             simt::gmem<std::int8_t> codes,
             simt::gmem<float> tokenScales,
             int k,
             float threshold),
            (x, flags, codes, tokenScales, k, threshold),
            (llm_int8::rows))
LLM_INT8_PRODUCT(64, 128)
LLM_INT8_PRODUCT(128, 128)

#undef LLM_INT8_PRODUCT

SIMT_ENTRIES(llm_int8,
             SIMT_ENTRY(llm_int8_columns),
             SIMT_ENTRY(llm_int8_list),
             SIMT_ENTRY(llm_int8_rows),
             SIMT_ENTRY(llm_int8_product_64x128),
             SIMT_ENTRY(llm_int8_product_128x128))
