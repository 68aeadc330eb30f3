// SPDX-License-Identifier: Apache-2.0
#include "core/quant/trace_layer.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

constexpr std::int64_t kShownTokens = 64;

Result<std::shared_ptr<const Matrix<double>>> readRows(const RowSource& source, std::int64_t rows) {
    auto values = std::make_shared<Matrix<double>>(rows, source.cols());
    if (Result<void> done = source.read(0, rows, values->data()); !done) {
        return fail(done.error());
    }
    return std::shared_ptr<const Matrix<double>>(std::move(values));
}

}  // namespace

Result<TracedLayer> TracedLayer::read(const StepInput& input) {
    TracedLayer layer;
    const std::int64_t cols = std::max<std::int64_t>(input.activations->cols(), 1);
    layer.allTokens = input.activations->rows();
    const std::int64_t told =
        std::min(layer.allTokens, std::max<std::int64_t>(kMostTracedActivations / cols, 1));
    layer.shown = std::min(told, kShownTokens);
    auto x = readRows(*input.activations, told);
    auto w = readRows(*input.weights, input.weights->rows());
    if (!x || !w) {
        return fail(x ? w.error() : x.error());
    }
    layer.x = std::move(*x);
    layer.w = std::move(*w);
    return layer;
}

Result<Matrix<double>> TracedLayer::tokensOf(const RowSource& used) const {
    const auto rows = readRows(used, x->rows());
    if (!rows) {
        return fail(rows.error());
    }
    return **rows;
}

std::string TracedLayer::tokensText() const {
    return shown < allTokens ? joined({"the first ",
                                       std::to_string(shown),
                                       " of ",
                                       std::to_string(allTokens),
                                       " tokens"})
                             : joined({std::to_string(shown), shown == 1 ? " token" : " tokens"});
}

TraceMatrix firstRows(const Matrix<double>& values, std::int64_t rows) {
    auto first = std::make_shared<Matrix<double>>(rows, values.cols());
    std::copy(values.data(), values.data() + first->size(), first->data());
    return first;
}

TraceMatrix takeColumns(const Matrix<double>& values, const std::vector<std::int64_t>& columns) {
    auto taken =
        std::make_shared<Matrix<double>>(values.rows(), static_cast<std::int64_t>(columns.size()));
    for (std::int64_t row = 0; row < values.rows(); ++row) {
        for (std::int64_t place = 0; place < taken->cols(); ++place) {
            (*taken)(row, place) = values(row, columns[static_cast<std::size_t>(place)]);
        }
    }
    return taken;
}

Matrix<double> outputsOf(const Matrix<double>& x, const Matrix<double>& w) {
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

std::vector<double> columnMaxima(const Matrix<double>& values) {
    std::vector<double> most(static_cast<std::size_t>(values.cols()), 0.0);
    for (std::int64_t row = 0; row < values.rows(); ++row) {
        for (std::size_t col = 0; col < most.size(); ++col) {
            most[col] = std::max(most[col], std::fabs(values(row, static_cast<std::int64_t>(col))));
        }
    }
    return most;
}

TraceMatrix asColumn(const std::vector<double>& values, std::int64_t rows) {
    auto column = std::make_shared<Matrix<double>>(rows, 1);
    std::copy(values.begin(), values.begin() + rows, column->data());
    return column;
}

TraceMatrix asDoubles(const Matrix<std::int32_t>& values, std::int64_t rows) {
    auto wide = std::make_shared<Matrix<double>>(rows, values.cols());
    std::copy(values.data(), values.data() + wide->size(), wide->data());
    return wide;
}

double relativeError(const Matrix<double>& a, const Matrix<double>& b) {
    double signal = 0;
    double noise = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
        signal += a.data()[i] * a.data()[i];
        noise += (a.data()[i] - b.data()[i]) * (a.data()[i] - b.data()[i]);
    }
    return signal > 0 ? std::sqrt(noise / signal) : 0;
}

TracePanel& addTokenPanel(TraceState& state,
                          const TracedLayer& layer,
                          std::string id,
                          std::string title,
                          PanelKind kind,
                          TraceMatrix values,
                          std::string columns) {
    TracePanel panel;
    panel.id = std::move(id);
    panel.title = std::move(title);
    panel.subtitle = joined({"rows are tokens: ", layer.tokensText()});
    panel.kind = kind;
    panel.rowAxis = "token";
    panel.colAxis = std::move(columns);
    panel.values = std::move(values);
    state.panels.push_back(std::move(panel));
    return state.panels.back();
}

Result<std::vector<TraceFigure>> compareWithPlain(const TracedLayer& layer,
                                                  const StepOutput& scheme,
                                                  const RowSource& plainW,
                                                  const RowSource* plainX,
                                                  std::string_view plainName) {
    const Result<Matrix<double>> w = readWhole(*scheme.weights);
    const Result<Matrix<double>> wPlain = readWhole(plainW);
    const Result<Matrix<double>> x =
        scheme.activations != nullptr ? layer.tokensOf(*scheme.activations) : *layer.x;
    const Result<Matrix<double>> xPlain = plainX != nullptr ? layer.tokensOf(*plainX) : *layer.x;
    for (const auto* matrix : {&w, &wPlain, &x, &xPlain}) {
        if (!*matrix) {
            return fail(matrix->error());
        }
    }
    const Matrix<double> y = outputsOf(*layer.x, *layer.w);
    const std::string plain(plainName);
    std::string note = "||Y - Y^|| / ||Y||";
    if (layer.x->rows() < layer.allTokens) {
        note += joined({", first ", std::to_string(layer.x->rows()), " tokens"});
    }
    std::vector<TraceFigure> figures;
    const auto add = [&](std::string label, double value, const std::string& how) {
        TraceFigure& figure = figures.emplace_back();
        figure.label = std::move(label);
        figure.value = value;
        figure.note = how;
    };
    const std::string weights = "||W - W^|| / ||W||";
    add("Output error", relativeError(y, outputsOf(*x, *w)), note);
    add(joined({"Output error of ", plain}), relativeError(y, outputsOf(*xPlain, *wPlain)), note);
    add("Weight error", relativeError(*layer.w, *w), weights);
    if (&plainW != scheme.weights.get()) {
        add(joined({"Weight error of ", plain}), relativeError(*layer.w, *wPlain), weights);
    }
    return figures;
}

std::vector<TraceNote> notesOf(const std::vector<EquationLine>& lines) {
    std::vector<TraceNote> notes;
    notes.reserve(lines.size());
    for (const EquationLine& line : lines) {
        notes.push_back({line.label, {}, line.expression, line.result, line.note});
    }
    return notes;
}

std::string sumOfProducts(std::span<const double> a, std::span<const double> b) {
    constexpr std::size_t kTerms = 4;
    std::string text;
    for (std::size_t k = 0; k < std::min(a.size(), kTerms); ++k) {
        text += joined({k > 0 ? " + " : "", traceOperand(a[k]), "·", traceOperand(b[k])});
    }
    if (a.size() > kTerms) {
        text += joined({" + ... (", std::to_string(a.size()), " products)"});
    }
    return text;
}

}  // namespace loupe
