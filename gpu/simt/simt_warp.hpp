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

/// nvcuda::wmma for 16x16x16 products. A fragment holds eight elements of one row (a, sums) or
/// column (b): deliberately unlike the hardware, whose layout CUDA leaves open.
namespace wmma {

inline namespace SIMT_BUILD {

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
    static_assert(M == 16 && N == 16 && K == 16);
    T x[8];
};
template <class T>
using FragmentA = fragment<matrix_a, 16, 16, 16, T, row_major>;
template <class T>
using FragmentB = fragment<matrix_b, 16, 16, 16, T, col_major>;
using FragmentSum = fragment<accumulator, 16, 16, 16, float>;

inline void meet(void* const*, std::uint32_t lanes) {
    if (lanes != 0xFFFFFFFFU) {
        warp::ops::missingLane("wmma");
    }
}
inline void fill_fragment(FragmentSum& f, float value) {
    for (float& x : f.x) {
        x = value;
    }
}

/// The eight elements that the calling lane holds, of a matrix whose rows (columns) are ld apart.
#if SIMT_CHECKED
template <class T>
T* laneElements(const SharedPointer<T>& at, unsigned ld, bool write) {
    if (static_cast<int>(ld) != at.array->cols) {
        runtime::fail("wmma: the leading dimension is not the array's", at.where);
    }
    static_cast<void>(runtime::sharedAddress(*at.array, at.row, at.col, 32, at.where));
    const int lane = static_cast<int>(runtime::place.lane);
    SharedPointer<T> own = at;
    own.row += lane / 2;
    own.col += lane % 2 * 8;
    std::byte* first = rowOf(own, 16, write);
    if (sizeof(T) == 4) {
        own.col += 4;
        static_cast<void>(rowOf(own, 16, write));
    }
    return reinterpret_cast<T*>(first);
}
template <class T>
using Address = SharedPointer<T>;
template <class T>
Where whereOf(const SharedPointer<T>& at) {
    return at.where;
}
#else
template <class T>
T* laneElements(T* at, unsigned ld, bool) {
    const unsigned lane = runtime::place.lane;
    return at + lane / 2 * ld + lane % 2 * 8;
}
template <class T>
using Address = T*;
template <class T>
Where whereOf(T*) {
    return {};
}
#endif

template <class Use, class T, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& f, Address<T> from, unsigned ld) {
    std::memcpy(f.x, laneElements(from, ld, false), sizeof f.x);
    runtime::collective(~0U, nullptr, meet, whereOf(from));
}
inline void store_matrix_sync(Address<float> to, const FragmentSum& f, unsigned ld, layout_t) {
    std::memcpy(laneElements(to, ld, true), f.x, sizeof f.x);
    runtime::collective(~0U, nullptr, meet, whereOf(to));
}

template <class T>
struct MmaArgument {
    FragmentSum* d;
    const FragmentA<T>* a;
    const FragmentB<T>* b;
    const FragmentSum* c;
};
template <class T>
void multiply(void* const* arguments, std::uint32_t lanes) {
    meet(arguments, lanes);
    float a[16][16];
    float b[16][16];
    float sum[16][16];
    for (int lane = 0; lane < 32; ++lane) {
        const auto& own = *static_cast<MmaArgument<T>*>(arguments[lane]);
        for (int i = 0; i < 8; ++i) {
            const int along = lane % 2 * 8 + i;
            a[lane / 2][along] = toFloat(own.a->x[i]);
            b[along][lane / 2] = toFloat(own.b->x[i]);
            sum[lane / 2][along] = own.c->x[i];
        }
    }
    for (int r = 0; r < 16; ++r) {
        for (int k = 0; k < 16; ++k) {
            for (int c = 0; c < 16; ++c) {
                sum[r][c] += a[r][k] * b[k][c];
            }
        }
    }
    for (int lane = 0; lane < 32; ++lane) {
        const auto& own = *static_cast<MmaArgument<T>*>(arguments[lane]);
        for (int i = 0; i < 8; ++i) {
            own.d->x[i] = sum[lane / 2][lane % 2 * 8 + i];
        }
    }
    runtime::arithmetic.flops += 2ULL * 16 * 16 * 16;
}
template <class T>
void mma_sync(FragmentSum& d,
              const FragmentA<T>& a,
              const FragmentB<T>& b,
              const FragmentSum& c,
              Where where = Where::here()) {
    MmaArgument<T> argument{&d, &a, &b, &c};
    runtime::collective(~0U, &argument, multiply<T>, where);
}

}  // namespace SIMT_BUILD

}  // namespace wmma

}  // namespace simt
