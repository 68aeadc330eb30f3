// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"
#include "core/scheme/scheme.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace loupe {

/// A cell of a panel.
struct TraceCell {
    std::int64_t row = 0;
    std::int64_t col = 0;
    friend bool operator==(const TraceCell&, const TraceCell&) = default;
};

/// How a panel's numbers are drawn.
enum class PanelKind : std::uint8_t {
    Signed,     ///< diverging colours around 0
    Magnitude,  ///< one hue, from 0
    Codes,      ///< integers, printed in the cells where there is room
    Mask,       ///< 1 = kept
    Bars,       ///< one row, drawn as bars over the shared column axis
};

/// One picture of a state. Panels of all states with the same id show the same thing at different
/// times, and keep their place and colour range.
struct TracePanel {
    std::string id;        ///< "weights", "moved", "factor"
    std::string title;     ///< "Weights while the sweep runs"
    std::string subtitle;  ///< "rows are output channels, columns input channels"
    PanelKind kind = PanelKind::Signed;
    std::string rowAxis;  ///< "output channel", "token"
    std::string colAxis;  ///< "input channel"
    std::shared_ptr<const Matrix<double>> values;
    /// Original column shown at each place (LLM.int8()'s parts, act_order); null: natural order.
    std::shared_ptr<const std::vector<std::int64_t>> columnOrder{};
    double limit = 0;  ///< colours run to ±limit (Magnitude: 0 to limit); 0: the panel's largest
};

enum class RegionKind : std::uint8_t {
    Current,  ///< what this state works on
    Done,     ///< finished: will not change again
    Group,    ///< shares a scale
    Outlier,  ///< outlier channels
    Clamped,  ///< clipped or clamped
    Pruned,   ///< removed in this state
};

/// Cells of a panel that a state points at: rows [row, row + rows), columns [col, col + cols), in
/// the panel's own places (after columnOrder).
struct TraceRegion {
    std::string panel;  ///< id; empty: every panel with that many columns
    RegionKind kind = RegionKind::Current;
    std::int64_t row = 0, col = 0, rows = 1, cols = 1;
    std::string label{};  ///< "column 23"; may be empty
};

/// A number worth watching: "Loss so far", 2.73806.
struct TraceFigure {
    std::string label;
    double value = 0;
    std::string note{};  ///< "½ Σ e² over finished columns"
};

/// One line of a curve plot.
struct TraceSeries {
    std::string name;  ///< "GPTQ", "RTN"
    std::vector<double> x;
    std::vector<double> y;
};

/// A plot over the whole trace; a state marks its place with TraceState::marker.
struct TraceCurve {
    std::string id;     ///< "loss"
    std::string title;  ///< "Loss so far"
    std::string xAxis;  ///< "columns quantized"
    std::string yAxis;
    std::vector<TraceSeries> series;
    bool logY = false;
};

/// One numbered part of what happens at a cell in a state: the rule, the rule with this cell's
/// numbers, and what comes out.
struct TraceNote {
    std::string title;        ///< "Push it to the right"
    std::string formula;      ///< "w_j ← w_j − e · U_ij"
    std::string substituted;  ///< "−0.0133833 − (−0.017927) · (−0.060827)"
    std::string result;       ///< "−0.0144737"
    std::string note{};       ///< "moved −0.0010904"
};

/// One moment of a worked algorithm.
struct TraceState {
    std::string title;     ///< "Column 23"
    std::string sentence;  ///< what happens and why, one sentence for a student
    std::vector<TracePanel> panels;
    std::vector<TraceRegion> regions;
    std::vector<TraceFigure> figures;
    TraceCell focus;               ///< of the first panel: the cell worth explaining first
    std::optional<double> marker;  ///< x in the curves
};

/// Σ of the losses that a solver reported and the same loss worked out from the result:
/// ½·tr((W−Q)·H·(W−Q)').
struct TraceLoss {
    double summed = 0;
    double direct = 0;
};

/// A step told state by state. Immutable once made; thread-safe.
struct Trace {
    Scheme scheme;
    std::vector<TraceState> states;  ///< at least one
    std::vector<TraceCurve> curves;
    std::vector<TraceFigure> summary;  ///< at the end: weight error, output error where known
    std::string lesson;                ///< what a student should take home, one or two sentences
    std::optional<TraceLoss> loss;
    /// The weights after the step: equal to apply()'s rows bit for bit, and to the panel
    /// `resultPanel` of the last state.
    std::shared_ptr<const Matrix<double>> result;
    std::string resultPanel = "weights";
    /// What happens at a cell of the first panel in a state. Pure and fast (under 1 ms): worked out
    /// when it is looked at. Empty: nothing to say there.
    std::function<std::vector<TraceNote>(std::size_t state, TraceCell cell)> explain;
};

/// Largest layer that is told: weights and, separately, activations.
inline constexpr std::int64_t kMostTracedWeights = 4096;
inline constexpr std::int64_t kMostTracedActivations = 65536;

/// Reads a small matrix in double. @errors those of the source
[[nodiscard]] Result<Matrix<double>> readWhole(const RowSource& source);

}  // namespace loupe
