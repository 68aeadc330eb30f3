// SPDX-License-Identifier: Apache-2.0
#include "core/quant/scaled_rows.hpp"

#include "core/quant/board_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace loupe {

namespace {

template <class T>
Result<void> readScaled(const RowSource& source,
                        const std::vector<double>& scale,
                        bool divide,
                        std::int64_t first,
                        std::int64_t count,
                        T* out) {
    if (Result<void> done = source.read(first, count, out); !done) {
        return done;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        for (const double s : scale) {
            *out = divide ? *out / static_cast<T>(s) : *out * static_cast<T>(s);
            ++out;
        }
    }
    return {};
}

std::string sixDigits(double value) {
    return BoardNumbers::text(value, 6);
}

/// The largest T whose product with s, rounded as it is when scaled, does not exceed `bound`.
template <class T>
double largestWithin(double bound, double s) {
    const T scale = static_cast<T>(s);
    const T infinity = std::numeric_limits<T>::infinity();
    T value = static_cast<T>(bound / s);
    if (!std::isfinite(value)) {
        return static_cast<double>(value);
    }
    while (static_cast<double>(value * scale) > bound) {
        value = std::nextafter(value, -infinity);
    }
    for (T next = std::nextafter(value, infinity);
         std::isfinite(next) && static_cast<double>(next * scale) <= bound;
         next = std::nextafter(next, infinity)) {
        value = next;
    }
    return static_cast<double>(value);
}

}  // namespace

Result<void> ScaledRows::read(std::int64_t first, std::int64_t count, float* out) const {
    return readScaled(*source_, *scale_, divide_, first, count, out);
}

Result<void> ScaledRows::read(std::int64_t first, std::int64_t count, double* out) const {
    return readScaled(*source_, *scale_, divide_, first, count, out);
}

std::vector<Level> ScaledQuantized::levels(std::int64_t row, std::int64_t col) const {
    std::vector<Level> levels = inner_->levels(row, col);
    const double s = (*scale_)[static_cast<std::size_t>(col)];
    for (Level& level : levels) {
        const double value = level.value / s;
        level.value = isDouble() ? value : static_cast<double>(static_cast<float>(value));
    }
    return levels;
}

std::optional<std::pair<double, double>> ScaledQuantized::clipInterval(std::int64_t row,
                                                                       std::int64_t col) const {
    const auto inner = inner_->clipInterval(row, col);
    if (!inner) {
        return std::nullopt;
    }
    const double s = (*scale_)[static_cast<std::size_t>(col)];
    const auto within = [&](double bound) {
        return isDouble() ? largestWithin<double>(bound, s) : largestWithin<float>(bound, s);
    };
    return std::pair{-within(-inner->first), within(inner->second)};
}

std::vector<EquationLine> ScaledQuantized::explain(std::int64_t row, std::int64_t col) const {
    const std::string s = sixDigits((*scale_)[static_cast<std::size_t>(col)]);
    std::vector<double> values(static_cast<std::size_t>(cols()));
    if (!inner_->source().read(row, 1, values.data())) {
        return {};
    }
    const auto at = static_cast<std::size_t>(col);
    std::vector<EquationLine> lines{
        {"scaled", "w · " + s, sixDigits(values[at]), "s of input channel " + std::to_string(col)}};
    for (EquationLine& line : inner_->explain(row, col)) {
        lines.push_back(std::move(line));
    }
    std::vector<double> scaled(values.size());
    if (inner_->read(row, 1, scaled.data()) && read(row, 1, values.data())) {
        lines.push_back(
            {"scaled back", sixDigits(scaled[at]) + " / " + s, sixDigits(values[at]), {}});
    }
    return lines;
}

Result<std::vector<double>> columnAbsmax(const RowSource& source,
                                         std::int64_t rows,
                                         const JobContext& ctx) {
    const std::int64_t cols = source.cols();
    std::vector<double> most(static_cast<std::size_t>(cols), 0.0);
    std::vector<double> row(most.size());
    for (std::int64_t r = 0; r < rows; ++r) {
        ctx.checkpoint();
        if (Result<void> done = source.read(r, 1, row.data()); !done) {
            return fail(done.error());
        }
        for (std::size_t j = 0; j < row.size(); ++j) {
            most[j] = std::max(most[j], std::fabs(row[j]));
        }
    }
    return most;
}

}  // namespace loupe
