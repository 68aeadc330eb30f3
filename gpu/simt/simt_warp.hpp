// SPDX-License-Identifier: Apache-2.0
// Names of a whole warp or block on the CPU: barriers, shuffles, ldmatrix, mma, wmma.
#pragma once

#include "gpu/simt/simt_host.hpp"
#include "gpu/simt/warp_matrix.hpp"

namespace simt::warp {

namespace ops = ::loupe::gpu::simt::warp;

enum class Shuffle { Index, Xor, Down, Up };

template <class T>
struct ShuffleArgument {
    T value;
    T result;
    int operand;
    int width;
};

template <class T, Shuffle Kind>
void shuffle(void* const* arguments, std::uint32_t lanes) {
    for (int lane = 0; lane < 32; ++lane) {
        if ((lanes >> lane & 1U) == 0) {
            continue;
        }
        auto& own = *static_cast<ShuffleArgument<T>*>(arguments[lane]);
        const int base = lane & ~(own.width - 1);
        int source = lane;
        if constexpr (Kind == Shuffle::Index) {
            source = base + (own.operand & (own.width - 1));
        } else if constexpr (Kind == Shuffle::Xor) {
            source = lane ^ own.operand;
            source = source >= base + own.width ? lane : source;
        } else if constexpr (Kind == Shuffle::Down) {
            source = lane + own.operand;
            source = source >= base + own.width ? lane : source;
        } else {
            source = lane - own.operand;
            source = source < base ? lane : source;
        }
        if ((lanes >> source & 1U) == 0) {
            ops::missingLane("shuffle");
        }
        own.result = static_cast<ShuffleArgument<T>*>(arguments[source])->value;
    }
}

template <Shuffle Kind, class T>
T shuffled(unsigned mask, T value, int operand, int width, Where where) {
    ShuffleArgument<T> argument{value, value, operand, width};
    runtime::collective(mask, &argument, shuffle<T, Kind>, where);
    return argument.result;
}

}  // namespace simt::warp

inline void __syncthreads(simt::Where where = simt::Where::here()) {
    simt::runtime::barrier(where);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU, simt::Where where = simt::Where::here()) {
    simt::runtime::syncWarp(mask, where);
}
template <class T>
T __shfl_sync(
    unsigned mask, T v, int lane, int width = 32, simt::Where where = simt::Where::here()) {
    return simt::warp::shuffled<simt::warp::Shuffle::Index>(mask, v, lane, width, where);
}
template <class T>
T __shfl_xor_sync(
    unsigned mask, T v, int x, int width = 32, simt::Where where = simt::Where::here()) {
    return simt::warp::shuffled<simt::warp::Shuffle::Xor>(mask, v, x, width, where);
}
template <class T>
T __shfl_down_sync(
    unsigned mask, T v, unsigned n, int width = 32, simt::Where where = simt::Where::here()) {
    return simt::warp::shuffled<simt::warp::Shuffle::Down>(
        mask, v, static_cast<int>(n), width, where);
}
template <class T>
T __shfl_up_sync(
    unsigned mask, T v, unsigned n, int width = 32, simt::Where where = simt::Where::here()) {
    return simt::warp::shuffled<simt::warp::Shuffle::Up>(
        mask, v, static_cast<int>(n), width, where);
}

namespace simt {

inline namespace SIMT_BUILD {

inline void mma_m16n8k16_f16(float d[4],
                             const std::uint32_t a[4],
                             const std::uint32_t b[2],
                             Where where = Where::here()) {
    warp::ops::MmaFloat argument{d, a, b};
    runtime::collective(~0U, &argument, warp::ops::mmaHalf, where);
}
inline void mma_m16n8k16_bf16(float d[4],
                              const std::uint32_t a[4],
                              const std::uint32_t b[2],
                              Where where = Where::here()) {
    warp::ops::MmaFloat argument{d, a, b};
    runtime::collective(~0U, &argument, warp::ops::mmaBfloat16, where);
}
inline void mma_m16n8k32_s8(int d[4],
                            const std::uint32_t a[4],
                            const std::uint32_t b[2],
                            Where where = Where::here()) {
    warp::ops::MmaInteger argument{d, a, b};
    runtime::collective(~0U, &argument, warp::ops::mmaInt8, where);
}

#if SIMT_CHECKED
/// Looks at `bytes` of a row as one access of the calling lane.
template <class T>
std::byte* rowOf(const SharedPointer<T>& at, std::size_t bytes, bool write) {
    std::byte* address = runtime::sharedAddress(*at.array, at.row, at.col, bytes, at.where);
    if (write) {
        runtime::writeShared(*at.array, address, bytes, at.where);
    } else {
        runtime::readShared(*at.array, address, bytes, at.where);
    }
    return address;
}
template <class T>
void ldmatrix_x4(std::uint32_t r[4], SharedPointer<T> row) {
    warp::ops::MatrixRow argument{rowOf(row, 16, false), r};
    runtime::collective(~0U, &argument, warp::ops::loadMatrix, row.where);
}
template <class T>
void ldmatrix_x4_trans(std::uint32_t r[4], SharedPointer<T> row) {
    warp::ops::MatrixRow argument{rowOf(row, 16, false), r};
    runtime::collective(~0U, &argument, warp::ops::loadMatrixTransposed, row.where);
}
#else
template <class T>
void ldmatrix_x4(std::uint32_t r[4], T* row, Where where = Where::here()) {
    warp::ops::MatrixRow argument{row, r};
    runtime::collective(~0U, &argument, warp::ops::loadMatrix, where);
}
template <class T>
void ldmatrix_x4_trans(std::uint32_t r[4], T* row, Where where = Where::here()) {
    warp::ops::MatrixRow argument{row, r};
    runtime::collective(~0U, &argument, warp::ops::loadMatrixTransposed, where);
}
#endif

}  // namespace SIMT_BUILD

}  // namespace simt
