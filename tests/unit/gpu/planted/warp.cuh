// SPDX-License-Identifier: Apache-2.0
// Sums of neighbouring values through shared memory and shuffles, a warp a row; and what can be
// wrong.

template <Planted Bug>
SIMT_DEVICE void plantedWarp(simt::gmem<const float> x, simt::gmem<float> y) {
    SIMT_SHARED(float, row, 4, 33);
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    const int at = blockIdx.x * 128 + threadIdx.x;
    row(warp, lane) = x[at];
    if (Bug != Planted::NoSyncWarp) {
        __syncwarp();
    }
    const float left = row(warp, lane == 0 ? 31 : lane - 1);  // finds NoSyncWarp
    float sum = left;
    if (Bug != Planted::DivergentShuffle || lane < 31) {
        sum += __shfl_xor_sync(0xFFFFFFFFU, left, 1);  // finds DivergentShuffle
    }
    y[at] = sum;
}
