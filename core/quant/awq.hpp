// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/scaled_rows.hpp"
#include "core/quant/uniform.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace loupe {

/// What the search over exponents found: s = mean|X|^ratio, normalised by sqrt(max·min).
struct AwqSearch {
    std::vector<double> meanMagnitude;        ///< [in], over the calibration tokens
    std::vector<double> ratios;               ///< k / grid, k = 0 .. grid-1
    std::vector<std::vector<double>> scales;  ///< s [in] of each ratio, in the weights' precision
    std::vector<double> losses;               ///< mean squared output error of each ratio
    std::size_t best = 0;                     ///< the first of the smallest losses
};

/// How much of the search is worked out. The choice is the same, and so is its loss.
enum class AwqCurve : std::uint8_t {
    Whole,  ///< the loss of every ratio
    Least,  ///< ratios may be given up once they are above the least: their loss is infinity then
};

/// How far each group was clipped: the bound is (1 - shrink/20) of the group's largest |w·s|.
struct AwqClip {
    std::vector<std::uint8_t> shrinks;                 ///< 0..9, one per (row, group)
    std::vector<std::pair<double, double>> intervals;  ///< of w·s, one per (row, group)
};

/// Everything that AWQ decided, and the weights that come of it.
struct AwqResult {
    AwqSearch search;
    AwqClip clip;  ///< empty without clip search
    ChannelScale scale;
    std::shared_ptr<const UniformMatrix> inner;  ///< W·s on its grids
};

inline constexpr int kAwqShrinks = 10;     ///< candidates of the clip search
inline constexpr int kAwqShrinkGrid = 20;  ///< of which each takes off 1/20
inline constexpr double kAwqLeastScale = 1e-4;

/// Runs the scale search and the clip search.
/// @cost   at most `grid` products of tokens·out·in (or of in/2·out·in, by X'X), with Least some
///         half to two thirds of them; then one more where it clips; memory for the calibration
///         tokens or a Gram matrix [in, in], and `in·group` for clipping
/// @errors Invalid: NaN or infinite weights or activations naming row and column
[[nodiscard]] Result<AwqResult> searchAwq(const StepInput& input,
                                          const UniformSpec& spec,
                                          std::int64_t gridPoints,
                                          bool clip,
                                          AwqCurve curve,
                                          const JobContext& ctx);

/// The grid of the weights: asymmetric, zero forced into the range, one per group.
[[nodiscard]] UniformSpec awqSpec(const Params& params);

/// awq told state by state: the search curve, s, the clipped groups. @errors as searchAwq
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceAwq(const StepInput& input,
                                                            const Params& params,
                                                            const JobContext& ctx);

}  // namespace loupe
