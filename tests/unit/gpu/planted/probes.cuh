// SPDX-License-Identifier: Apache-2.0
// Small kernels that ask the executor one question each.

/// One warp reads and writes `stride` floats apart, from element `first` on.
SIMT_DEVICE void strideProbe(simt::gmem<const float> x,
                             simt::gmem<float> y,
                             int stride,
                             int first) {
    const float v = x[first + threadIdx.x * stride];
    y[threadIdx.x] = v;
}

/// One warp writes and reads a column of shared memory of that pitch: 4 bytes a lane.
template <int Pitch>
SIMT_DEVICE void bankProbe(simt::gmem<float> y) {
    SIMT_SHARED(float, cells, 32, Pitch);
    cells(threadIdx.x, 0) = float(threadIdx.x);
    const float v = cells(threadIdx.x, 0);
    y[threadIdx.x] = v;
}

/// Every block adds to the same element without an atomic.
SIMT_DEVICE void blockRace(simt::gmem<float> y) {
    if (threadIdx.x == 0) {
        y[0] = float(blockIdx.x);  // finds BlockRace
    }
}

/// Every block adds to the same element as it should.
SIMT_DEVICE void blockSum(simt::gmem<std::int32_t> y) {
    simt::atomic_add(y, 1);
}

/// A block reads what its neighbour writes.
SIMT_DEVICE void blockReadRace(simt::gmem<float> y) {
    const float v = y[(blockIdx.x + 1) % gridDim.x];
    y[blockIdx.x] = v;
}

/// More static shared memory than a block may have.
SIMT_DEVICE void tooMuchShared(simt::gmem<float> y) {
    SIMT_SHARED(float, large, 128, 128);  // finds TooMuchShared
    large(0, threadIdx.x) = 0;
    y[threadIdx.x] = large(0, threadIdx.x);
}

/// Uses 4 KiB of dynamic shared memory: first as floats, then, behind a barrier, as bytes.
SIMT_DEVICE void dynamicProbe(simt::gmem<std::int32_t> y) {
    SIMT_SHARED_DYNAMIC(float, values, 32, 32, 0);  // finds DynamicTooShort
    SIMT_SHARED_DYNAMIC(std::int8_t, codes, 32, 32, 0);
    values(threadIdx.x, 0) = 1.0f;
    __syncthreads();
    codes(threadIdx.x, 0) = std::int8_t(threadIdx.x);
    __syncthreads();
    const std::int8_t v = codes(31 - threadIdx.x, 0);
    y[threadIdx.x] = v;
}

/// A warp matrix of elements that nobody wrote.
SIMT_DEVICE void wmmaUnwritten(simt::gmem<float> y) {
    SIMT_SHARED(simt::half_t, a, 16, 16);
    SIMT_SHARED(float, out, 16, 16);
    simt::wmma::FragmentA<simt::half_t> fa;
    simt::wmma::FragmentSum sum;
    simt::wmma::fill_fragment(sum, 0.0f);
    simt::wmma::load_matrix_sync(fa, a.ptr(0, 0), 16);  // finds WmmaUnwritten
    simt::wmma::store_matrix_sync(out.ptr(0, 0), sum, 16, simt::wmma::mem_row_major);
    y[threadIdx.x] = out(0, 0);
}

/// Two threads of a block write one element of global memory with no barrier between.
SIMT_DEVICE void globalHazard(simt::gmem<float> y) {
    y[threadIdx.x / 2] = float(threadIdx.x);  // finds GlobalHazard
}
