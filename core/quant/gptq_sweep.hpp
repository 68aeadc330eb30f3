// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/quant/hessian.hpp"
#include "core/quant/uniform.hpp"
#include "core/scheme/bit_mask.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace loupe {

/// How GPTQ lays its grids and walks over the columns.
struct SweepSpec {
    UniformSpec grid;        ///< bits; asymmetric with 0 forced into the range, or `full` symmetric
    std::int64_t group = 0;  ///< columns that share a scale within a row; 0: the whole row
    bool staticGroups = false;  ///< scales from the weights before the sweep, in natural order
    std::int64_t block = 128;  ///< columns after which errors are pushed to the rest in one product
};

/// What the sweep did to one column, for those who watch: by row.
template <class T>
struct SweepColumn {
    std::int64_t place = 0;     ///< in the order of the sweep
    std::int64_t column = 0;    ///< of the matrix
    std::span<const T> before;  ///< what was rounded: the weight with the errors pushed to it
    std::span<const T> values;
    std::span<const T> errors;  ///< e = (before - value) / U_ii
    std::span<const std::int8_t> codes;
    std::span<const T> scales;
    std::span<const T> zeroPoints;
    /// [out, in] by place, after this column: finished columns hold their values, the others the
    /// errors pushed to them so far, also those that a block's product will push at its end.
    const Matrix<T>& weights;
    double loss = 0;  ///< ½·Σ e² of this column
    double lossSoFar = 0;
};

/// Watches a sweep, which then goes column by column instead of strip by strip: slower, the same
/// arithmetic, the same bits.
template <class T>
class SweepObserver {
public:
    virtual ~SweepObserver() = default;
    SweepObserver(const SweepObserver&) = delete;
    SweepObserver& operator=(const SweepObserver&) = delete;
    /// The weights as the sweep begins, by place: pruned and dead ones are zero.
    virtual void begin(const Matrix<T>& weights, const HessianFactor<T>& factor) = 0;
    virtual void column(const SweepColumn<T>& column) = 0;

protected:
    SweepObserver() = default;
};

/// All in the natural order of columns.
struct GptqSweepResult {
    std::vector<std::int8_t> codes;  ///< [out, in]
    std::vector<float> rounded;      ///< [out, in]: what was rounded to each code
    ScaleGrid scales;
    ScaleGrid zeroPoints;  ///< no values where the grid is symmetric
    double loss = 0;       ///< Σ ½·e² = ½·tr((W-Q)·H·(W-Q)'), H damped
};

/// Rounds the columns of W in the factor's order, pushing each one's error on those that follow
/// (spec/algorithms.md 5.1). T is what it computes in; codes and scales are those of the weights'
/// own precision. Scales of groups that begin inside a block come from the weights as they were
/// when the block began (the reference's choice: errors of the block's own columns are not in them
/// yet), so that with `group` a multiple of `block` nothing is stale.
/// @param mask  weights to hold at zero; null: none
/// @cost   out·in² flops; memory for one more copy of W in T, its codes and `rounded`
/// @errors Invalid: NaN or infinite weights naming row and column; those of the source
template <class T>
[[nodiscard]] Result<GptqSweepResult> gptqSweep(const RowSource& weights,
                                                const BitMask* mask,
                                                const HessianFactor<T>& factor,
                                                const SweepSpec& spec,
                                                SweepObserver<T>* observer,
                                                const JobContext& ctx);

}  // namespace loupe
