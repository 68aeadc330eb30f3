// SPDX-License-Identifier: Apache-2.0
// Inside core/formats only: the vectorised paths, one table of functions per instruction set.
#pragma once

#include "core/base/cpu_dispatch.hpp"

#include <cstdint>

namespace loupe::detail {

/// A narrow float in the bits of FP32 (and, where it says so, in the bits of FP64), worked out once
/// per call.
struct MiniFloat {
    std::int32_t mantissaBits = 0;
    std::int32_t minExponentBits = 0;  ///< (emin + 127) << 23
    std::int32_t magicShift =
        0;  ///< (23 - mantissaBits) << 23: exponent step to where an addition rounds
    std::int32_t capBits = 0;  ///< 2^(emax + 1): overflows like anything above it
    std::int32_t maxBits = 0;  ///< largest finite value
    std::int32_t overflowBits =
        0;  ///< what overflow gives: infinity, NaN or the largest finite value
    std::int32_t signedSpecials = 0;  ///< all ones where zero and NaN have a sign, else 0
    std::int32_t maxCode = 0;
    std::int32_t overflowCode = 0;
    std::int32_t nanCode = 0;
    std::int32_t infinityCode = 0;  ///< beyond every code where there is none
    std::int32_t signShift = 0;     ///< 31 minus the place of the sign bit in a code
    std::int32_t bias = 0;
    float subnormalUnit = 0;
};

/// The same for double input.
struct MiniDouble {
    std::int64_t minExponentBits = 0;
    std::int64_t magicShift = 0;
    std::int64_t capBits = 0;
    std::int64_t maxBits = 0;
    std::int64_t overflowBits = 0;
    std::int64_t signedSpecials = 0;
};

/// FP32's exponent range with fewer fraction bits: rounding is a carry in the bits.
struct ShortFloat {
    std::int32_t half = 0;     ///< half a unit less one, 0 for FP32 itself
    std::int32_t lastBit = 0;  ///< mask of the last bit kept, 0 for FP32
    std::int32_t shift = 0;    ///< its place
    std::int32_t keep = -1;    ///< mask of the bits kept
    std::int32_t maxBits = 0;
    std::int32_t overflowBits = 0;
};

struct IntegerRange {
    float min = 0;
    float max = 0;
    std::int32_t codeMask = 0;
};

inline constexpr int kBookSize = 16;

/// Sorted levels; x takes the highest level whose threshold lies below it.
struct Book {
    float levels[kBookSize] = {};
    float thresholds[kBookSize] = {};  ///< of level k; [0] unused
    std::int32_t codes[kBookSize] = {};
    std::int32_t signedZero = 0;  ///< all ones if zero takes the sign of x
    std::int32_t negativeZeroCode = 0;
    std::int32_t zeroCode = 0;
};

/// What a block of input held that some formats refuse.
enum Seen : std::int32_t { kSeenNan = 1, kSeenInfinity = 2 };

/// All round to nearest, ties to even. They return the Seen flags; in and out may be the same. With
/// `stream`, results go past the caches: `out` aligned to 64 bytes and `count` a multiple of 16.
struct FormatKernels {
    template <class In, class Format>
    using Round = std::int32_t (*)(
        const In* in, In* out, std::int64_t count, const Format& format, bool stream);
    template <class Format>
    using Encode = std::int32_t (*)(const float* in,
                                    std::uint16_t* out,
                                    std::int64_t count,
                                    const Format& format);

    Round<float, MiniFloat> roundMini;
    Round<float, ShortFloat> roundShort;
    Round<float, IntegerRange> roundInteger;
    Round<float, Book> roundBook;
    Round<double, MiniDouble> roundMiniDouble;
    Encode<MiniFloat> encodeMini;
    Encode<ShortFloat> encodeShort;
    Encode<IntegerRange> encodeInteger;
    Encode<Book> encodeBook;

    void (*decodeMini8)(const void* codes, std::int64_t count, const MiniFloat& format, float* out);
    void (*decodeMini16)(const void* codes,
                         std::int64_t count,
                         const MiniFloat& format,
                         float* out);
    void (*decodeBf16)(const void* codes, std::int64_t count, float* out);
    void (*decodeInt8)(const void* codes, std::int64_t count, float* out);
    void (*decodeUint8)(const void* codes, std::int64_t count, float* out);
};

extern const FormatKernels kFormatKernels_baseline;
extern const FormatKernels kFormatKernels_v3;
extern const FormatKernels kFormatKernels_v4;

/// The table for cpuTarget().
[[nodiscard]] const FormatKernels& formatKernels();

}  // namespace loupe::detail
