// SPDX-License-Identifier: Apache-2.0
// Products of bf16 pairs by VDPBF16PS: both products and their sum go to FP32; see
// core/base/cpu_dispatch.hpp for why the file has one symbol. Subnormal numbers count as zero.
#include "gpu/cpu/matmul_kernels.hpp"

#include <cstddef>
#include <cstdint>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // gcc 12's own avx512fintrin.h
#endif
#pragma GCC diagnostic ignored "-Wunused-function"  // vectors.inc holds more than one family needs
#include <immintrin.h>

namespace loupe::gpu {

namespace {

#include "gpu/cpu/vectors.inc"

LOUPE_INLINE VecF multiplyAdd(VecF acc, VecI x, VecI w) {
    return (VecF)_mm512_dpbf16_ps((__m512)acc, (__m512bh)x, (__m512bh)w);
}

template <int Rows>
LOUPE_INLINE void finish(const PanelCall& call, VecF (&acc)[Rows][kVectors]) {
    LOUPE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
        const VecF scale =
            call.scale == nullptr ? splat(1.0F) : loadAs<VecF>(call.scale + v * kWidth);
        LOUPE_UNROLL
        for (int r = 0; r < Rows; ++r) {
            float* const c = call.c + r * kLanes + v * kWidth;
            const VecF before = call.first ? VecF{} : loadAs<VecF>(c);
            storeAs(c, before + acc[r][v] * scale);
        }
    }
}

/// Weights [depth / 2][lanes][2].
template <int Rows>
void brainTile(const PanelCall& call) {
    VecF acc[Rows][kVectors] = {};
    const auto* x = static_cast<const std::int32_t*>(call.x);
    const std::byte* w = call.panel;
    for (std::int64_t i = 0; i < call.depth; i += 2) {
        VecI b[kVectors];
        LOUPE_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            b[v] = loadAs<VecI>(w + 4 * kWidth * v);
        }
        LOUPE_UNROLL
        for (int r = 0; r < Rows; ++r) {
            const VecI a = splatInt(x[r]);
            LOUPE_UNROLL
            for (int v = 0; v < kVectors; ++v) {
                acc[r][v] = multiplyAdd(acc[r][v], a, b[v]);
            }
        }
        x += Rows;
        w += 4 * kLanes;
    }
    finish<Rows>(call, acc);
}

/// Weights as 4-bit codes + 8 in 16-bit halves: of each output and 8 inputs the even inputs in the
/// low half, the odd ones in the high half, so that one permutation decodes 16 pairs.
template <int Rows>
void nibbleTile(const PanelCall& call) {
    // bf16 of -8 to 7, twice: the permutation looks at five bits, the fifth belongs to another
    // code.
    const __m512i values = _mm512_set_epi16(0x40e0,
                                            0x40c0,
                                            0x40a0,
                                            0x4080,
                                            0x4040,
                                            0x4000,
                                            0x3f80,
                                            0,
                                            static_cast<short>(0xbf80),
                                            static_cast<short>(0xc000),
                                            static_cast<short>(0xc040),
                                            static_cast<short>(0xc080),
                                            static_cast<short>(0xc0a0),
                                            static_cast<short>(0xc0c0),
                                            static_cast<short>(0xc0e0),
                                            static_cast<short>(0xc100),
                                            0x40e0,
                                            0x40c0,
                                            0x40a0,
                                            0x4080,
                                            0x4040,
                                            0x4000,
                                            0x3f80,
                                            0,
                                            static_cast<short>(0xbf80),
                                            static_cast<short>(0xc000),
                                            static_cast<short>(0xc040),
                                            static_cast<short>(0xc080),
                                            static_cast<short>(0xc0a0),
                                            static_cast<short>(0xc0c0),
                                            static_cast<short>(0xc0e0),
                                            static_cast<short>(0xc100));
    VecF acc[Rows][kVectors] = {};
    const auto* x = static_cast<const std::int32_t*>(call.x);
    const std::byte* w = call.panel;
    for (std::int64_t i = 0; i < call.depth; i += 8) {
        VecI raw[kVectors];
        LOUPE_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            raw[v] = loadAs<VecI>(w + 4 * kWidth * v);
        }
        LOUPE_UNROLL
        for (int s = 0; s < 4; ++s) {
            LOUPE_UNROLL
            for (int v = 0; v < kVectors; ++v) {
                const __m512i places =
                    _mm512_srli_epi16((__m512i)raw[v], static_cast<unsigned>(4 * s));
                const auto pairs = (VecI)_mm512_permutexvar_epi16(places, values);
                LOUPE_UNROLL
                for (int r = 0; r < Rows; ++r) {
                    acc[r][v] =
                        multiplyAdd(acc[r][v], splatInt(x[r * call.xStride + i / 2 + s]), pairs);
                }
            }
        }
        w += 4 * kLanes;
    }
    finish<Rows>(call, acc);
}

double brainRate(std::int64_t turns) {
    constexpr int kChains = 12;
    VecF acc[kChains];
    LOUPE_UNROLL
    for (int i = 0; i < kChains; ++i) {
        acc[i] = splat(static_cast<float>(i));  // equal chains would be made one
    }
    VecI x = splatInt(0x3f803f80);
    VecI w = splatInt(0x3f803f80);
    for (std::int64_t t = 0; t < turns; ++t) {
        LOUPE_UNROLL
        for (int i = 0; i < kChains; ++i) {
            acc[i] = multiplyAdd(acc[i], x, w);
        }
        LOUPE_RENEW(x);
        LOUPE_RENEW(w);
    }
    VecF sum = {};
    LOUPE_UNROLL
    for (int i = 0; i < kChains; ++i) {
        sum += acc[i];
    }
    // Never true; keeps the sums.
    return 2.0 * kChains * kWidth * 2 * static_cast<double>(turns) + (sumOf(sum) < 0 ? 1.0 : 0.0);
}

}  // namespace

extern const BrainKernels kBrainKernels;
const BrainKernels kBrainKernels{
    kLanes,
    {nullptr, brainTile<1>, brainTile<2>, brainTile<3>, brainTile<4>, brainTile<5>, brainTile<6>},
    {nullptr, nibbleTile<1>, nibbleTile<2>, nibbleTile<3>, nibbleTile<4>},
    brainRate};

}  // namespace loupe::gpu
