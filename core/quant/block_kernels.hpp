// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// Sixteen levels by rank, and where one ends. A scaled weight's key is its bit pattern as an
/// integer that orders as the floats do (-0 below +0); its rank is the number of borders below its
/// key.
struct BlockLevels {
    std::int32_t borders[15];  ///< ascending
    std::int32_t codes[16];    ///< of each rank
    float values[16];          ///< of each rank
    float byCode[16];
};

/// Hot loops of nf4 and fp4; block_kernels.inc, one table per instruction set. No alignment
/// assumed.
struct BlockKernels {
    /// out[] = scale · level nearest to data[] / absmax: one division, one product, each rounded
    /// once. Blocks of `block` begin at data[0], the last may be shorter. Input is finite.
    void (*values)(const float* data,
                   std::int64_t count,
                   std::int64_t block,
                   const float* absmax,
                   const float* scales,
                   const BlockLevels& levels,
                   float* out);
    /// Codes of the same.
    void (*codes)(const float* data,
                  std::int64_t count,
                  std::int64_t block,
                  const float* absmax,
                  const BlockLevels& levels,
                  std::int32_t* out);
    /// Codes of the same, two a byte, the first in the high half; `count` and `block` are even.
    void (*pack)(const float* data,
                 std::int64_t count,
                 std::int64_t block,
                 const float* absmax,
                 const BlockLevels& levels,
                 std::uint8_t* out);
    /// out[] = scale · level of packed codes, in blocks of `block` (even) that begin at packed[0];
    /// `count` is even.
    void (*unpack)(const std::uint8_t* packed,
                   std::int64_t count,
                   std::int64_t block,
                   const float* scales,
                   const BlockLevels& levels,
                   float* out);
};

/// The table for cpuTarget().
[[nodiscard]] const BlockKernels& blockKernels();

}  // namespace loupe
