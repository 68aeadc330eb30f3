// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/board_numbers.hpp"
#include "core/scheme/trace.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace loupe {

using TraceMatrix = std::shared_ptr<const Matrix<double>>;
using CellExplainer = std::function<std::vector<TraceNote>(TraceCell)>;

/// Puts a trace together: every state brings the function that explains its cells.
class TraceBuilder {
public:
    TraceBuilder() : trace_(std::make_shared<Trace>()) {}

    /// A new state; the reference lasts until the next call.
    TraceState& add(std::string title, std::string sentence, CellExplainer explain = nullptr);

    /// Adds a panel over output channels and input channels.
    static void panel(TraceState& state,
                      std::string id,
                      std::string title,
                      PanelKind kind,
                      TraceMatrix values,
                      double limit = 0,
                      std::string subtitle = {});
    /// Stages of weights that are worked out one by one pile up: before the current one, which is
    /// the panel "weights", small layers show all that came before it, others the first.
    class Stages {
    public:
        /// Adds the earlier stages and this one to `state`.
        void show(TraceState& state,
                  std::string title,
                  PanelKind kind,
                  TraceMatrix values,
                  double limit = 0);

    private:
        std::vector<TracePanel> earlier_;
    };
    /// Adds one row of bars.
    static void bars(TraceState& state,
                     std::string id,
                     std::string title,
                     std::string axis,
                     const std::vector<double>& values);

    [[nodiscard]] Trace& trace() { return *trace_; }
    /// `result` is what the last state's panel "weights" shows.
    [[nodiscard]] std::shared_ptr<const Trace> finish(TraceMatrix result);

private:
    std::shared_ptr<Trace> trace_;
    std::vector<CellExplainer> explainers_;
};

/// Six significant digits: what a trace prints.
[[nodiscard]] inline std::string traceNumber(double value) {
    return BoardNumbers::text(value, 6);
}
/// In brackets where it is negative.
[[nodiscard]] inline std::string traceOperand(double value) {
    return value < 0 ? joined({"(", traceNumber(value), ")"}) : traceNumber(value);
}

/// Rows up to which a layer is small in the sense of TraceBuilder::Stages.
inline constexpr std::int64_t kFewTracedRows = 2;

[[nodiscard]] double largestMagnitude(const Matrix<double>& values);
/// after - before, or before - after: as asked.
[[nodiscard]] TraceMatrix differenceOf(const Matrix<double>& a, const Matrix<double>& b);

/// "Mean squared error" and "SQNR" of a state, where they have a meaning.
void addErrorFigures(std::vector<TraceFigure>& figures,
                     const Matrix<double>& before,
                     const Matrix<double>& after);

/// The summary's lines: errors of the weights and, where the activations are given and small, of
/// the layer's output ||Y - Y^|| / ||Y|| with Y = XW'.
/// @param used the activations after the step; null: unchanged
[[nodiscard]] Result<std::vector<TraceFigure>> traceSummary(
    const StepInput& input,
    const Matrix<double>& before,
    const Matrix<double>& after,
    const std::shared_ptr<const RowSource>& used = nullptr);

}  // namespace loupe
