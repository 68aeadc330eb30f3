// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

struct KernelErrorSums {
    double squaredError, absError, maxAbsError, squaredReference, squaredApproximation, product;
};

/// Where ranges of a tile are gathered: one entry per column and per row of the tile. All of them are added to.
struct RangeTargets {
    float* colMin;
    float* colMax;
    float* colSquares;
    float* rowMin;
    float* rowMax;
    double* rowSquares;
};

/// A tile of a stored matrix: little-endian elements, no alignment assumed.
struct KernelTile {
    const unsigned char* data;
    std::int64_t rows, cols;
    std::int64_t stride;  ///< elements from row to row
};

/// Sums of (x - pivot)^k·scale^k, k = 1..4.
struct KernelMoments {
    double sums[4];
    std::uint64_t zeros;
};

/// Hot loops of computeStats and errorSums; stats_kernels.inc, one table per instruction set.
///
/// Ranges take any input: where a row's sum of squares comes out as NaN or infinity, something in the tile was not finite
/// (or its square overflowed), and the tile must be done again by other means. Moments and error sums take finite data.
struct StatsKernels {
    void (*rangesF32)(const KernelTile&, const RangeTargets&);
    void (*rangesBf16)(const KernelTile&, const RangeTargets&);
    void (*rangesF16)(const KernelTile&, const RangeTargets&);  ///< null where the target has no conversion
    /// Ranges and counts of bit patterns in one go; counts in two tables of 65,536 whose sum is meant.
    void (*rangesCountsBf16)(const KernelTile&, const RangeTargets&, std::uint32_t* even, std::uint32_t* odd);
    /// Counts of 16-bit patterns, and of the upper halves of 32-bit ones.
    void (*count16)(const unsigned char* data, std::int64_t count, std::uint32_t* even, std::uint32_t* odd);
    void (*countUpper32)(const unsigned char* data, std::int64_t count, std::uint32_t* even, std::uint32_t* odd);
    void (*momentsF32)(const unsigned char* data, std::int64_t count, double pivot, KernelMoments* moments);
    void (*momentsF64)(const unsigned char* data, std::int64_t count, double pivot, double scale, KernelMoments* moments);
    void (*errorSumsF32)(const float* reference, const float* approximation, std::int64_t count, KernelErrorSums* sums);
    void (*errorSumsF64)(const double* reference, const double* approximation, std::int64_t count, KernelErrorSums* sums);
};

/// The table for cpuTarget().
[[nodiscard]] const StatsKernels& statsKernels();

}  // namespace loupe
