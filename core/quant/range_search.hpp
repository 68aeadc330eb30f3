// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace loupe {

/// Extent of finite values; sets `badIndex` to the index of the first NaN or infinity, or -1.
template <class T>
[[nodiscard]] GroupExtent<T> extentOf(std::span<const T> values, std::int64_t& badIndex);

/// The interval that the grid covers when |x| is bounded by `bound`: {-bound, bound}, or the extent
/// cut to it.
template <class T>
[[nodiscard]] std::pair<T, T> intervalFor(const UniformSpec& spec,
                                          const GroupExtent<T>& extent,
                                          T bound);

/// The interval of ClipRule::Value, extended to 0 where the scheme forces it.
template <class T>
[[nodiscard]] std::pair<T, T> fixedInterval(const UniformSpec& spec);

/// A rule that found 0 for a group with weights other than 0 (a sparse group's percentile) leaves
/// no grid: absmax then.
template <class T>
[[nodiscard]] inline T usableBound(T bound, T absmax) {
    return bound > 0 ? bound : absmax;
}

/// Sum of squared errors of the group on the grid of each bound, added to sums[]. Called with up to
/// 256 bounds; where there is more than one, and only the least sum is wanted, larger ones may come
/// out as infinity.
template <class T>
using ErrorEvaluator =
    std::function<Result<void>(std::span<const T> bounds, std::span<double> sums)>;

/// a = argmin of sum (x - x^)^2 over a_max·k/256, k = 1..256 (ties: the widest), then 8 steps of
/// golden section around it. Never worse than a_max, which is k = 256.
template <class T>
[[nodiscard]] Result<T> searchMse(T absmax,
                                  const ErrorEvaluator<T>& evaluate,
                                  std::vector<std::pair<double, double>>* tried = nullptr);

/// Adds the squared errors of `values` on each grid to sums[]; the sum over `values` in double,
/// four lanes.
template <class T>
void squaredErrors(const UniformSpec& spec,
                   std::span<const T> values,
                   std::span<const UniformGrid<T>> grids,
                   std::span<double> sums);

/// The grid that gridFor() lays for each bound.
template <class T>
[[nodiscard]] std::vector<UniformGrid<T>> gridsFor(const UniformSpec& spec,
                                                   const GroupExtent<T>& extent,
                                                   std::span<const T> bounds);

inline constexpr std::int64_t kEntropyBins = 2048;
/// Adds |values| to a histogram over [0, absmax], numpy.histogram's rule.
template <class T>
void addMagnitudes(std::span<const T> values, T absmax, std::span<std::uint64_t> counts);
/// Bin edge whose clipped histogram P is nearest to its quantized version Q in KL divergence; last
/// argmin. Algorithm: "entropy" of the contract, after the TensorRT calibrator. @return index into
/// the edges, 128..2048
[[nodiscard]] std::int64_t searchEntropy(std::span<const std::uint64_t> counts,
                                         int bits,
                                         const JobContext& ctx);

/// Linear interpolation as numpy.percentile rounds it: from the nearer end.
[[nodiscard]] inline double interpolate(double low, double high, double fraction) {
    return fraction < 0.5 ? low + (high - low) * fraction : high - (high - low) * (1 - fraction);
}

/// The quantile p (percent) of |values| with linear interpolation; reorders `values`.
template <class T>
[[nodiscard]] T percentileOfMagnitudes(std::span<T> values, double percent);

/// The interval of one group whose finite values are at hand; `scratch` is overwritten.
template <class T>
[[nodiscard]] std::pair<T, T> groupInterval(const UniformSpec& spec,
                                            std::span<const T> values,
                                            const GroupExtent<T>& extent,
                                            std::vector<T>& scratch,
                                            const JobContext& ctx);

}  // namespace loupe
