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

/// 16 pairs of weights from 32 bytes.
LOUPE_INLINE VecI pairsOfBytes(const std::byte* p) {
    const __m512i low = _mm512_cvtepi8_epi32(loadAs<__m128i>(p));
    const __m512i high = _mm512_cvtepi8_epi32(loadAs<__m128i>(p + 16));
    return (VecI)_mm512_cvtne2ps_pbh(_mm512_cvtepi32_ps(high), _mm512_cvtepi32_ps(low));
}

/// Int8: one step is two inputs.
struct BytePairs {
    const std::byte* at;
    static constexpr int kSteps = 1;
    LOUPE_INLINE_MEMBER void begin(BytePairs&) {}
    LOUPE_INLINE_MEMBER void next(BytePairs& d, int, VecI (&w)[kVectors]) {
        LOUPE_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            w[v] = pairsOfBytes(d.at + 2 * kWidth * v);
        }
        d.at += 2 * kLanes;
    }
};

/// Int4: one permutation decodes 16 pairs.
struct NibblePairs {
    const std::byte* at;
    VecI raw[kVectors];
    static constexpr int kSteps = 4;
    LOUPE_INLINE_MEMBER void begin(NibblePairs& d) {
        LOUPE_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            d.raw[v] = loadAs<VecI>(d.at + 4 * kWidth * v);
        }
        d.at += 4 * kLanes;
    }
    LOUPE_INLINE_MEMBER void next(NibblePairs& d, int step, VecI (&w)[kVectors]) {
        // bf16 of -8 to 7, twice: the permutation looks at five bits, the fifth is another code's.
        alignas(64) static constexpr std::uint16_t kValues[32] = {
            0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000,
            0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0, 0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040,
            0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0};
        const auto values = loadAs<__m512i>(kValues);
        LOUPE_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            const __m512i places =
                _mm512_srli_epi16((__m512i)d.raw[v], static_cast<unsigned>(4 * step));
            w[v] = (VecI)_mm512_permutexvar_epi16(places, values);
        }
    }
};

template <class Decoder, int Rows>
void directTile(const PanelCall& call) {
    VecF acc[Rows][kVectors] = {};
    const auto* x = static_cast<const std::int32_t*>(call.x);
    Decoder decoder;
    decoder.at = call.panel;
    for (std::int64_t i = 0; i < call.depth; i += 2 * Decoder::kSteps) {
        Decoder::begin(decoder);
        LOUPE_UNROLL
        for (int s = 0; s < Decoder::kSteps; ++s) {
            VecI b[kVectors];
            Decoder::next(decoder, s, b);
            LOUPE_UNROLL
            for (int r = 0; r < Rows; ++r) {
                const VecI a = splatInt(x[s * Rows + r]);
                LOUPE_UNROLL
                for (int v = 0; v < kVectors; ++v) {
                    acc[r][v] = multiplyAdd(acc[r][v], a, b[v]);
                }
            }
        }
        x += Rows * Decoder::kSteps;
    }
    finish<Rows>(call, acc);
}

template <class Decoder>
void expandPanel(const std::byte* panel, std::int64_t depth, std::byte* out) {
    Decoder decoder;
    decoder.at = panel;
    for (std::int64_t i = 0; i < depth; i += 2 * Decoder::kSteps) {
        Decoder::begin(decoder);
        LOUPE_UNROLL
        for (int s = 0; s < Decoder::kSteps; ++s) {
            VecI b[kVectors];
            Decoder::next(decoder, s, b);
            LOUPE_UNROLL
            for (int v = 0; v < kVectors; ++v) {
                storeAs(out + 4 * kWidth * v, b[v]);
            }
            out += 4 * kLanes;
        }
    }
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

template <class Decoder>
constexpr void setDirect(PanelFunction* to) {
    to[1] = directTile<Decoder, 1>;
    to[2] = directTile<Decoder, 2>;
    to[3] = directTile<Decoder, 3>;
    to[4] = directTile<Decoder, 4>;
}

constexpr BrainKernels brainTable() {
    BrainKernels table;
    table.lanes = kLanes;
    table.tile[1] = brainTile<1>;
    table.tile[2] = brainTile<2>;
    table.tile[3] = brainTile<3>;
    table.tile[4] = brainTile<4>;
    table.tile[5] = brainTile<5>;
    table.tile[6] = brainTile<6>;
    constexpr int kInt8 = static_cast<int>(PanelCode::Int8);
    constexpr int kInt4 = static_cast<int>(PanelCode::Int4);
    setDirect<BytePairs>(table.direct[kInt8]);
    setDirect<NibblePairs>(table.direct[kInt4]);
    table.expand[kInt8] = expandPanel<BytePairs>;
    table.expand[kInt4] = expandPanel<NibblePairs>;
    table.peak = brainRate;
    return table;
}

}  // namespace

extern const BrainKernels kBrainKernels;
const BrainKernels kBrainKernels = brainTable();

}  // namespace loupe::gpu
