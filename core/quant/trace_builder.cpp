// SPDX-License-Identifier: Apache-2.0
#include "core/quant/trace_builder.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

TraceState& TraceBuilder::add(std::string title, std::string sentence, CellExplainer explain) {
    TraceState state;
    state.title = std::move(title);
    state.sentence = std::move(sentence);
    trace_->states.push_back(std::move(state));
    explainers_.push_back(std::move(explain));
    return trace_->states.back();
}

void TraceBuilder::panel(TraceState& state,
                         std::string id,
                         std::string title,
                         PanelKind kind,
                         TraceMatrix values,
                         double limit,
                         std::string subtitle) {
    TracePanel panel;
    panel.id = std::move(id);
    panel.title = std::move(title);
    panel.subtitle = std::move(subtitle);
    panel.kind = kind;
    panel.rowAxis = "output channel";
    panel.colAxis = "input channel";
    panel.values = std::move(values);
    panel.limit = limit;
    state.panels.push_back(std::move(panel));
}

void TraceBuilder::Stages::show(
    TraceState& state, std::string title, PanelKind kind, TraceMatrix values, double limit) {
    const bool few = values->rows() <= kFewTracedRows;
    for (std::size_t i = 0; i < earlier_.size(); ++i) {
        if (few || i == 0) {
            state.panels.push_back(earlier_[i]);
        }
    }
    panel(state, "weights", std::move(title), kind, std::move(values), limit);
    earlier_.push_back(state.panels.back());
    earlier_.back().id = joined({"stage ", std::to_string(earlier_.size())});
}

void TraceBuilder::bars(TraceState& state,
                        std::string id,
                        std::string title,
                        std::string axis,
                        const std::vector<double>& values) {
    auto row = std::make_shared<Matrix<double>>(1, static_cast<std::int64_t>(values.size()));
    std::copy(values.begin(), values.end(), row->data());
    TracePanel panel;
    panel.id = std::move(id);
    panel.title = std::move(title);
    panel.kind = PanelKind::Bars;
    panel.colAxis = std::move(axis);
    panel.values = std::move(row);
    state.panels.push_back(std::move(panel));
}

std::shared_ptr<const Trace> TraceBuilder::finish(TraceMatrix result) {
    trace_->result = std::move(result);
    trace_->explain = [explainers = explainers_](std::size_t state, TraceCell cell) {
        const CellExplainer& explain = explainers[state];
        return explain ? explain(cell) : std::vector<TraceNote>{};
    };
    return trace_;
}

double largestMagnitude(const Matrix<double>& values) {
    double most = 0;
    for (std::int64_t i = 0; i < values.size(); ++i) {
        most = std::max(most, std::fabs(values.data()[i]));
    }
    return most;
}

TraceMatrix differenceOf(const Matrix<double>& a, const Matrix<double>& b) {
    auto difference = std::make_shared<Matrix<double>>(a.rows(), a.cols());
    std::transform(
        a.data(), a.data() + a.size(), b.data(), difference->data(), std::minus<double>());
    return difference;
}

namespace {

/// Σ before² and Σ (before - after)².
std::pair<double, double> energies(const Matrix<double>& before, const Matrix<double>& after) {
    double signal = 0;
    double noise = 0;
    for (std::int64_t i = 0; i < before.size(); ++i) {
        const double x = before.data()[i];
        const double error = x - after.data()[i];
        signal += x * x;
        noise += error * error;
    }
    return {signal, noise};
}

/// Y = XW'.
Matrix<double> product(const Matrix<double>& x, const Matrix<double>& w) {
    Matrix<double> y(x.rows(), w.rows());
    for (std::int64_t token = 0; token < x.rows(); ++token) {
        for (std::int64_t out = 0; out < w.rows(); ++out) {
            double sum = 0;
            for (std::int64_t in = 0; in < w.cols(); ++in) {
                sum += x(token, in) * w(out, in);
            }
            y(token, out) = sum;
        }
    }
    return y;
}

}  // namespace

void addErrorFigures(std::vector<TraceFigure>& figures,
                     const Matrix<double>& before,
                     const Matrix<double>& after) {
    const auto [signal, noise] = energies(before, after);
    figures.push_back({"Mean squared error", noise / static_cast<double>(before.size()), {}});
    if (signal > 0 && noise > 0) {
        figures.push_back({"SQNR", 10 * std::log10(signal / noise), "dB"});
    }
}

Result<std::vector<TraceFigure>> traceSummary(const StepInput& input,
                                              const Matrix<double>& before,
                                              const Matrix<double>& after,
                                              const std::shared_ptr<const RowSource>& used) {
    std::vector<TraceFigure> figures;
    addErrorFigures(figures, before, after);
    const auto [signal, noise] = energies(before, after);
    if (signal > 0) {
        figures.push_back(
            {"Relative weight error", std::sqrt(noise / signal), "||W - W^|| / ||W||"});
    }
    if (input.activations == nullptr ||
        input.activations->rows() * input.activations->cols() > kMostTracedActivations) {
        return figures;
    }
    const Result<Matrix<double>> x = readWhole(*input.activations);
    if (!x) {
        return fail(x.error());
    }
    const Result<Matrix<double>> live = used != nullptr ? readWhole(*used) : x;
    if (!live) {
        return fail(live.error());
    }
    const auto [loud, wrong] = energies(product(*x, before), product(*live, after));
    if (loud > 0) {
        figures.push_back({"Relative output error", std::sqrt(wrong / loud), "||Y - Y^|| / ||Y||"});
    }
    return figures;
}

}  // namespace loupe
