// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// Rows that one strip of the sweep holds, one beside the other in the lanes of vectors.
inline constexpr std::int64_t kSweepRows = 32;

/// A block of columns of kSweepRows rows: everything [width][kSweepRows]. Columns [first, last) are
/// rounded one after the other, and each pushes its error on the columns of the block behind it.
template <class T>
struct SweepStrip {
    T* weights = nullptr;  ///< in: before column `first`; out: what each column was when its turn
                           ///< came, and later columns with the errors pushed to them
    T* values = nullptr;   ///< out: scale·(code - zero point)
    T* errors = nullptr;   ///< out: e = (weight - value) / U_ii
    std::int8_t* codes = nullptr;        ///< out
    const std::uint8_t* kept = nullptr;  ///< 0: the weight stays zero; null: all are kept
    const T* factor = nullptr;           ///< the block's corner of U, which is upper triangular
    std::int64_t factorStride = 0;
    std::int64_t width = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    const T* const* scales = nullptr;      ///< by column: kSweepRows scales
    const T* const* zeroPoints = nullptr;  ///< by column
    T codeLow = 0;
    T codeHigh = 0;
    bool floatValues = false;  ///< values are rounded to FP32, as they will be stored
    double* losses = nullptr;  ///< [kSweepRows], += e²
};

/// sweep_kernels.inc, one function per instruction set. Same bits from all of them: no operation is
/// contracted or reordered.
struct SweepKernels {
    void (*sweepF32)(const SweepStrip<float>& strip);
    void (*sweepF64)(const SweepStrip<double>& strip);
};

/// The table for cpuTarget().
[[nodiscard]] const SweepKernels& sweepKernels();

}  // namespace loupe
