// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/pipeline.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// What a comparison keeps of a SchemeResult: some hundred bytes, never the weights.
struct Figures {
    double bitsPerWeight = 0;
    ErrorMetrics metrics;
    std::uint64_t count = 0;
    std::uint64_t zeros = 0;
    std::uint64_t clipped = 0;
    double seconds = 0;
};

[[nodiscard]] Figures figuresOf(const SchemeResult& result);

/// A figure by which schemes are ranked, plotted and written.
struct FigureDefinition {
    std::string_view id;     ///< "sqnr", as on the command line
    std::string_view title;  ///< "SQNR"
    std::string_view unit;   ///< "dB"; empty: none
    std::string_view help;   ///< one sentence with the formula
    bool lowerIsBetter = true;
    bool logarithmic = false;  ///< spans decades: drawn on a logarithmic axis
    std::optional<double> (*value)(const Figures& figures) = nullptr;
};

/// bits, sqnr, mse, max, mean, rel, output, cosine, zeros, seconds.
[[nodiscard]] std::span<const FigureDefinition> allFigures();
[[nodiscard]] const FigureDefinition* findFigure(std::string_view id);

/// a is better than b by this figure; what has no value comes last.
[[nodiscard]] bool isBetter(const FigureDefinition& figure, const Figures& a, const Figures& b);

/// Which points (x, y), both the smaller the better, no other point dominates: none is at most as
/// large in both and smaller in one. Points that are not finite or empty never belong; equal points
/// all do.
/// @cost O(n log n)
[[nodiscard]] std::vector<bool> paretoFront(
    std::span<const std::pair<double, std::optional<double>>> points);

}  // namespace loupe
