// SPDX-License-Identifier: Apache-2.0
// The bytes of every packed block, little-endian and without padding, as their definitions name
// them: ggml's ggml-common.h for ggml's types, and ours for the OCP types, whose container is not
// standardized. Plain data: the unpack kernels include it too.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loupe::blocks {

inline constexpr int kSuper = 256;  ///< elements of ggml's super-blocks (QK_K)

struct Q4_0 {
    std::uint16_t d;
    std::uint8_t qs[16];
};
struct Q4_1 {
    std::uint16_t d;
    std::uint16_t m;
    std::uint8_t qs[16];
};
struct Q5_0 {
    std::uint16_t d;
    std::uint8_t qh[4];
    std::uint8_t qs[16];
};
struct Q5_1 {
    std::uint16_t d;
    std::uint16_t m;
    std::uint8_t qh[4];
    std::uint8_t qs[16];
};
struct Q8_0 {
    std::uint16_t d;
    std::int8_t qs[32];
};
struct Q8_1 {
    std::uint16_t d;
    std::uint16_t s;
    std::int8_t qs[32];
};
struct Q2K {
    std::uint8_t scales[16];
    std::uint8_t qs[64];
    std::uint16_t d;
    std::uint16_t dmin;
};
struct Q3K {
    std::uint8_t hmask[32];
    std::uint8_t qs[64];
    std::uint8_t scales[12];
    std::uint16_t d;
};
struct Q4K {
    std::uint16_t d;
    std::uint16_t dmin;
    std::uint8_t scales[12];
    std::uint8_t qs[128];
};
struct Q5K {
    std::uint16_t d;
    std::uint16_t dmin;
    std::uint8_t scales[12];
    std::uint8_t qh[32];
    std::uint8_t qs[128];
};
struct Q6K {
    std::uint8_t ql[128];
    std::uint8_t qh[64];
    std::int8_t scales[16];
    std::uint16_t d;
};
struct Q8K {
    float d;
    std::int8_t qs[256];
    std::int16_t bsums[16];
};
struct Iq2Xxs {
    std::uint16_t d;
    std::uint16_t qs[32];
};
struct Iq2Xs {
    std::uint16_t d;
    std::uint16_t qs[32];
    std::uint8_t scales[8];
};
struct Iq2S {
    std::uint16_t d;
    std::uint8_t qs[64];
    std::uint8_t qh[8];
    std::uint8_t scales[8];
};
struct Iq3Xxs {
    std::uint16_t d;
    std::uint8_t qs[96];
};
struct Iq3S {
    std::uint16_t d;
    std::uint8_t qs[64];
    std::uint8_t qh[8];
    std::uint8_t signs[32];
    std::uint8_t scales[4];
};
struct Iq1S {
    std::uint16_t d;
    std::uint8_t qs[32];
    std::uint16_t qh[8];
};
struct Iq1M {
    std::uint8_t qs[32];
    std::uint8_t qh[16];
    std::uint8_t scales[8];
};
struct Iq4Nl {
    std::uint16_t d;
    std::uint8_t qs[16];
};
struct Iq4Xs {
    std::uint16_t d;
    std::uint16_t scalesHigh;
    std::uint8_t scalesLow[4];
    std::uint8_t qs[128];
};
struct Tq1_0 {
    std::uint8_t qs[48];
    std::uint8_t qh[4];
    std::uint16_t d;
};
struct Tq2_0 {
    std::uint8_t qs[64];
    std::uint16_t d;
};
struct GgmlMxfp4 {
    std::uint8_t e;
    std::uint8_t qs[16];
};
struct GgmlNvfp4 {
    std::uint8_t d[4];
    std::uint8_t qs[32];
};
struct Q1_0 {
    std::uint16_t d;
    std::uint8_t qs[16];
};
struct Q2_0 {
    std::uint16_t d;
    std::uint8_t qs[16];
};

/// OCP MX: an E8M0 scale, then the codes of 32 elements.
struct Mx8 {
    std::uint8_t scale;
    std::uint8_t codes[32];
};
struct Mx6 {
    std::uint8_t scale;
    std::uint8_t codes[24];
};
struct Mx4 {
    std::uint8_t scale;
    std::uint8_t codes[16];
};
/// NVFP4: an E4M3 scale, then 16 codes; the tensor's FP32 scale lies outside.
struct Nvfp4 {
    std::uint8_t scale;
    std::uint8_t codes[8];
};

static_assert(sizeof(Q4_0) == 18);
static_assert(sizeof(Q4_1) == 20);
static_assert(sizeof(Q5_0) == 22);
static_assert(sizeof(Q5_1) == 24);
static_assert(sizeof(Q8_0) == 34);
static_assert(sizeof(Q8_1) == 36);
static_assert(sizeof(Q2K) == 84);
static_assert(sizeof(Q3K) == 110);
static_assert(sizeof(Q4K) == 144);
static_assert(sizeof(Q5K) == 176);
static_assert(sizeof(Q6K) == 210);
static_assert(sizeof(Q8K) == 292);
static_assert(sizeof(Iq2Xxs) == 66);
static_assert(sizeof(Iq2Xs) == 74);
static_assert(sizeof(Iq2S) == 82);
static_assert(sizeof(Iq3Xxs) == 98);
static_assert(sizeof(Iq3S) == 110);
static_assert(sizeof(Iq1S) == 50);
static_assert(sizeof(Iq1M) == 56);
static_assert(sizeof(Iq4Nl) == 18);
static_assert(sizeof(Iq4Xs) == 136);
static_assert(sizeof(Tq1_0) == 54);
static_assert(sizeof(Tq2_0) == 66);
static_assert(sizeof(GgmlMxfp4) == 17);
static_assert(sizeof(GgmlNvfp4) == 36);
static_assert(sizeof(Q1_0) == 18);
static_assert(sizeof(Q2_0) == 18);
static_assert(sizeof(Mx8) == 33);
static_assert(sizeof(Mx6) == 25);
static_assert(sizeof(Mx4) == 17);
static_assert(sizeof(Nvfp4) == 9);

}  // namespace loupe::blocks
