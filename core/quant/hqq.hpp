// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/scheme/bit_mask.hpp"
#include "core/scheme/step.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

namespace loupe {

/// HQQ's problem: real zero points z that make min ||w - s·(q - z)||_0.7 with q = clamp(round(w/s +
/// z)), scales given by each group's range. Badri and Shaji 2023; spec/algorithms.md 5.4.
template <class T>
struct HqqProblem {
    Matrix<T> weights;
    const BitMask* mask = nullptr;  ///< weights that count; null: all
    int bits = 4;
    std::int64_t group = 64;
    std::int64_t iterations = 20;

    /// Weight of the residual, and p of the norm that it is judged by.
    static constexpr double kBeta = 10;
    static constexpr double kNorm = 0.7;

    [[nodiscard]] std::int64_t groupsPerRow() const { return (weights.cols() + group - 1) / group; }
    [[nodiscard]] std::size_t groupOf(std::int64_t row, std::int64_t col) const {
        return static_cast<std::size_t>(row * groupsPerRow() + col / group);
    }
    [[nodiscard]] bool counts(std::int64_t row, std::int64_t col) const {
        return mask == nullptr || mask->kept(row, col);
    }
    /// Signed codes: the papers' 0..2^b-1 less 2^(b-1), and so are zero points.
    [[nodiscard]] T lowest() const { return static_cast<T>(-(std::int64_t{1} << (bits - 1))); }
    [[nodiscard]] T code(T weight, T scale, T zero) const {
        const T low = lowest();
        const T high = -low - 1;
        const T place = std::nearbyint(weight / scale + zero);
        return place < low ? low : (place > high ? high : place);
    }
    [[nodiscard]] static T value(T code, T scale, T zero) { return scale * (code - zero); }
    /// sign(x)·max(|x| - |x|^(p-1)/beta, 0): what is left of a residual, large ones almost whole.
    [[nodiscard]] static T shrink(T x) {
        const T size = std::fabs(x);
        if (!(size > 0)) {
            return 0;
        }
        const T left = size - std::pow(size, static_cast<T>(kNorm - 1)) / static_cast<T>(kBeta);
        return left > 0 ? std::copysign(left, x) : T{0};
    }
};

/// One scale and zero point for each group, row after row.
template <class T>
struct HqqGrids {
    std::vector<T> scale;
    std::vector<T> zero;
};

/// Sees the solver at work: grids before iteration k (0, 1, ...) and the mean |w - w^| on them.
template <class T>
class HqqObserver {
public:
    virtual ~HqqObserver() = default;
    virtual void iteration(const HqqGrids<T>& grids, double meanError) = 0;

protected:
    HqqObserver() = default;
    HqqObserver(const HqqObserver&) = default;
    HqqObserver& operator=(const HqqObserver&) = default;
};

/// Scales and zero points. Stops where the mean error over the whole tensor does not fall; the zero
/// points are then those that were worked out last, as in the reference.
/// @cost iterations passes over the weights on all threads, one pow() a weight; memory O(groups)
template <class T>
[[nodiscard]] HqqGrids<T> solveHqq(const HqqProblem<T>& problem,
                                   HqqObserver<T>* observer,
                                   const JobContext& ctx);

/// The problem that a step's input and parameters pose. @errors Invalid: NaN or infinite weights
template <class T>
[[nodiscard]] Result<HqqProblem<T>> hqqProblem(const StepInput& input,
                                               const Params& params,
                                               const JobContext& ctx);
/// The weights on these grids.
template <class T>
[[nodiscard]] StepOutput hqqOutput(const StepInput& input,
                                   const HqqProblem<T>& problem,
                                   const HqqGrids<T>& grids,
                                   const JobContext& ctx);
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceHqq(const StepInput& input,
                                                            const Params& params,
                                                            const JobContext& ctx);

}  // namespace loupe
