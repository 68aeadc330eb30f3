// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/formats/codec.hpp"
#include "core/quant/measurement.hpp"
#include "core/quant/uniform_kernels.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// Which weights share a scale.
enum class ScalePer : std::uint8_t { Tensor, Row, Column, Group };
/// How the integer grid is laid over the bound (contract 4, Bound and scale).
enum class GridRange : std::uint8_t { Restricted, Full, Power };
/// How the bound is found.
enum class ClipRule : std::uint8_t { None, Value, Percentile, Mse, Entropy };

/// Everything that decides the integer grid of one scale group.
struct UniformSpec {
    int bits = 8;
    bool asymmetric = false;  ///< zero-point quantization; false: absmax
    bool forceZero = true;    ///< asymmetric: the range is extended to contain 0
    GridRange range = GridRange::Restricted;
    ScalePer per = ScalePer::Tensor;
    std::int64_t group = 128;
    ClipRule clip = ClipRule::None;
    double clipLow = 0;  ///< ClipRule::Value
    double clipHigh = 0;
    double percentile = 99.9;
    bool stochastic = false;
    std::uint64_t seed = 0;

    [[nodiscard]] std::int64_t codeMin() const {
        const std::int64_t half = std::int64_t{1} << (bits - 1);
        return range == GridRange::Restricted ? 1 - half : -half;
    }
    [[nodiscard]] std::int64_t codeMax() const { return (std::int64_t{1} << (bits - 1)) - 1; }
};

/// What the range rules need to know of a group before they look at its values again.
template <class T>
struct GroupExtent {
    T min = 0;
    T max = 0;
    [[nodiscard]] T absmax() const { return std::max(std::fabs(min), std::fabs(max)); }
    void add(const GroupExtent& other) {
        min = std::min(min, other.min);
        max = std::max(max, other.max);
    }
};

/// The grid of one scale group: x^ = scale·(code - zeroPoint); weights outside [low, high] are
/// clipped.
template <class T>
struct UniformGrid {
    T scale = 1;
    std::int64_t zeroPoint = 0;
    T low = -std::numeric_limits<T>::infinity();
    T high = std::numeric_limits<T>::infinity();
    T boundLow = 0;  ///< the interval that the grid was laid over
    T boundHigh = 0;
};

/// The scale and zero point over the interval [low, high] of weights; low = -high for symmetric
/// grids. One rounding to T from the exact quotient (double for float). An interval {0, 0} gives
/// scale 1. A scale that would round to zero becomes the smallest subnormal, on which such weights
/// lie exactly.
template <class T>
[[nodiscard]] UniformGrid<T> gridFor(const UniformSpec& spec, T low, T high);

/// code = clamp(round(w / scale) + zeroPoint), ties to even, by division in T.
template <class T>
[[nodiscard]] inline std::int64_t codeOf(const UniformSpec& spec,
                                         T scale,
                                         std::int64_t zeroPoint,
                                         T weight) {
    const T low = static_cast<T>(spec.codeMin() - zeroPoint);
    const T high = static_cast<T>(spec.codeMax() - zeroPoint);
    const T quotient = weight / scale;
    const T clamped = quotient < low ? low : (quotient > high ? high : quotient);
    return static_cast<std::int64_t>(std::nearbyint(clamped)) + zeroPoint;
}

/// The same grid for the kernels.
[[nodiscard]] KernelGrid kernelGrid(
    const UniformSpec& spec, float scale, std::int64_t zeroPoint, float clipLow, float clipHigh);

/// Sets what depends on the scale in a grid whose low and high are set.
inline void setScale(KernelGrid& grid, float scale) {
    const float most = std::max(std::fabs(grid.low), std::fabs(grid.high)) + 1;
    const bool ordinary = scale > 0x1p-100F && scale < 0x1p100F && most <= 4096;
    grid.scale = scale;
    grid.inverse = ordinary ? 1 / scale : 1;
    grid.levelLimit = ordinary ? 0.5F - most * 0x1p-21F : -1;
    grid.limit = ordinary ? scale * grid.levelLimit : -1;
}

/// A matrix on integer grids: keeps its source and one grid per scale group, and recomputes rows on
/// demand.
class UniformMatrix final : public QuantizedMatrix, public SelfMeasured {
public:
    /// @param keepGrids false: no room for scales; only errorSumsOnly() may be called
    UniformMatrix(std::shared_ptr<const RowSource> source,
                  const UniformSpec& spec,
                  bool keepGrids = true);

    /// Finds every group's bound and scale. Must have succeeded before the matrix is used.
    /// @errors Invalid: NaN or infinity (row and column), too few values for entropy
    [[nodiscard]] Result<void> calibrate(const RowSource& calibration,
                                         const JobContext& ctx,
                                         bool measure = false);
    /// With `measure`, errors are measured too, in the same pass where the ranges need no search.
    [[nodiscard]] Result<void> calibrate(const JobContext& ctx, bool measure) {
        return calibrate(*source_, ctx, measure);
    }

    /// Lays the grids over intervals that were found elsewhere, one per scale, in place of
    /// calibrate(). The spec's clip rule must not be None if they are narrower than the weights.
    void layGrids(std::span<const std::pair<double, double>> intervals);

    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }

    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return {spec_.codeMin(), spec_.codeMax()};
    }
    [[nodiscard]] int codeBits() const override { return spec_.bits; }
    [[nodiscard]] const ScaleGrid* scales() const override { return &scales_; }
    [[nodiscard]] const ScaleGrid* zeroPoints() const override {
        return spec_.asymmetric ? &zeroPoints_ : nullptr;
    }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::optional<std::pair<double, double>> clipInterval(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

    [[nodiscard]] const Measurement* measurement(const RowSource& reference) const override;

    /// The one-pass path of uniformErrorSums().
    [[nodiscard]] Result<ErrorSums> errorSumsOnly(const JobContext& ctx);

    [[nodiscard]] const UniformSpec& spec() const { return spec_; }
    [[nodiscard]] const RowSource& source() const { return *source_; }
    /// Upper end of the interval that grid `index` was laid over.
    [[nodiscard]] double bound(std::size_t index) const { return bounds_[index].second; }
    [[nodiscard]] std::pair<double, double> boundAt(std::size_t index) const {
        return bounds_[index];
    }
    /// Codes, 16 per scale and `bits` per zero point, over the number of weights.
    [[nodiscard]] double scaleBitsPerWeight() const;

private:
    friend class UniformPass;
    [[nodiscard]] std::size_t gridIndex(std::int64_t row, std::int64_t col) const;
    /// Rows [first, first + count) worked out: `values` and `codes` may be null.
    template <class T>
    [[nodiscard]] Result<void> quantizeRows(std::int64_t first,
                                            std::int64_t count,
                                            T* values,
                                            std::int32_t* codes) const;
    template <class T>
    [[nodiscard]] Result<void> calibrateAs(const RowSource& calibration, const JobContext& ctx);
    template <class T>
    [[nodiscard]] Result<void> calibrateByRows(const JobContext& ctx);
    template <class T>
    [[nodiscard]] Result<void> calibrateTensor(const RowSource& calibration, const JobContext& ctx);
    template <class T>
    [[nodiscard]] Result<void> calibrateColumns(const JobContext& ctx);
    template <class T>
    [[nodiscard]] Result<void> columnExtremes(const JobContext& ctx);
    using Extent = std::pair<float, float>;  ///< smallest and largest value
    /// One pass of float weights through the kernels: finds the scales of rows or groups, measures,
    /// or both.
    enum class Measure : std::uint8_t { Nothing, Sums, Everything };
    [[nodiscard]] Result<void> passThroughKernels(bool findRanges,
                                                  Measure measure,
                                                  const JobContext& ctx);
    template <class T>
    [[nodiscard]] Result<GroupExtent<T>> extentAs(const RowSource& source,
                                                  const JobContext& ctx) const;
    [[nodiscard]] Result<Extent> extentThroughKernels(const RowSource& source,
                                                      const JobContext& ctx) const;
    [[nodiscard]] KernelGrid kernelGridAt(std::size_t index) const;
    [[nodiscard]] bool clips() const { return !lows_.empty(); }
    template <class T>
    void store(std::size_t index, const UniformGrid<T>& grid);
    template <class T>
    [[nodiscard]] std::vector<EquationLine> explainAs(std::int64_t row, std::int64_t col) const;

    std::shared_ptr<const RowSource> source_;
    UniformSpec spec_;
    ScaleGrid scales_;
    ScaleGrid zeroPoints_;
    std::vector<double> lows_;  ///< clipping bounds, one per scale; empty where nothing clips
    std::vector<double> highs_;
    std::vector<std::pair<double, double>>
        bounds_;  ///< the interval that each grid was laid over: for worked equations
    std::unique_ptr<Measurement> measurement_;
};

/// The weights of `source` on integer grids. @errors as UniformMatrix::calibrate
[[nodiscard]] Result<std::shared_ptr<const UniformMatrix>> makeUniform(
    std::shared_ptr<const RowSource> source,
    const UniformSpec& spec,
    const JobContext& ctx,
    bool measure);

/// Error sums alone, without profiles and code usage: scans of whole checkpoints. Nearest rounding,
/// float weights, a scale per row or group, clip none or value. @cost one pass; bound by memory
/// bandwidth
[[nodiscard]] Result<ErrorSums> uniformErrorSums(const std::shared_ptr<const RowSource>& source,
                                                 const UniformSpec& spec,
                                                 const JobContext& ctx);

/// The rule that `clip` and `act_range` name; "none", "dynamic" and "max": the extremes.
[[nodiscard]] ClipRule clipRuleOf(std::string_view text);

/// Activations on integer grids whose scale comes from the first `calibrationRows` rows (per
/// tensor, 0: all) or from each row.
[[nodiscard]] Result<std::shared_ptr<const UniformMatrix>> makeUniformActivations(
    std::shared_ptr<const RowSource> source,
    const UniformSpec& spec,
    std::int64_t calibrationRows,
    const JobContext& ctx);

/// Shared by absmax and zeropoint: weights, and activations where `act_bits` is given.
[[nodiscard]] Result<StepOutput> applyUniform(const StepInput& input,
                                              const Params& params,
                                              bool asymmetric,
                                              const JobContext& ctx);
/// absmax and zeropoint told state by state: bound of each group, division, rounding, clamping,
/// dequantization. @errors Unsupported: stochastic rounding
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceUniform(const StepInput& input,
                                                                const Params& params,
                                                                bool asymmetric,
                                                                const JobContext& ctx);
[[nodiscard]] std::string uniformTitle(std::string_view name, const Params& params);

}  // namespace loupe
