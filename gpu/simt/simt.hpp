// SPDX-License-Identifier: Apache-2.0
// The names that kernels are written with: one text for nvcc, for NVRTC and, on the CPU, for the
// executor. Under nvcc every name is CUDA's own or costs nothing; no header of the toolkit is
// needed.
#pragma once

/// Tags of warp matrices, as CUDA names them.
namespace simt::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major };

}  // namespace simt::wmma

#if !defined(__CUDACC__)
#include "gpu/simt/simt_host.hpp"
#else

#if defined(__CUDACC_RTC__)
namespace std {
using int8_t = signed char;
using uint8_t = unsigned char;
using int16_t = short;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned;
using int64_t = long long;
using uint64_t = unsigned long long;
using size_t = decltype(sizeof(0));
}  // namespace std
#else
#include <cstddef>
#include <cstdint>
#endif
#if !defined(INFINITY)
#define INFINITY __int_as_float(0x7F800000)
#endif

#define SIMT_DEVICE __device__ __forceinline__
#define SIMT_RESTRICT __restrict__

namespace simt {

/// A pointer to global memory. On the CPU, checked: a view that looks at every access.
template <class T>
using gmem = T*;

struct half_t {
    std::uint16_t bits;
};
struct bf16_t {
    std::uint16_t bits;
};

SIMT_DEVICE std::uint32_t floatBits(float f) {
    return __float_as_uint(f);
}
SIMT_DEVICE float bitsFloat(std::uint32_t bits) {
    return __uint_as_float(bits);
}
SIMT_DEVICE float toFloat(half_t h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.bits));
    return f;
}
SIMT_DEVICE float toFloat(bf16_t h) {
    return bitsFloat(std::uint32_t(h.bits) << 16);
}
SIMT_DEVICE half_t toHalf(float f) {
    half_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(f));
    return h;
}
SIMT_DEVICE bf16_t toBf16(float f) {
    bf16_t h;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(f));
#else
    const std::uint32_t bits = floatBits(f);
    h.bits = (bits & 0x7FFFFFFFu) > 0x7F800000u
                 ? std::uint16_t(0x7FFF)
                 : std::uint16_t((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
#endif
    return h;
}
/// Two numbers in one register, the first in the low half.
SIMT_DEVICE std::uint32_t packHalf2(float lo, float hi) {
#if __CUDA_ARCH__ >= 800
    std::uint32_t r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
#else
    return toHalf(lo).bits | std::uint32_t(toHalf(hi).bits) << 16;
#endif
}
SIMT_DEVICE std::uint32_t packBf162(float lo, float hi) {
#if __CUDA_ARCH__ >= 800
    std::uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
#else
    return toBf16(lo).bits | std::uint32_t(toBf16(hi).bits) << 16;
#endif
}

/// Shared memory as rows and columns. name(r, c) is an element, name.vec<V>(r, c) several as one V,
/// name.ptr(r, c) an address for cp_async16, ldmatrix and wmma.
template <class T, int Rows, int Cols>
struct tile {
    static constexpr int rows = Rows;
    static constexpr int cols = Cols;
    T v[Rows][Cols];
    SIMT_DEVICE T& operator()(int r, int c) { return v[r][c]; }
    template <class V>
    SIMT_DEVICE V& vec(int r, int c) {
        return *reinterpret_cast<V*>(&v[r][c]);
    }
    SIMT_DEVICE T* ptr(int r, int c) { return &v[r][c]; }
};

/// Several elements as one V; the address must be a multiple of its size.
template <class V, class T>
SIMT_DEVICE V vload(const T* from) {
    return *reinterpret_cast<const V*>(from);
}
template <class V, class T>
SIMT_DEVICE void vstore(T* to, V value) {
    *reinterpret_cast<V*>(to) = value;
}
template <class T>
SIMT_DEVICE T atomic_add(T* to, T value) {
    return atomicAdd(to, value);
}

SIMT_DEVICE float mad(float a, float b, float c) {
    return fmaf(a, b, c);
}
SIMT_DEVICE float exp_(float x) {
    return __expf(x);
}
SIMT_DEVICE float exp2_(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
/// c + the products of four signed bytes.
SIMT_DEVICE int dp4a(int a, int b, int c) {
    return __dp4a(a, b, c);
}

SIMT_DEVICE std::uint32_t sharedAddress(const void* p) {
    return std::uint32_t(__cvta_generic_to_shared(p));
}
/// Copies 16 bytes to shared memory without waiting; not `valid`: writes zeros and reads nothing.
template <class T, class U>
SIMT_DEVICE void cp_async16(T* to, const U* from, bool valid = true) {
#if __CUDA_ARCH__ >= 800
    const int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(sharedAddress(to)),
                 "l"(from),
                 "r"(bytes)
                 : "memory");
#else
    *reinterpret_cast<int4*>(to) =
        valid ? *reinterpret_cast<const int4*>(from) : make_int4(0, 0, 0, 0);
#endif
}
SIMT_DEVICE void cp_async_commit() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}
/// Waits until at most InFlight groups of this thread are under way. Others see its bytes after a
/// barrier.
template <int InFlight>
SIMT_DEVICE void cp_async_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;\n" ::"n"(InFlight) : "memory");
#endif
}

/// Four 8x8 matrices of 2-byte elements; lane l gives the address of row l % 8 of matrix l / 8.
template <class T>
SIMT_DEVICE void ldmatrix_x4(std::uint32_t r[4], const T* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}
template <class T>
SIMT_DEVICE void ldmatrix_x4_trans(std::uint32_t r[4], const T* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}
/// D += A·B, A [16, 16] by rows, B [16, 8] by columns; FP32 sums. Needs compute capability 8.0.
SIMT_DEVICE void mma_m16n8k16_f16(float d[4], const std::uint32_t a[4], const std::uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
SIMT_DEVICE void mma_m16n8k16_bf16(float d[4], const std::uint32_t a[4], const std::uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
/// A [16, 32] and B [32, 8] of signed bytes; INT32 sums.
SIMT_DEVICE void mma_m16n8k32_s8(int d[4], const std::uint32_t a[4], const std::uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};\n"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// CUDA's warp matrix names (nvcuda::wmma) for 16x16x16 products, written on the PTX instructions
/// so that no header of the toolkit is needed. How elements lie in a fragment is left open.
namespace wmma {

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment;
template <>
struct fragment<matrix_a, 16, 16, 16, half_t, row_major> {
    std::uint32_t x[8];
};
template <>
struct fragment<matrix_b, 16, 16, 16, half_t, col_major> {
    std::uint32_t x[8];
};
template <>
struct fragment<matrix_a, 16, 16, 16, bf16_t, row_major> {
    std::uint32_t x[4];
};
template <>
struct fragment<matrix_b, 16, 16, 16, bf16_t, col_major> {
    std::uint32_t x[4];
};
template <>
struct fragment<accumulator, 16, 16, 16, float> {
    float x[8];
};

template <class T>
using FragmentA = fragment<matrix_a, 16, 16, 16, T, row_major>;
template <class T>
using FragmentB = fragment<matrix_b, 16, 16, 16, T, col_major>;
using FragmentSum = fragment<accumulator, 16, 16, 16, float>;

SIMT_DEVICE void fill_fragment(FragmentSum& f, float value) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        f.x[i] = value;
    }
}
SIMT_DEVICE void load_matrix_sync(FragmentA<half_t>& f, const half_t* from, unsigned ld) {
    asm volatile(
        "wmma.load.a.sync.aligned.row.m16n16k16.shared.f16 {%0,%1,%2,%3,%4,%5,%6,%7}, [%8], %9;\n"
        : "=r"(f.x[0]),
          "=r"(f.x[1]),
          "=r"(f.x[2]),
          "=r"(f.x[3]),
          "=r"(f.x[4]),
          "=r"(f.x[5]),
          "=r"(f.x[6]),
          "=r"(f.x[7])
        : "r"(sharedAddress(from)), "r"(ld)
        : "memory");
}
SIMT_DEVICE void load_matrix_sync(FragmentB<half_t>& f, const half_t* from, unsigned ld) {
    asm volatile(
        "wmma.load.b.sync.aligned.col.m16n16k16.shared.f16 {%0,%1,%2,%3,%4,%5,%6,%7}, [%8], %9;\n"
        : "=r"(f.x[0]),
          "=r"(f.x[1]),
          "=r"(f.x[2]),
          "=r"(f.x[3]),
          "=r"(f.x[4]),
          "=r"(f.x[5]),
          "=r"(f.x[6]),
          "=r"(f.x[7])
        : "r"(sharedAddress(from)), "r"(ld)
        : "memory");
}
SIMT_DEVICE void load_matrix_sync(FragmentA<bf16_t>& f, const bf16_t* from, unsigned ld) {
#if __CUDA_ARCH__ >= 800
    asm volatile("wmma.load.a.sync.aligned.row.m16n16k16.shared.bf16 {%0,%1,%2,%3}, [%4], %5;\n"
                 : "=r"(f.x[0]), "=r"(f.x[1]), "=r"(f.x[2]), "=r"(f.x[3])
                 : "r"(sharedAddress(from)), "r"(ld)
                 : "memory");
#endif
}
SIMT_DEVICE void load_matrix_sync(FragmentB<bf16_t>& f, const bf16_t* from, unsigned ld) {
#if __CUDA_ARCH__ >= 800
    asm volatile("wmma.load.b.sync.aligned.col.m16n16k16.shared.bf16 {%0,%1,%2,%3}, [%4], %5;\n"
                 : "=r"(f.x[0]), "=r"(f.x[1]), "=r"(f.x[2]), "=r"(f.x[3])
                 : "r"(sharedAddress(from)), "r"(ld)
                 : "memory");
#endif
}
SIMT_DEVICE void mma_sync(FragmentSum& d,
                          const FragmentA<half_t>& a,
                          const FragmentB<half_t>& b,
                          const FragmentSum& c) {
    asm volatile(
        "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32 {%0,%1,%2,%3,%4,%5,%6,%7}, "
        "{%8,%9,%10,%11,%12,%13,%14,%15}, {%16,%17,%18,%19,%20,%21,%22,%23}, "
        "{%24,%25,%26,%27,%28,%29,%30,%31};\n"
        : "=f"(d.x[0]),
          "=f"(d.x[1]),
          "=f"(d.x[2]),
          "=f"(d.x[3]),
          "=f"(d.x[4]),
          "=f"(d.x[5]),
          "=f"(d.x[6]),
          "=f"(d.x[7])
        : "r"(a.x[0]),
          "r"(a.x[1]),
          "r"(a.x[2]),
          "r"(a.x[3]),
          "r"(a.x[4]),
          "r"(a.x[5]),
          "r"(a.x[6]),
          "r"(a.x[7]),
          "r"(b.x[0]),
          "r"(b.x[1]),
          "r"(b.x[2]),
          "r"(b.x[3]),
          "r"(b.x[4]),
          "r"(b.x[5]),
          "r"(b.x[6]),
          "r"(b.x[7]),
          "f"(c.x[0]),
          "f"(c.x[1]),
          "f"(c.x[2]),
          "f"(c.x[3]),
          "f"(c.x[4]),
          "f"(c.x[5]),
          "f"(c.x[6]),
          "f"(c.x[7]));
}
SIMT_DEVICE void mma_sync(FragmentSum& d,
                          const FragmentA<bf16_t>& a,
                          const FragmentB<bf16_t>& b,
                          const FragmentSum& c) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "wmma.mma.sync.aligned.row.col.m16n16k16.f32.bf16.bf16.f32 {%0,%1,%2,%3,%4,%5,%6,%7}, "
        "{%8,%9,%10,%11}, {%12,%13,%14,%15}, {%16,%17,%18,%19,%20,%21,%22,%23};\n"
        : "=f"(d.x[0]),
          "=f"(d.x[1]),
          "=f"(d.x[2]),
          "=f"(d.x[3]),
          "=f"(d.x[4]),
          "=f"(d.x[5]),
          "=f"(d.x[6]),
          "=f"(d.x[7])
        : "r"(a.x[0]),
          "r"(a.x[1]),
          "r"(a.x[2]),
          "r"(a.x[3]),
          "r"(b.x[0]),
          "r"(b.x[1]),
          "r"(b.x[2]),
          "r"(b.x[3]),
          "f"(c.x[0]),
          "f"(c.x[1]),
          "f"(c.x[2]),
          "f"(c.x[3]),
          "f"(c.x[4]),
          "f"(c.x[5]),
          "f"(c.x[6]),
          "f"(c.x[7]));
#endif
}
SIMT_DEVICE void store_matrix_sync(float* to, const FragmentSum& f, unsigned ld, layout_t) {
    asm volatile(
        "wmma.store.d.sync.aligned.row.m16n16k16.shared.f32 [%0], {%1,%2,%3,%4,%5,%6,%7,%8}, "
        "%9;\n" ::"r"(sharedAddress(to)),
        "f"(f.x[0]),
        "f"(f.x[1]),
        "f"(f.x[2]),
        "f"(f.x[3]),
        "f"(f.x[4]),
        "f"(f.x[5]),
        "f"(f.x[6]),
        "f"(f.x[7]),
        "r"(ld)
        : "memory");
}

}  // namespace wmma

}  // namespace simt

extern __shared__ __align__(128) unsigned char simtDynamicShared[];

#define SIMT_SHARED(T, name, ROWS, COLS) \
    __shared__ __align__(32)::simt::tile<T, (ROWS), (COLS)> name
#define SIMT_SHARED_DYNAMIC(T, name, ROWS, COLS, offsetBytes) \
    ::simt::tile<T, (ROWS), (COLS)>& name =                   \
        *reinterpret_cast<::simt::tile<T, (ROWS), (COLS)>*>(simtDynamicShared + (offsetBytes))
#define SIMT_KERNEL(THREADS, name, parameters, arguments, ...)              \
    extern "C" __global__ void __launch_bounds__(THREADS) name parameters { \
        (__VA_ARGS__) arguments;                                            \
    }
#define SIMT_ENTRY(name)
#define SIMT_ENTRIES(family, ...)

#endif
