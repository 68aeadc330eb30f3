// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace loupe {

namespace {

using Value = std::optional<double>;

constexpr FigureDefinition kFigures[] = {
    {.id = "bits",
     .title = "Bits per weight",
     .unit = "bit",
     .help = "Everything stored over the number of weights: codes, scales, masks.",
     .value = [](const Figures& f) { return Value(f.bitsPerWeight); }},
    {.id = "sqnr",
     .title = "SQNR",
     .unit = "dB",
     .help = "10 log10(sum w^2 / sum (w - w^)^2): 6 dB halve the error.",
     .lowerIsBetter = false,
     .value = [](const Figures& f) { return Value(f.metrics.sqnrDb); }},
    {.id = "rel",
     .title = "Relative error",
     .unit = "",
     .help = "|W - W^| / |W| in the Frobenius norm.",
     .logarithmic = true,
     .value = [](const Figures& f) { return Value(f.metrics.relativeFrobenius); }},
    {.id = "output",
     .title = "Output error",
     .unit = "",
     .help = "|X W' - X^ W^'| / |X W'| in the Frobenius norm; needs activations.",
     .logarithmic = true,
     .value = [](const Figures& f) { return f.metrics.outputRelativeError; }},
    {.id = "mse",
     .title = "MSE",
     .unit = "",
     .help = "Mean of (w - w^)^2.",
     .logarithmic = true,
     .value = [](const Figures& f) { return Value(f.metrics.mse); }},
    {.id = "max",
     .title = "Largest error",
     .unit = "",
     .help = "Largest |w - w^|.",
     .logarithmic = true,
     .value = [](const Figures& f) { return Value(f.metrics.maxAbsError); }},
    {.id = "mean",
     .title = "Mean error",
     .unit = "",
     .help = "Mean of |w - w^|.",
     .logarithmic = true,
     .value = [](const Figures& f) { return Value(f.metrics.meanAbsError); }},
    {.id = "cosine",
     .title = "Cosine",
     .unit = "",
     .help = "w.w^ / (|w| |w^|).",
     .lowerIsBetter = false,
     .value = [](const Figures& f) { return Value(f.metrics.cosine); }},
    {.id = "zeros",
     .title = "Zeros",
     .unit = "%",
     .help = "Share of weights that are zero afterwards.",
     .lowerIsBetter = false,
     .value =
         [](const Figures& f) {
             return f.count == 0 ? Value()
                                 : Value(100.0 * static_cast<double>(f.zeros) /
                                         static_cast<double>(f.count));
         }},
    {.id = "seconds",
     .title = "Time",
     .unit = "s",
     .help = "Wall time of applying and measuring the scheme on this machine.",
     .logarithmic = true,
     .value = [](const Figures& f) { return Value(f.seconds); }},
};

}  // namespace

Figures figuresOf(const SchemeResult& result) {
    return {result.bitsPerWeight,
            result.metrics,
            result.count,
            result.zeros,
            result.clipped,
            result.seconds};
}

std::span<const FigureDefinition> allFigures() {
    return kFigures;
}

const FigureDefinition* findFigure(std::string_view id) {
    const auto found = std::find_if(std::begin(kFigures),
                                    std::end(kFigures),
                                    [id](const FigureDefinition& f) { return f.id == id; });
    return found == std::end(kFigures) ? nullptr : found;
}

bool isBetter(const FigureDefinition& figure, const Figures& a, const Figures& b) {
    const Value x = figure.value(a);
    const Value y = figure.value(b);
    const bool hasX = x.has_value() && !std::isnan(*x);
    const bool hasY = y.has_value() && !std::isnan(*y);
    if (!hasX || !hasY) {
        return hasX && !hasY;
    }
    return figure.lowerIsBetter ? *x < *y : *x > *y;
}

std::vector<bool> paretoFront(std::span<const std::pair<double, std::optional<double>>> points) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const auto& [x, y] = points[i];
        if (std::isfinite(x) && y.has_value() && std::isfinite(*y)) {
            order.push_back(i);
        }
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::pair(points[a].first, *points[a].second) <
               std::pair(points[b].first, *points[b].second);
    });
    std::vector<bool> front(points.size(), false);
    double best = std::numeric_limits<double>::infinity();
    std::pair<double, double> last{};
    for (const std::size_t i : order) {
        const std::pair<double, double> point(points[i].first, *points[i].second);
        if (point.second < best) {
            best = point.second;
            last = point;
            front[i] = true;
        } else if (point == last) {
            front[i] = true;
        }
    }
    return front;
}

}  // namespace loupe
