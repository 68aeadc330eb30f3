// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// One integer grid as the kernels take it. Levels are codes minus the zero point.
struct KernelGrid {
    float scale;
    float inverse;  ///< 1/scale
    float limit;  ///< an unclipped error above this: divide, the product may round otherwise than
                  ///< the quotient
    float levelLimit;         ///< the same limit in units of the scale, for clamped products
    float low, high;          ///< smallest and largest level
    float codeOffset;         ///< level to code - codeMin, which is never negative
    float clipLow, clipHigh;  ///< weights outside are counted as clipped
};

/// One row of a stored matrix; every `group` weights share a grid, the last group may be shorter.
/// No alignment assumed.
struct KernelRow {
    const unsigned char* data;
    std::int64_t count;
    std::int64_t group;
    const KernelGrid* grids;
    bool clamps;  ///< false: no quotient can round to a level outside of [low, high], and nothing
                  ///< is clipped
};

/// What a pass adds to. Where colSquared is given: zeros, clipped and codes (one per weight) too, as
/// bytes if `smallCodes` is given, which needs a grid of at most 256 codes.
struct KernelTotals {
    double squaredError, absError, maxAbsError, squaredReference, squaredApproximation;
    std::uint64_t zeros, clipped;
    float* colSquared;
    std::uint16_t* codes;  ///< minus the smallest code
    std::uint8_t* smallCodes;
};

inline constexpr std::int64_t kCodeTables = 8;  ///< increments of one code do not wait for each other
inline constexpr std::int64_t kExtremes = 16;

/// Hot loops of absmax and zeropoint; uniform_kernels.inc, one table per instruction set. Codes and
/// values are bit for bit those of codeOf(): clamp(round(w / scale)), ties to even, by division.
/// Input of `quantize` is finite.
struct UniformKernels {
    /// Largest |x| of each group as its bit pattern: 0x7f800000 and above, if there is a NaN or
    /// infinity.
    void (*magnitudesF32)(const unsigned char* data,
                          std::int64_t count,
                          std::int64_t group,
                          std::uint32_t* bits);
    void (*magnitudesBf16)(const unsigned char* data,
                           std::int64_t count,
                           std::int64_t group,
                           std::uint32_t* bits);
    /// The same, with the smallest and largest value.
    void (*extentsF32)(const unsigned char* data,
                       std::int64_t count,
                       std::int64_t group,
                       float* low,
                       float* high,
                       std::uint32_t* bits);
    void (*extentsBf16)(const unsigned char* data,
                        std::int64_t count,
                        std::int64_t group,
                        float* low,
                        float* high,
                        std::uint32_t* bits);
    void (*quantizeF32)(const KernelRow& row, KernelTotals* totals);
    void (*quantizeBf16)(const KernelRow& row, KernelTotals* totals);
    /// Adds how often each code occurs; counts[] holds kCodeTables tables of `codeCount`, whose sum
    /// counts.
    void (*countCodes)(const std::uint8_t* codes,
                       std::int64_t count,
                       std::int64_t codeCount,
                       std::uint32_t* counts);
    /// Sum of (x - x^)^2 on one grid, squares summed in double: what range searches minimise. Stops
    /// early, with infinity, where the sum is certain to exceed `limit`.
    double (*squaredError)(const float* data,
                           std::int64_t count,
                           const KernelGrid& grid,
                           double limit);
    /// values[] = values[] / scale, cut to [-most, most].
    void (*divideClamped)(float* values, std::int64_t count, float scale, float most);
    /// Adds (x - y)^2 in double to each column's sum. @return how many y are +-0
    std::int64_t (*columnErrors)(const float* x,
                                 const float* y,
                                 std::int64_t count,
                                 double* colSquared);
    /// kExtremes different values, large ones: of every kExtremes-th value the largest in magnitude.
    /// @param count at least kExtremes
    void (*extremes)(const float* data, std::int64_t count, float* out);
};

/// The table for cpuTarget().
[[nodiscard]] const UniformKernels& uniformKernels();

}  // namespace loupe
