// SPDX-License-Identifier: Apache-2.0
// The kernel-side names on the CPU. SIMT_CHECKED 0: raw pointers and references. 1: views that look
// at every access. Only generated files and tests include this, each for one of the two.
#pragma once

#include "gpu/simt/narrow_float.hpp"
#include "gpu/simt/runtime.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#ifndef SIMT_CHECKED
#define SIMT_CHECKED 0
#endif
#if SIMT_CHECKED
#define SIMT_BUILD checked
#else
#define SIMT_BUILD fast
#endif

#define SIMT_DEVICE inline
#define SIMT_RESTRICT
#define threadIdx (::loupe::gpu::simt::runtime::place.thread)
#define blockIdx (::loupe::gpu::simt::runtime::place.block)
#define blockDim (::loupe::gpu::simt::runtime::place.blockSize)
#define gridDim (::loupe::gpu::simt::runtime::place.gridSize)

// CUDA's vector types.
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline int2 make_int2(int x, int y) {
    return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
    return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
    return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}
inline float2 make_float2(float x, float y) {
    return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}

namespace simt {

namespace runtime = ::loupe::gpu::simt::runtime;
using Where = runtime::Where;
using half_t = ::loupe::gpu::simt::Half;
using bf16_t = ::loupe::gpu::simt::Bfloat16;

inline float toFloat(half_t h) {
    return ::loupe::gpu::simt::halfToFloat(h);
}
inline float toFloat(bf16_t h) {
    return ::loupe::gpu::simt::bfloat16ToFloat(h);
}
inline half_t toHalf(float f) {
    return ::loupe::gpu::simt::floatToHalf(f);
}
inline bf16_t toBf16(float f) {
    return ::loupe::gpu::simt::floatToBfloat16(f);
}
inline std::uint32_t packHalf2(float lo, float hi) {
    return toHalf(lo).bits | static_cast<std::uint32_t>(toHalf(hi).bits) << 16;
}
inline std::uint32_t packBf162(float lo, float hi) {
    return toBf16(lo).bits | static_cast<std::uint32_t>(toBf16(hi).bits) << 16;
}
inline std::uint32_t floatBits(float f) {
    return std::bit_cast<std::uint32_t>(f);
}
inline float bitsFloat(std::uint32_t bits) {
    return std::bit_cast<float>(bits);
}

inline namespace SIMT_BUILD {

/// a·b + c. The GPU rounds once; so does this.
inline float mad(float a, float b, float c) {
    if constexpr (SIMT_CHECKED != 0) {
        runtime::arithmetic.flops += 2;
    }
    return a * b + c;
}
inline float exp_(float x) {
    if constexpr (SIMT_CHECKED != 0) {
        ++runtime::arithmetic.exponentials;
    }
    return std::exp(x);
}
inline float exp2_(float x) {
    if constexpr (SIMT_CHECKED != 0) {
        ++runtime::arithmetic.exponentials;
    }
    return std::exp2(x);
}
/// c + the products of four signed bytes.
inline int dp4a(int a, int b, int c) {
    if constexpr (SIMT_CHECKED != 0) {
        runtime::arithmetic.integerOps += 8;
    }
    for (int i = 0; i < 32; i += 8) {
        c += static_cast<std::int8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
    }
    return c;
}

#if SIMT_CHECKED

/// An index and where it was written: operator[] cannot have a default argument, its parameter can.
struct Position {
    std::int64_t index;
    Where where;
    template <class I, class = std::enable_if_t<std::is_integral_v<I>>>
    Position(I i, Where w = Where::here()) : index(static_cast<std::int64_t>(i)), where(w) {}
};

/// A pointer to global memory whose accesses are looked at.
template <class T>
struct gmem {
    using Value = std::remove_const_t<T>;
    T* p = nullptr;
    const runtime::Region* region = nullptr;

    /// One element: reads when converted, writes when assigned.
    struct Element {
        T* p;
        const runtime::Region* region;
        Where where;
        operator Value() const {
            runtime::readGlobal(region, p, sizeof(T), where);
            return *p;
        }
        const Element& operator=(Value value) const {
            runtime::writeGlobal(region, p, sizeof(T), where);
            *const_cast<Value*>(p) = value;
            return *this;
        }
        const Element& operator=(const Element& other) const {
            return *this = static_cast<Value>(other);
        }
        const Element& operator+=(Value value) const {
            return *this = static_cast<Value>(*this) + value;
        }
        Element(T* at, const runtime::Region* in, Where w) : p(at), region(in), where(w) {}
        Element(const Element&) = default;
    };
    gmem() = default;
    gmem(T* at, const runtime::Region* in) : p(at), region(in) {}
    template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
    gmem(const gmem<U>& other) : p(other.p), region(other.region) {}
    Element operator[](Position at) const { return {p + at.index, region, at.where}; }
    Element operator*() const { return {p, region, Where::here()}; }
    gmem operator+(std::int64_t n) const { return {p + n, region}; }
    gmem& operator+=(std::int64_t n) {
        p += n;
        return *this;
    }
    explicit operator bool() const { return p != nullptr; }
    bool operator==(std::nullptr_t) const { return p == nullptr; }
};

template <class V, class T>
V vload(gmem<T> from, Where where = Where::here()) {
    runtime::readGlobal(from.region, from.p, sizeof(V), where);
    V value;
    std::memcpy(&value, from.p, sizeof value);
    return value;
}
template <class V, class T>
void vstore(gmem<T> to, V value, Where where = Where::here()) {
    runtime::writeGlobal(to.region, to.p, sizeof(V), where);
    std::memcpy(static_cast<void*>(to.p), &value, sizeof value);
}
template <class T>
T atomic_add(gmem<T> to, T value, Where where = Where::here()) {
    runtime::updateGlobal(to.region, to.p, sizeof(T), where);
    return std::atomic_ref<T>(*to.p).fetch_add(value);
}

/// Elements of shared memory as one value of V.
template <class V>
struct SharedElement {
    const runtime::SharedArray* array;
    std::byte* address;
    Where where;
    SharedElement(const runtime::SharedArray* in, std::byte* at, Where w)
        : array(in), address(at), where(w) {}
    SharedElement(const SharedElement&) = default;
    operator V() const {
        runtime::readShared(*array, address, sizeof(V), where);
        V value;
        std::memcpy(&value, address, sizeof value);
        return value;
    }
    const SharedElement& operator=(V value) const {
        runtime::writeShared(*array, address, sizeof(V), where);
        std::memcpy(address, &value, sizeof value);
        return *this;
    }
    const SharedElement& operator=(const SharedElement& other) const {
        return *this = static_cast<V>(other);
    }
    const SharedElement& operator+=(V v) const { return *this = static_cast<V>(*this) + v; }
    const SharedElement& operator*=(V v) const { return *this = static_cast<V>(*this) * v; }
};

/// Address of an element of shared memory, for operations of a warp and copies.
template <class T>
struct SharedPointer {
    const runtime::SharedArray* array;
    int row;
    int col;
    Where where;
};

template <class T, int Rows, int Cols>
struct tile {
    static constexpr int rows = Rows;
    static constexpr int cols = Cols;
    const runtime::SharedArray* array;
    SharedElement<T> operator()(int r, int c, Where where = Where::here()) const {
        return {array, runtime::sharedAddress(*array, r, c, sizeof(T), where), where};
    }
    template <class V>
    SharedElement<V> vec(int r, int c, Where where = Where::here()) const {
        return {array, runtime::sharedAddress(*array, r, c, sizeof(V), where), where};
    }
    SharedPointer<T> ptr(int r, int c, Where where = Where::here()) const {
        return {array, r, c, where};
    }
};

template <class T>
void cp_async16(SharedPointer<T> to, gmem<const T> from, bool valid = true) {
    std::byte* address = runtime::sharedAddress(*to.array, to.row, to.col, 16, to.where);
    runtime::copyAsync(*to.array, address, from.region, from.p, valid ? 16 : 0, to.where);
}
template <class T>
void cp_async16(SharedPointer<T> to, gmem<T> from, bool valid = true) {
    cp_async16(to, gmem<const T>(from), valid);
}
inline void cp_async_commit() {
    runtime::commitCopies();
}
template <int InFlight>
void cp_async_wait() {
    runtime::waitForCopies(InFlight);
}

#else

template <class T>
using gmem = T*;

template <class V, class T>
V vload(T* from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class V, class T>
void vstore(T* to, V value) {
    std::memcpy(static_cast<void*>(to), &value, sizeof value);
}
template <class T>
T atomic_add(T* to, T value) {
    return std::atomic_ref<T>(*to).fetch_add(value);
}

template <class T, int Rows, int Cols>
struct tile {
    static constexpr int rows = Rows;
    static constexpr int cols = Cols;
    T* first;
    T& operator()(int r, int c) const { return first[r * Cols + c]; }
    template <class V>
    V& vec(int r, int c) const {
        return *reinterpret_cast<V*>(first + (r * Cols + c));
    }
    T* ptr(int r, int c) const { return first + (r * Cols + c); }
};

template <class T>
void cp_async16(T* to, const T* from, bool valid = true) {
    if (valid) {
        std::memcpy(static_cast<void*>(to), from, 16);
    } else {
        std::memset(static_cast<void*>(to), 0, 16);
    }
}
inline void cp_async_commit() {}
template <int InFlight>
void cp_async_wait() {}

#endif

template <class T, int Rows, int Cols>
tile<T, Rows, Cols> viewOf(const runtime::SharedArray* array) {
#if SIMT_CHECKED
    return {array};
#else
    return {reinterpret_cast<T*>(array->begin)};
#endif
}

/// How one argument of a launch becomes one of a kernel.
template <class P>
struct Argument {
    static P from(void* value, runtime::Memory&, int) {
        P result;
        std::memcpy(&result, value, sizeof result);
        return result;
    }
};
#if SIMT_CHECKED
template <class T>
struct Argument<gmem<T>> {
    static gmem<T> from(void* value, runtime::Memory& memory, int index) {
        T* address = nullptr;
        std::memcpy(&address, value, sizeof address);
        return {address, memory.find(address, index, sizeof(T), !std::is_const_v<T>)};
    }
};
#else
template <class T>
struct Argument<T*> {
    static T* from(void* value, runtime::Memory& memory, int index) {
        T* address = nullptr;
        std::memcpy(&address, value, sizeof address);
        static_cast<void>(memory.find(address, index, sizeof(T), !std::is_const_v<T>));
        return address;
    }
};
#endif

template <auto Kernel>
struct Binding;
template <class... P, void (*Kernel)(P...)>
struct Binding<Kernel> {
    static constexpr int count = static_cast<int>(sizeof...(P));
    static std::function<void()> bind(void* const* values, runtime::Memory& memory) {
        return bindAll(values, memory, std::index_sequence_for<P...>());
    }
    template <std::size_t... I>
    static std::function<void()> bindAll(void* const* values,
                                         runtime::Memory& memory,
                                         std::index_sequence<I...>) {
        std::tuple<P...> bound{Argument<P>::from(values[I], memory, static_cast<int>(I))...};
        return [bound] { std::apply(Kernel, bound); };
    }
};

}  // namespace SIMT_BUILD

}  // namespace simt

#define SIMT_SHARED(T, name, ROWS, COLS)                                             \
    const auto name = ::simt::viewOf<T, (ROWS), (COLS)>(::simt::runtime::fixedArray( \
        [] {                                                                         \
            static constexpr char tag = 0;                                           \
            return static_cast<const void*>(&tag);                                   \
        }(),                                                                         \
        #name,                                                                       \
        (ROWS),                                                                      \
        (COLS),                                                                      \
        sizeof(T),                                                                   \
        ::simt::Where::here()))
#define SIMT_SHARED_DYNAMIC(T, name, ROWS, COLS, offsetBytes)                          \
    const auto name = ::simt::viewOf<T, (ROWS), (COLS)>(::simt::runtime::dynamicArray( \
        [] {                                                                           \
            static constexpr char tag = 0;                                             \
            return static_cast<const void*>(&tag);                                     \
        }(),                                                                           \
        #name,                                                                         \
        (ROWS),                                                                        \
        (COLS),                                                                        \
        sizeof(T),                                                                     \
        static_cast<std::size_t>(offsetBytes),                                         \
        ::simt::Where::here()))
#define SIMT_KERNEL(THREADS, name, parameters, arguments, ...) \
    inline void name parameters {                              \
        (__VA_ARGS__) arguments;                               \
    }                                                          \
    constexpr unsigned simtThreadsOf_##name = (THREADS);
#define SIMT_ENTRY(name)                                                                  \
    ::loupe::gpu::simt::Entry {                                                           \
#name, simtThreadsOf_##name, SIMT_CHECKED != 0, ::simt::Binding < &name> ::count, \
            ::simt::Binding < &name> ::bind                                               \
    }
#define SIMT_ENTRIES(family, ...) \
    const ::loupe::gpu::simt::Entry simtEntriesOf_##family[] = {__VA_ARGS__};

#include "gpu/simt/simt_warp.hpp"
