// SPDX-License-Identifier: Apache-2.0
// y = x·wᵀ in FP16 through mma.sync, three stages of cp.async; and what can be wrong with it.

template <Planted Bug>
SIMT_DEVICE void plantedPipeline(simt::gmem<const simt::half_t> x,
                                 simt::gmem<const simt::half_t> w,
                                 simt::gmem<float> y,
                                 int n,
                                 int k) {
    constexpr int BM = 32;
    constexpr int BN = 32;
    constexpr int BK = 32;
    constexpr int kStages = 3;
    SIMT_SHARED(simt::half_t, xs, kStages * BM, BK + 8);
    SIMT_SHARED(simt::half_t, ws, kStages * BN, BK + 8);
    const int tid = threadIdx.x;
    const int lane = tid % 32;
    const int warpRow = tid / 64 * 16;
    const int warpCol = tid / 32 % 2 * 16;
    const int m0 = blockIdx.x * BM;
    const int n0 = blockIdx.y * BN;
    const auto fetch = [&](int stage, int k0) {
        const int r = tid / 4;
        const int c = tid % 4 * 8;
        simt::cp_async16(xs.ptr(stage * BM + r, c), x + (std::size_t(m0 + r) * k + k0 + c));
        simt::cp_async16(ws.ptr(stage * BN + r, c), w + (std::size_t(n0 + r) * k + k0 + c));
    };
    float sum[2][4] = {};
    const int tiles = k / BK;
    for (int stage = 0; stage < kStages - 1; ++stage) {
        fetch(stage, stage * BK);
        simt::cp_async_commit();
    }
    for (int t = 0; t < tiles; ++t) {
        if (Bug == Planted::WaitOffByOne) {
            simt::cp_async_wait<kStages - 1>();
        } else if (Bug != Planted::NoWait) {
            simt::cp_async_wait<kStages - 2>();
        }
        if (Bug != Planted::NoBarrierInPipeline) {
            __syncthreads();
        }
        if (t + kStages - 1 < tiles) {
            fetch((t + kStages - 1) % kStages, (t + kStages - 1) * BK);
        }
        simt::cp_async_commit();
        const int stage = (t + (Bug == Planted::StageOffByOne ? 1 : 0)) % kStages;
        for (int kk = 0; kk < BK; kk += 16) {
            std::uint32_t a[4];
            std::uint32_t b[4];
            const int wrong = Bug == Planted::WrongMatrixRow ? 8 : 0;
            const int xRow = stage * BM + warpRow + lane % 16 + wrong;
            const int xCol = kk + lane / 16 * 8;
            // next finds NoWait WaitOffByOne StageOffByOne NoBarrierInPipeline WrongMatrixRow
            simt::ldmatrix_x4(a, xs.ptr(xRow, xCol));
            const bool swapped = Bug == Planted::SwappedLanes;
            const int high = swapped ? lane / 8 % 2 : lane / 16;
            const int right = swapped ? lane / 16 : lane / 8 % 2;
            const int wRow = stage * BN + warpCol + lane % 8 + high * 8;
            simt::ldmatrix_x4(b, ws.ptr(wRow, kk + right * 8));
            simt::mma_m16n8k16_f16(sum[0], a, b);
            simt::mma_m16n8k16_f16(sum[1], a, b + 2);
        }
    }
    for (int j = 0; j < 2; ++j) {
        for (int e = 0; e < 4; ++e) {
            const int row = m0 + warpRow + lane / 4 + e / 2 * 8;
            y[std::size_t(row) * n + n0 + warpCol + j * 8 + lane % 4 * 2 + e % 2] = sum[j][e];
        }
    }
}
