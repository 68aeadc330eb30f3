// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/prune/selection.hpp"
#include "core/quant/hessian.hpp"
#include "core/quant/uniform.hpp"
#include "core/scheme/bit_mask.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe {

/// One zero-point grid per row, laid over the dense weights once: joint quantization.
struct RowGrids {
    UniformSpec spec;
    bool isDouble = false;            ///< the weights are FP64: scale·(code - zero) in double
    std::vector<double> scales;       ///< [rows]
    std::vector<std::int64_t> zeros;  ///< [rows]

    [[nodiscard]] std::int64_t codeOf(std::int64_t row, double weight) const {
        const auto i = static_cast<std::size_t>(row);
        return loupe::codeOf<double>(spec, scales[i], zeros[i], weight);
    }
    /// As the dequantized tensor holds it: one product in the weights' precision.
    [[nodiscard]] double valueOf(std::int64_t row, std::int64_t code) const {
        const auto i = static_cast<std::size_t>(row);
        const auto steps = static_cast<double>(code - zeros[i]);
        return isDouble
                   ? scales[i] * steps
                   : static_cast<double>(static_cast<float>(scales[i]) * static_cast<float>(steps));
    }
};

/// The sweep's view of itself: what a recorder may look at.
template <class T>
struct SparseGptState {
    const Matrix<T>& weights;           ///< finished columns hold their final values
    const Matrix<T>& factor;            ///< U
    const BitMask& mask;                ///< chosen so far; not yet chosen: kept
    const std::vector<double>& losses;  ///< so far, by row
};

/// Told of each part of the sweep. With a recorder the sweep runs column by column on one thread;
/// the result comes from the same operations as without. What a finished block does to the columns
/// right of it is worked out for the recorder alone, and replaced where their own block begins.
template <class T>
class SparseGptRecorder {
public:
    SparseGptRecorder() = default;
    SparseGptRecorder(const SparseGptRecorder&) = delete;
    SparseGptRecorder& operator=(const SparseGptRecorder&) = delete;
    virtual ~SparseGptRecorder() = default;
    /// The mask of columns [first, end) is chosen, from the weights as they stand.
    virtual void maskChosen(std::int64_t first, std::int64_t end, const SparseGptState<T>& s) = 0;
    /// Column `col` is final; `errors` [rows] are e = (w - q) / U_jj; the columns up to the block's
    /// end have had their share.
    virtual void columnDone(std::int64_t col,
                            const std::vector<T>& errors,
                            const SparseGptState<T>& s) = 0;
    /// The columns right of the block [first, end) have had theirs.
    virtual void blockDone(std::int64_t first, std::int64_t end, const SparseGptState<T>& s) = 0;
};

struct SparseGptSpec {
    Selection selection;       ///< `sparsity` of each block of columns, over all rows; or N:M
    std::int64_t block = 128;  ///< columns that compete, and whose errors reach the rest at once
    std::shared_ptr<const BitMask> earlier;  ///< stays pruned, counts as pruned; may be null
    const RowGrids* grids = nullptr;         ///< joint quantization of what is kept; null: none
};

struct SparseGptResult {
    std::shared_ptr<const BitMask> mask;
    std::vector<std::int8_t> codes;  ///< [rows, cols] with grids; pruned: the zero point
    std::vector<float> rounded;      ///< what was rounded at each weight, with grids
    double loss = 0;                 ///< sum of e²/2 = 1/2 tr(D·H·D'), H damped
};

/// The score of a weight with U_jj: w²/U_jj², twice the loss of pruning it now with the columns to
/// its right free to make up for it. U_jj² is the diagonal of the inverse of the remaining Hessian.
template <class T>
[[nodiscard]] inline double sparseGptScore(T weight, T diagonal) {
    const double ratio = static_cast<double>(weight) / static_cast<double>(diagonal);
    return ratio * ratio;
}

/// SparseGPT's sweep (spec/algorithms.md 6.3): `weights` [rows, n] become the result, `factor` is
/// that of H in the natural order of the columns; its root is enough without a recorder.
/// Bit-identical for any number of threads.
/// @cost rows·n² flops, on all threads; memory for one more copy of the weights, with a pattern for
///       256 rows of each thread
template <class T>
[[nodiscard]] SparseGptResult solveSparseGpt(Matrix<T>& weights,
                                             const HessianFactor<T>& factor,
                                             const SparseGptSpec& spec,
                                             SparseGptRecorder<T>* recorder,
                                             const JobContext& ctx);

}  // namespace loupe
