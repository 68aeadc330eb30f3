// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// Rows that one strip of SparseGPT's sweep holds, one beside the other in the lanes of vectors.
inline constexpr std::int64_t kPruneRows = 32;

/// A block of columns of kPruneRows rows: everything [width][kPruneRows]. Columns [first, last) are
/// made final one after the other, and each pushes its error on those of the block behind it.
template <class T>
struct PruneStrip {
    T* weights = nullptr;  ///< in: before column `first`; out: with the errors pushed to them
    T* values = nullptr;   ///< out: the weight or 0; in, where they are `given`
    T* errors = nullptr;   ///< out: e = (weight - value) / U_ii
    const std::uint8_t* kept = nullptr;  ///< 0: the weight goes
    bool given = false;                  ///< values are there already; `kept` is not read
    const T* factor = nullptr;           ///< the block's corner of U, which is upper triangular
    std::int64_t factorStride = 0;
    std::int64_t width = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    double* losses = nullptr;  ///< [kPruneRows], += e²
};

/// prune_kernels.inc, one function per instruction set. Same bits from all of them: no operation is
/// contracted or reordered.
struct PruneKernels {
    void (*sweepF32)(const PruneStrip<float>& strip);
    void (*sweepF64)(const PruneStrip<double>& strip);
    /// out [kPruneRows] = (weight / diagonal)² in double; 0 for NaN.
    void (*scoresF32)(const float* weights, float diagonal, double* out);
    void (*scoresF64)(const double* weights, double diagonal, double* out);
    /// Which of `count` weights of each row stay: the `keep` largest scores, ties lower index
    /// first. scores and kept [count][kPruneRows]; scores are not NaN.
    void (*keepLargest)(const double* scores,
                        std::int64_t count,
                        std::int64_t keep,
                        std::uint8_t* kept);
    /// 2 of every 4 neighbours of a row: a bit for each of `cols` scores (a multiple of 4) in whole
    /// words. NaN counts as 0; ties keep the lower index.
    void (*keepTwoOfFour)(const double* scores, std::int64_t cols, std::uint64_t* words);
    /// line [size] -= factors[k·stride]·columns[k·stride + i] for one k < count after the other.
    void (*subtractAll)(const double* factors,
                        const double* columns,
                        std::int64_t stride,
                        std::int64_t count,
                        double* line,
                        std::int64_t size);
    /// out = |weight|·factor
    void (*weigh)(const double* weights, const double* factors, std::int64_t count, double* out);
};

/// The table for cpuTarget().
[[nodiscard]] const PruneKernels& pruneKernels();

}  // namespace loupe
