// SPDX-License-Identifier: Apache-2.0
// y = x·wᵀ in integers, tiles of 32 x 32 in shared memory; and what can be wrong with it. A comment
// "finds NAME" marks the line (or, "next finds", the one below) that the checked build must name.

template <Planted Bug>
SIMT_DEVICE void plantedTile(simt::gmem<const std::int8_t> x,
                             simt::gmem<const std::int8_t> w,
                             simt::gmem<std::int32_t> y,
                             int n,
                             int k) {
    SIMT_SHARED(int, xs, 32, 9);
    SIMT_SHARED(int, ws, 32, 9);
    const int tid = threadIdx.x;
    const int tx = tid % 16;
    const int ty = tid / 16;
    const int m0 = blockIdx.y * 32;
    const int n0 = blockIdx.x * 32;
    int sum[2][2] = {};
    for (int k0 = 0; k0 < k; k0 += 32) {
        const int r = tid / 8;
        const int c = tid % 8;
        if (Bug == Planted::Misaligned && tid == 9) {
            const std::size_t at = std::size_t(m0 + r) * k + k0 + 4;
            const int4 four = simt::vload<int4>(x + at);  // finds Misaligned
            xs(r, c) = four.x;
        } else {
            const std::size_t at = std::size_t(m0 + r) * k + k0 + c * 4;
            xs(r, c) = simt::vload<int>(x + at);  // finds BufferTooShort NoBarrierAfterCompute
        }
        const std::size_t at = std::size_t(n0 + r) * k + k0 + c * 4;
        ws(r, c) = simt::vload<int>(w + at);  // finds NoBarrierAfterCompute
        if (Bug == Planted::ThreadsLeave && tid >= 224) {
            return;
        }
        if (Bug != Planted::NoBarrierAfterLoad) {
            __syncthreads();  // finds ThreadsLeave
        }
        for (int kk = 0; kk < 8; ++kk) {
            int a[2];
            int b[2];
            for (int i = 0; i < 2; ++i) {
                const int past = tid != 255                  ? 0
                                 : Bug == Planted::PastRow   ? 1
                                 : Bug == Planted::PastArray ? 32
                                                             : 0;
                // next finds NoBarrierAfterLoad NoBarrierAfterCompute PastRow PastArray
                a[i] = xs(ty * 2 + i, kk + past);
                b[i] = ws(tx + 16 * i, kk);  // finds NoBarrierAfterLoad NoBarrierAfterCompute
            }
            for (int i = 0; i < 2; ++i) {
                for (int j = 0; j < 2; ++j) {
                    sum[i][j] = simt::dp4a(a[i], b[j], sum[i][j]);
                }
            }
        }
        if (Bug != Planted::NoBarrierAfterCompute) {
            __syncthreads();
        }
    }
    for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) {
            const int row = m0 + ty * 2 + i + (Bug == Planted::GlobalOutOfBounds ? 1 : 0);
            y[std::size_t(row) * n + n0 + tx + 16 * j] = sum[i][j];  // finds GlobalOutOfBounds
        }
    }
}
