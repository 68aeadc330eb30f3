// SPDX-License-Identifier: Apache-2.0
#include "core/quant/uniform.hpp"

#include "core/base/assert.hpp"
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/range_search.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

std::int64_t ceilDivide(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

ScaleGrid emptyGrid(const UniformSpec& spec, std::int64_t rows, std::int64_t cols) {
    ScaleGrid grid;
    grid.rows = spec.per == ScalePer::Row || spec.per == ScalePer::Group ? rows : 1;
    grid.cols = spec.per == ScalePer::Column ? cols : 1;
    grid.rowsPerEntry = grid.rows == 1 ? rows : 1;
    grid.colsPerEntry = spec.per == ScalePer::Column ? 1 : cols;
    if (spec.per == ScalePer::Group) {
        grid.cols = ceilDivide(cols, spec.group);
        grid.colsPerEntry = spec.group;
    }
    grid.values.assign(static_cast<std::size_t>(grid.rows * grid.cols), 1.0);
    return grid;
}

/// One weight's code under stochastic rounding: up with the probability of its fraction. Depends on
/// seed and index alone.
template <class T>
std::int64_t stochasticCode(
    const UniformSpec& spec, T scale, std::int64_t zeroPoint, T weight, std::int64_t index) {
    const double low = static_cast<double>(spec.codeMin() - zeroPoint);
    const double high = static_cast<double>(spec.codeMax() - zeroPoint);
    const double quotient = std::clamp(static_cast<double>(weight / scale), low, high);
    const double floor = std::floor(quotient);
    const double up =
        randomUniform(spec.seed, static_cast<std::uint64_t>(index)) < quotient - floor ? 1 : 0;
    return static_cast<std::int64_t>(floor + up) + zeroPoint;
}

/// Codes and values of `count` weights that share a grid; `index` is that of the first in the
/// flattened matrix.
template <class T>
void quantizeSpan(const UniformSpec& spec,
                  T scale,
                  std::int64_t zeroPoint,
                  const T* in,
                  std::int64_t count,
                  std::int64_t index,
                  T* values,
                  std::int32_t* codes) {
    if (spec.stochastic) {
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t code = stochasticCode(spec, scale, zeroPoint, in[i], index + i);
            if (codes != nullptr) {
                codes[i] = static_cast<std::int32_t>(code);
            }
            if (values != nullptr) {
                values[i] = scale * static_cast<T>(code - zeroPoint);
            }
        }
        return;
    }
    const T magic = std::ldexp(
        T(1.5), std::numeric_limits<T>::digits - 1);  // rounds to the nearest integer, ties to even
    const T low = static_cast<T>(spec.codeMin() - zeroPoint);
    const T high = static_cast<T>(spec.codeMax() - zeroPoint);
    const auto zero = static_cast<std::int32_t>(zeroPoint);
    for (std::int64_t i = 0; i < count; ++i) {
        T level = in[i] / scale;
        level = level < low ? low : level;
        level = level > high ? high : level;
        level = (level + magic) - magic;
        if (codes != nullptr) {
            codes[i] = static_cast<std::int32_t>(level) + zero;
        }
        if (values != nullptr) {
            values[i] = scale * level;
        }
    }
}

/// One row whose columns have grids of their own: the same arithmetic as quantizeSpan, scale by
/// scale.
template <class T>
void quantizeColumns(const UniformSpec& spec,
                     const ScaleGrid& scales,
                     const ScaleGrid& zeros,
                     const T* in,
                     std::int64_t count,
                     T* values,
                     std::int32_t* codes) {
    const T magic = std::ldexp(T(1.5), std::numeric_limits<T>::digits - 1);
    const T codeLow = static_cast<T>(spec.codeMin());
    const T codeHigh = static_cast<T>(spec.codeMax());
    for (std::int64_t i = 0; i < count; ++i) {
        const T scale = static_cast<T>(scales.values[static_cast<std::size_t>(i)]);
        const T zero =
            spec.asymmetric ? static_cast<T>(zeros.values[static_cast<std::size_t>(i)]) : T(0);
        T level = in[i] / scale;
        level = level < codeLow - zero ? codeLow - zero : level;
        level = level > codeHigh - zero ? codeHigh - zero : level;
        level = (level + magic) - magic;
        if (codes != nullptr) {
            codes[i] = static_cast<std::int32_t>(level) + static_cast<std::int32_t>(zero);
        }
        if (values != nullptr) {
            values[i] = scale * level;
        }
    }
}

}  // namespace

UniformMatrix::UniformMatrix(std::shared_ptr<const RowSource> source,
                             const UniformSpec& spec,
                             bool keepGrids)
    : source_(std::move(source)), spec_(spec) {
    if (!keepGrids) {
        return;
    }
    scales_ = emptyGrid(spec, source_->rows(), source_->cols());
    if (spec_.asymmetric) {
        zeroPoints_ = scales_;
        std::fill(zeroPoints_.values.begin(), zeroPoints_.values.end(), 0.0);
    }
    bounds_.resize(scales_.values.size());
    if (spec_.clip != ClipRule::None || spec_.range == GridRange::Power) {
        lows_.assign(scales_.values.size(), -std::numeric_limits<double>::infinity());
        highs_.assign(scales_.values.size(), std::numeric_limits<double>::infinity());
    }
}

double UniformMatrix::scaleBitsPerWeight() const {
    const double weights = static_cast<double>(rows()) * static_cast<double>(cols());
    const double perScale = 16.0 + (spec_.asymmetric ? spec_.bits : 0);
    return weights == 0 ? 0 : perScale * static_cast<double>(scales_.values.size()) / weights;
}

std::size_t UniformMatrix::gridIndex(std::int64_t row, std::int64_t col) const {
    switch (spec_.per) {
        case ScalePer::Tensor:
            return 0;
        case ScalePer::Row:
            return static_cast<std::size_t>(row);
        case ScalePer::Column:
            return static_cast<std::size_t>(col);
        case ScalePer::Group:
            break;
    }
    return static_cast<std::size_t>(row * scales_.cols + col / spec_.group);
}

template <class T>
void UniformMatrix::store(std::size_t index, const UniformGrid<T>& grid) {
    scales_.values[index] = static_cast<double>(grid.scale);
    if (spec_.asymmetric) {
        zeroPoints_.values[index] = static_cast<double>(grid.zeroPoint);
    }
    bounds_[index] = {static_cast<double>(grid.boundLow), static_cast<double>(grid.boundHigh)};
    if (!lows_.empty()) {
        lows_[index] = static_cast<double>(grid.low);
        highs_[index] = static_cast<double>(grid.high);
    }
}
template void UniformMatrix::store(std::size_t, const UniformGrid<float>&);
template void UniformMatrix::store(std::size_t, const UniformGrid<double>&);

void UniformMatrix::layGrids(std::span<const std::pair<double, double>> intervals) {
    LOUPE_ASSERT(intervals.size() == scales_.values.size(), "one interval per scale");
    for (std::size_t i = 0; i < intervals.size(); ++i) {
        const auto [low, high] = intervals[i];
        if (isDouble()) {
            store(i, gridFor<double>(spec_, low, high));
        } else {
            store(i, gridFor<float>(spec_, static_cast<float>(low), static_cast<float>(high)));
        }
    }
}

template <class T>
Result<void> UniformMatrix::quantizeRows(std::int64_t first,
                                         std::int64_t count,
                                         T* values,
                                         std::int32_t* codes) const {
    std::vector<T> buffer;
    T* in = values;
    if (in == nullptr) {
        buffer.resize(static_cast<std::size_t>(count * cols()));
        in = buffer.data();
    }
    if (Result<void> done = source_->read(first, count, in); !done) {
        return done;
    }
    const std::int64_t width = cols();
    const std::int64_t step =
        spec_.per == ScalePer::Group ? spec_.group : (spec_.per == ScalePer::Column ? 1 : width);
    for (std::int64_t row = first; row < first + count; ++row) {
        if (spec_.per == ScalePer::Column && !spec_.stochastic) {
            const std::int64_t at = (row - first) * width;
            quantizeColumns(spec_,
                            scales_,
                            zeroPoints_,
                            in + at,
                            width,
                            values == nullptr ? nullptr : values + at,
                            codes == nullptr ? nullptr : codes + at);
            continue;
        }
        for (std::int64_t col = 0; col < width; col += step) {
            const std::size_t index = gridIndex(row, col);
            const std::int64_t at = (row - first) * width + col;
            const auto zero =
                spec_.asymmetric ? static_cast<std::int64_t>(zeroPoints_.values[index]) : 0;
            quantizeSpan(spec_,
                         static_cast<T>(scales_.values[index]),
                         zero,
                         in + at,
                         std::min(step, width - col),
                         row * width + col,
                         values == nullptr ? nullptr : values + at,
                         codes == nullptr ? nullptr : codes + at);
        }
    }
    return {};
}

namespace {

/// Runs `work` on a buffer of the other precision and converts.
template <class From, class To, class Work>
Result<void> converted(std::int64_t size, To* out, const Work& work) {
    std::vector<From> buffer(static_cast<std::size_t>(size));
    if (Result<void> done = work(buffer.data()); !done) {
        return done;
    }
    std::transform(buffer.begin(), buffer.end(), out, [](From x) { return static_cast<To>(x); });
    return {};
}

}  // namespace

Result<void> UniformMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    if (!isDouble()) {
        return quantizeRows<float>(first, count, out, nullptr);
    }
    return converted<double>(count * cols(), out, [&](double* buffer) {
        return quantizeRows<double>(first, count, buffer, nullptr);
    });
}

Result<void> UniformMatrix::read(std::int64_t first, std::int64_t count, double* out) const {
    if (isDouble()) {
        return quantizeRows<double>(first, count, out, nullptr);
    }
    return converted<float>(count * cols(), out, [&](float* buffer) {
        return quantizeRows<float>(first, count, buffer, nullptr);
    });
}

Result<void> UniformMatrix::codes(std::int64_t first, std::int64_t count, std::int32_t* out) const {
    return isDouble() ? quantizeRows<double>(first, count, nullptr, out)
                      : quantizeRows<float>(first, count, nullptr, out);
}

std::vector<Level> UniformMatrix::levels(std::int64_t row, std::int64_t col) const {
    constexpr std::int64_t kMost = 512;
    std::vector<Level> levels;
    if (spec_.codeMax() - spec_.codeMin() + 1 > kMost) {
        return levels;
    }
    const std::size_t index = gridIndex(row, col);
    const double scale = scales_.values[index];
    const auto zero = spec_.asymmetric ? static_cast<std::int64_t>(zeroPoints_.values[index]) : 0;
    for (std::int64_t code = spec_.codeMin(); code <= spec_.codeMax(); ++code) {
        const double exact = scale * static_cast<double>(code - zero);
        levels.push_back(
            {code, isDouble() ? exact : static_cast<double>(static_cast<float>(exact))});
    }
    return levels;
}

std::optional<std::pair<double, double>> UniformMatrix::clipInterval(std::int64_t row,
                                                                     std::int64_t col) const {
    if (lows_.empty()) {
        return std::nullopt;
    }
    const std::size_t index = gridIndex(row, col);
    return std::pair{lows_[index], highs_[index]};
}

std::pair<std::int64_t, std::int64_t> UniformMatrix::groupColumns(std::int64_t,
                                                                  std::int64_t col) const {
    switch (spec_.per) {
        case ScalePer::Column:
            return {col, col + 1};
        case ScalePer::Group: {
            const std::int64_t first = col / spec_.group * spec_.group;
            return {first, std::min(first + spec_.group, cols())};
        }
        case ScalePer::Tensor:
        case ScalePer::Row:
            break;
    }
    return {0, cols()};
}

const Measurement* UniformMatrix::measurement(const RowSource& reference) const {
    return &reference == source_.get() ? measurement_.get() : nullptr;
}

Result<std::shared_ptr<const UniformMatrix>> makeUniform(std::shared_ptr<const RowSource> source,
                                                         const UniformSpec& spec,
                                                         const JobContext& ctx,
                                                         bool measure) {
    auto matrix = std::make_shared<UniformMatrix>(std::move(source), spec);
    if (Result<void> done = matrix->calibrate(ctx, measure); !done) {
        return fail(done.error());
    }
    return std::shared_ptr<const UniformMatrix>(std::move(matrix));
}

}  // namespace loupe
