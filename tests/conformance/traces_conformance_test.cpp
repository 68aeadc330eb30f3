// SPDX-License-Identifier: Apache-2.0
// What the trace of every step keeps, run over the registry: a new trace needs no line here.
#include "core/base/rng.hpp"
#include "core/experiment/trace_scheme.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

using namespace loupe;

namespace {

struct Layer {
    std::string name;
    SchemeInput input;
};

std::shared_ptr<const RowSource> doubles(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

std::shared_ptr<const RowSource> normals(
    std::int64_t rows, std::int64_t cols, std::uint64_t seed, double spread, std::int64_t outlier) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool large = static_cast<std::int64_t>(i) % cols == outlier;
        values[i] = static_cast<float>(spread * randomNormal(seed, i) * (large ? 15 : 1));
    }
    return makeRowSource(rows, cols, std::move(values));
}

/// F1 in double, and a random single-precision layer whose sizes divide by nothing much.
std::vector<Layer> layers() {
    const FixtureF1 fixture = fixtureF1();
    Matrix<double> gradients(32, 64);
    for (std::int64_t i = 0; i < gradients.size(); ++i) {
        gradients.data()[i] = 0.1 * randomNormal(3, static_cast<std::uint64_t>(i));
    }
    return {
        {"F1", {doubles(fixture.weight), 32, doubles(fixture.activations), 0, doubles(gradients)}},
        {"random 24x40",
         {normals(24, 40, 11, 0.05, -1),
          32,
          normals(96, 40, 12, 1, 7),
          0,
          normals(24, 40, 13, 0.1, -1)}}};
}

/// Each step that can be told, alone and as its ladder sets it.
std::vector<std::string> schemes() {
    std::vector<std::string> texts;
    for (const StepDefinition* definition : allSteps()) {
        if (definition->trace == nullptr) {
            continue;
        }
        texts.emplace_back(definition->id);
        for (const std::string_view text : definition->ladder) {
            if (parseScheme(text).value().steps.back().name == definition->id &&
                text != definition->id) {
                texts.emplace_back(text);
            }
        }
    }
    return texts;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// What a person sees of a state, as text: the same whichever way it was reached.
std::string told(const Trace& trace, std::size_t index) {
    const TraceState& state = trace.states[index];
    std::ostringstream out;
    out.precision(17);
    out << state.title << '|' << state.sentence << '|' << state.regions.size();
    for (const TracePanel& panel : state.panels) {
        double sum = 0;
        for (std::int64_t i = 0; i < panel.values->size(); ++i) {
            const double value = panel.values->data()[i];
            sum += std::isnan(value) ? 1 : value * static_cast<double>(i % 97 + 1);
        }
        out << '|' << panel.id << sum;
    }
    const Matrix<double>& first = *state.panels[0].values;
    const std::int64_t bottom = first.rows() - 1;
    const std::int64_t right = first.cols() - 1;
    for (const TraceCell cell : {state.focus,
                                 TraceCell{0, 0},
                                 TraceCell{bottom, right},
                                 TraceCell{bottom / 2, right / 3},
                                 TraceCell{bottom / 3, right / 2}}) {
        for (const TraceNote& note : trace.explain(index, cell)) {
            CAPTURE(cell.row, cell.col, note.title);
            CHECK_FALSE(note.title.empty());
            CHECK_FALSE((note.formula.empty() && note.substituted.empty() && note.result.empty()));
            for (const std::string* part : {&note.formula, &note.substituted, &note.result}) {
                CHECK_FALSE(has(*part, "nan"));
            }
            out << '|' << note.title << note.formula << note.substituted << note.result
                << note.note;
        }
    }
    return out.str();
}

void checkPanel(const TracePanel& panel) {
    CAPTURE(panel.id);
    CHECK_FALSE(panel.id.empty());
    CHECK_FALSE(panel.title.empty());
    REQUIRE(panel.values != nullptr);
    REQUIRE(panel.values->size() > 0);
    CHECK((panel.kind != PanelKind::Bars || panel.values->rows() == 1));
    CHECK(std::isfinite(panel.limit));
    CHECK(panel.limit >= 0);
    bool allowed = true;
    bool within = true;  // the range of its colours
    for (std::int64_t i = 0; i < panel.values->size(); ++i) {
        const double value = panel.values->data()[i];
        allowed = allowed && !std::isinf(value);
        allowed = allowed && (panel.kind != PanelKind::Mask || value == 0 || value == 1);
        allowed = allowed && (panel.kind != PanelKind::Magnitude || !(value < 0));
        within = within && (panel.limit == 0 || std::isnan(value) ||
                            std::fabs(value) <= panel.limit * (1 + 1e-9));
    }
    CHECK(allowed);
    CHECK(within);
    if (panel.columnOrder != nullptr) {
        CHECK(static_cast<std::int64_t>(panel.columnOrder->size()) == panel.values->cols());
        const std::set<std::int64_t> different(panel.columnOrder->begin(),
                                               panel.columnOrder->end());
        CHECK(different.size() == panel.columnOrder->size());
    }
}

void checkState(const TraceState& state) {
    CHECK_FALSE(state.title.empty());
    CHECK_FALSE(state.sentence.empty());
    REQUIRE_FALSE(state.panels.empty());
    std::map<std::string, const Matrix<double>*> panels;
    for (const TracePanel& panel : state.panels) {
        checkPanel(panel);
        CHECK(panels.emplace(panel.id, panel.values.get()).second);
    }
    for (const TraceRegion& region : state.regions) {
        CAPTURE(region.panel, region.row, region.col, region.rows, region.cols);
        const Matrix<double>* values = state.panels[0].values.get();
        if (!region.panel.empty()) {
            REQUIRE(panels.count(region.panel) == 1);
            values = panels[region.panel];
        }
        const bool inside = region.row >= 0 && region.col >= 0 && region.rows > 0 &&
                            region.cols > 0 && region.row + region.rows <= values->rows() &&
                            region.col + region.cols <= values->cols();
        CHECK(inside);
    }
    const Matrix<double>& first = *state.panels[0].values;
    CHECK((state.focus.row >= 0 && state.focus.row < first.rows()));
    CHECK((state.focus.col >= 0 && state.focus.col < first.cols()));
    for (const TraceFigure& figure : state.figures) {
        CHECK_FALSE(figure.label.empty());
        CHECK_FALSE(std::isnan(figure.value));
    }
    CHECK((!state.marker || std::isfinite(*state.marker)));
}

void checkCurves(const Trace& trace) {
    for (const TraceCurve& curve : trace.curves) {
        CAPTURE(curve.id);
        CHECK_FALSE(curve.title.empty());
        CHECK_FALSE(curve.series.empty());
        for (const TraceSeries& series : curve.series) {
            REQUIRE(series.x.size() == series.y.size());
            CHECK_FALSE(series.x.empty());
            bool finite = true;
            for (std::size_t i = 0; i < series.x.size(); ++i) {
                finite = finite && std::isfinite(series.x[i]) && std::isfinite(series.y[i]);
            }
            CHECK(finite);
        }
    }
}

/// The step's own result: what a rotation before or after it would hide.
Matrix<double> applied(const Scheme& scheme, const SchemeInput& input) {
    const StepInput last = inputOfLastStep(scheme, input).value();
    const StepDefinition* definition = findStep(scheme.steps.back().name);
    const StepOutput output =
        definition->apply(last, Params(definition->params, scheme.steps.back()), {}).value();
    return readWhole(*output.weights).value();
}

}  // namespace

TEST_CASE("every trace: panels, regions and curves hold together; forwards as backwards") {
    for (const Layer& layer : layers()) {
        for (const std::string& text : schemes()) {
            CAPTURE(layer.name, text);
            const Result<std::shared_ptr<const Trace>> made =
                traceScheme(parseScheme(text).value(), layer.input);
            if (!made) {
                // Stochastic rounding, or what apply() refuses as well (a group too small, ...).
                CHECK((made.error().code == ErrorCode::Unsupported ||
                       made.error().code == ErrorCode::Invalid));
                CHECK_FALSE(made.error().what.empty());
                continue;
            }
            const Trace& trace = **made;
            REQUIRE_FALSE(trace.states.empty());
            REQUIRE(trace.explain);
            checkCurves(trace);
            std::vector<std::string> forwards;
            bool explains = false;
            for (std::size_t i = 0; i < trace.states.size(); ++i) {
                CAPTURE(i, trace.states[i].title);
                checkState(trace.states[i]);
                forwards.push_back(told(trace, i));
                explains = explains || !trace.explain(i, trace.states[i].focus).empty();
            }
            CHECK(explains);
            for (std::size_t i = trace.states.size(); i > 0; --i) {
                CHECK(told(trace, i - 1) == forwards[i - 1]);
            }
        }
    }
}

TEST_CASE("every trace ends with what the step gives, bit for bit; losses add up") {
    for (const Layer& layer : layers()) {
        for (const std::string& text : schemes()) {
            CAPTURE(layer.name, text);
            const Scheme scheme = parseScheme(text).value();
            const Result<std::shared_ptr<const Trace>> made = traceScheme(scheme, layer.input);
            if (!made) {
                continue;
            }
            const Trace& trace = **made;
            CHECK(trace.scheme == scheme);
            REQUIRE(trace.result != nullptr);
            CHECK(*trace.result == applied(scheme, layer.input));
            bool shown = false;
            for (const TracePanel& panel : trace.states.back().panels) {
                shown = shown || (panel.id == trace.resultPanel && *panel.values == *trace.result);
            }
            CHECK(shown);
            if (!has(text, "rotate")) {
                const auto result = applyScheme(scheme, layer.input).value();
                CHECK(*trace.result == readWhole(*result->quantized).value());
            }
            if (trace.loss) {
                const double tolerance = layer.input.weights->isDouble() ? 1e-9 : 1e-4;
                const double size = std::max(std::fabs(trace.loss->direct), 1e-300);
                CHECK(std::fabs(trace.loss->summed - trace.loss->direct) <= tolerance * size);
            }
        }
    }
}

TEST_CASE("every trace of a layer with one weight, of zeros, and of equal weights can be told") {
    for (const std::string& text : schemes()) {
        const std::array<Layer, 3> small{{{"1x1",
                                           {makeRowSource(1, 1, std::vector<float>{0.3F}),
                                            32,
                                            makeRowSource(2, 1, std::vector<float>{1, -2}),
                                            0,
                                            makeRowSource(1, 1, std::vector<float>{0.5F})}},
                                          {"zeros",
                                           {makeRowSource(3, 8, std::vector<float>(24, 0.0F)),
                                            32,
                                            normals(5, 8, 1, 1, -1),
                                            0,
                                            normals(3, 8, 2, 1, -1)}},
                                          {"constant",
                                           {makeRowSource(2, 4, std::vector<float>(8, -1.5F)),
                                            32,
                                            makeRowSource(3, 4, std::vector<float>(12, 0.0F)),
                                            0,
                                            makeRowSource(2, 4, std::vector<float>(8, 0.0F))}}}};
        for (const Layer& layer : small) {
            CAPTURE(layer.name, text);
            const Scheme scheme = parseScheme(text).value();
            const Result<std::shared_ptr<const Trace>> made = traceScheme(scheme, layer.input);
            CHECK(made.has_value() == applyScheme(scheme, layer.input).has_value());
            if (!made) {
                continue;
            }
            for (std::size_t i = 0; i < (*made)->states.size(); ++i) {
                CAPTURE(i, (*made)->states[i].title);
                checkState((*made)->states[i]);
                (void)told(**made, i);
            }
            checkCurves(**made);
            CHECK(*(*made)->result == applied(scheme, layer.input));
        }
    }
}
