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
/// @cost   grid products of tokens·out·in (at most in·out·in), then one more where it clips; memory
///         for the calibration tokens or a Gram matrix [in, in], and `in·group` for clipping
/// @errors Invalid: NaN or infinite weights or activations naming row and column
[[nodiscard]] Result<AwqResult> searchAwq(const StepInput& input,
                                          const UniformSpec& spec,
                                          std::int64_t gridPoints,
                                          bool clip,
                                          const JobContext& ctx);

/// The grid of the weights: asymmetric, zero forced into the range, one per group.
[[nodiscard]] UniformSpec awqSpec(const Params& params);

/// awq told state by state: the search curve, s, the clipped groups. @errors as searchAwq
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceAwq(const StepInput& input,
                                                            const Params& params,
                                                            const JobContext& ctx);

}  // namespace loupe
