// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// Extremes of cells seen by a kernel. `topBits`: the largest |x| as bits; 0x7f800000 or more means that a NaN or an
/// infinity was among them, and then nothing else of the result counts.
struct PoolRange {
    float min;
    float max;
    std::int32_t topBits;
};

struct ColorizeParameters {
    const std::uint32_t* table;  ///< `entries` colours, then: below, above, NaN, infinite, outside
    std::int32_t entries;
    float low, high;
    float offset, factor;  ///< entry = floor((x - offset)·factor), x = log2|x| if logarithmic
    bool magnitude, logarithmic;
};

/// Hot loops of pyramid, viewport and colours; picture_kernels.inc, one table per instruction set.
struct PictureKernels {
    /// Pools two rows of `cols` cells to (cols + 1) / 2 texels: signed value of largest |x|, and mean with row weights
    /// wa + wb = 1. An odd last column is pooled with itself.
    PoolRange (*poolCells)(const float* a, const float* b, std::int64_t cols, float wb, float* absMax, float* mean);
    /// The same for rows of texels, which have apart values for absMax and mean.
    void (*poolTexels)(const float* absA, const float* absB, const float* meanA, const float* meanB, std::int64_t cols,
                       float wb, float* absMax, float* mean);
    /// into[i] = the larger in magnitude of into[i] and row[i] (ties: into).
    void (*combineAbsMax)(const float* row, std::int64_t count, float* into);
    /// out[p] = the larger in magnitude of row[first[p]] and row[last[p]].
    void (*pickAbsMax)(const float* row, const std::int32_t* first, const std::int32_t* last, std::int64_t count, float* out);
    void (*colorize)(const float* values, const std::uint8_t* flags, std::int64_t count, const ColorizeParameters& parameters,
                     std::uint32_t* out);
};

/// The table for cpuTarget().
[[nodiscard]] const PictureKernels& pictureKernels();

}  // namespace loupe
