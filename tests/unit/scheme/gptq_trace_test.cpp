// SPDX-License-Identifier: Apache-2.0
// GPTQ told column by column: the numbers of the design's picture, and that the told sweep is the
// step's own.
#include "core/base/rng.hpp"
#include "core/experiment/trace_scheme.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

SchemeInput f1() {
    const FixtureF1 fixture = fixtureF1();
    SchemeInput input;
    input.weights = rowsOf(fixture.weight);
    input.activations = rowsOf(fixture.activations);
    return input;
}

SchemeInput random(std::int64_t rows, std::int64_t cols, std::int64_t tokens, std::uint64_t seed) {
    std::vector<float> w(static_cast<std::size_t>(rows * cols));
    std::vector<float> x(static_cast<std::size_t>(tokens * cols));
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = static_cast<float>(.05 * randomNormal(seed, i));
    }
    double p = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        p = .8 * p + randomNormal(seed + 1, i);
        x[i] = static_cast<float>(p);
    }
    SchemeInput input;
    input.weights = makeRowSource(rows, cols, w);
    input.activations = makeRowSource(tokens, cols, x);
    return input;
}

SchemeInput referenceRun() {
    SchemeInput input;
    input.weights = makeRowSource(2, 4, std::vector<double>{.9, -.4, .3, .7, -.2, .7, 1.1, -.6});
    input.activations =
        makeRowSource(5, 4, std::vector<double>{1,  .9, .2, .1, 2,  1.7, -.3, .4,  -1, -1.1,
                                                .6, .2, .5, .3, .1, -1,  1.5, 1.6, .4, .3});
    return input;
}

SchemeInput handExample() {
    const double a = std::sqrt(.95);
    const double b = std::sqrt(.05);
    SchemeInput input;
    input.weights = makeRowSource(1, 2, std::vector<double>{.6, .6});
    input.activations = makeRowSource(2, 2, std::vector<double>{a, a, b, -b});
    return input;
}

std::shared_ptr<const Trace> told(const std::string& scheme, const SchemeInput& input) {
    const auto trace = traceScheme(parseScheme(scheme).value(), input);
    REQUIRE(trace.has_value());
    return *trace;
}

const TracePanel& panel(const TraceState& state, std::string_view id) {
    for (const TracePanel& each : state.panels) {
        if (each.id == id) {
            return each;
        }
    }
    throw std::runtime_error("no such panel");
}

double parsed(const std::string& text) {
    return std::stod(text);
}

}  // namespace

TEST_CASE("the picture of the design: column 23, row 12 of F1") {
    const auto trace = told("gptq:per=row", f1());
    REQUIRE(trace->states.size() == 64);
    const TraceState& state = trace->states[23];
    CHECK(state.title == "Column 23");
    CHECK(state.marker == 24.0);
    CHECK_THAT(state.figures[0].value, WithinAbs(.004774, 5e-7));
    CHECK_THAT(state.figures[1].value, WithinAbs(2.73806, 5e-6));
    const auto notes = trace->explain(23, {12, 24});
    REQUIRE(notes.size() == 4);
    CHECK(notes[0].substituted ==
          "0.00670142 · (clamp(round(-0.00822702 / 0.00670142) + (-2)) - (-2))");
    CHECK(notes[0].result == "-0.00670142");
    CHECK(notes[0].note == "code -3");  // 5 of 0..15
    CHECK(notes[1].substituted == "(-0.00822702 - (-0.00670142)) / 0.0851018");
    CHECK_THAT(parsed(notes[1].result), WithinAbs(-.017927, 1e-6));
    CHECK_THAT(parsed(notes[2].result), WithinAbs(-.0144737, 1e-7));
    CHECK(notes[2].substituted.rfind("-0.0133833 - (-0.017926", 0) == 0);
    CHECK(notes[3].note == "so far 2.73806");
    // Any cell of the row tells the same column; one further right its own update.
    CHECK(trace->explain(23, {12, 5})[2].result == notes[2].result);
    CHECK(trace->explain(23, {12, 40})[2].formula.find("j = 40") != std::string::npos);
    CHECK(trace->explain(63, {12, 63}).size() == 3);
    CHECK_THAT((*panel(state, "factor").values)(0, 23), WithinAbs(.085102, 1e-6));
    CHECK_THAT((*panel(state, "factor").values)(0, 24), WithinAbs(-.060827, 1e-6));
    CHECK_THAT((*panel(state, "moved").values)(12, 24), WithinAbs(-.0010904, 1e-7));
    CHECK((*panel(state, "moved").values)(12, 22) == 0);
    const bool outlier =
        std::any_of(state.regions.begin(), state.regions.end(), [](const TraceRegion& region) {
            return region.kind == RegionKind::Outlier && region.col == 5;
        });
    CHECK(outlier);
}

TEST_CASE("F1 at the end: losses, errors, the lesson") {
    const auto trace = told("gptq:per=row", f1());
    REQUIRE(trace->curves.size() == 1);
    const auto& series = trace->curves[0].series;
    REQUIRE(series.size() == 2);
    CHECK(series[0].x.size() == 65);
    CHECK_THAT(series[0].y.back(), WithinAbs(3.08806, 5e-6));
    CHECK_THAT(series[1].y.back(), WithinAbs(12.79, 5e-3));
    CHECK_THAT(trace->loss->summed, WithinRel(trace->loss->direct, 1e-9));
    CHECK_THAT(trace->summary[0].value, WithinAbs(.09079, 5e-6));
    CHECK_THAT(trace->summary[1].value, WithinAbs(.03980, 5e-6));
    CHECK_THAT(trace->summary[2].value, WithinAbs(.0905, 5e-5));
    CHECK_THAT(trace->summary[3].value, WithinAbs(.2102, 5e-5));
    CHECK(trace->lesson.find("further from the original") != std::string::npos);
}

TEST_CASE("every state follows from the one before by what it moved; finished columns stay") {
    for (const char* scheme : {"gptq:per=row",
                               "gptq:bits=3,group=8,block=16",
                               "gptq:group=16,act_order=true",
                               "gptq:group=16,act_order=true,static_groups=true,symmetric=true",
                               "magnitude:pattern=2:4+gptq:bits=3,group=16"}) {
        for (const SchemeInput& input :
             {f1(), random(24, 40, 96, 5), random(5, 33, 20, 6), referenceRun()}) {
            CAPTURE(scheme, input.weights->rows(), input.weights->cols());
            const auto trace = told(scheme, input);
            const std::int64_t cols = input.weights->cols();
            const Matrix<double>* before = nullptr;
            for (std::int64_t k = 0; k < cols; ++k) {
                const TraceState& state = trace->states[static_cast<std::size_t>(k)];
                const Matrix<double>& now = *panel(state, "weights").values;
                const Matrix<double>& moved = *panel(state, "moved").values;
                double worst = 0;
                for (std::int64_t row = 0; before != nullptr && row < now.rows(); ++row) {
                    for (std::int64_t col = 0; col < cols; ++col) {
                        const double step = now(row, col) - (*before)(row, col);
                        if (col < k) {
                            REQUIRE(step == 0);
                        }
                        worst = std::max(worst, std::fabs(step - moved(row, col)));
                    }
                }
                CHECK(worst < 1e-7);
                before = &now;
            }
            const auto applied = applyScheme(parseScheme(scheme).value(), input).value();
            Matrix<double> values(input.weights->rows(), cols);
            REQUIRE(applied->quantized->read(0, values.rows(), values.data()).has_value());
            CHECK(*panel(trace->states.back(), "weights").values == values);
            CHECK(*trace->result == values);
            CHECK_THAT(trace->loss->summed, WithinRel(trace->loss->direct, 1e-9));
            CHECK_THAT(trace->curves[0].series[0].y.back(), WithinRel(trace->loss->summed, 1e-12));
        }
    }
}

TEST_CASE("the toys: the hand example's inputs and the reference run") {
    const auto run = told("gptq:bits=3,per=row", referenceRun());
    REQUIRE(run->states.size() == 4);
    CHECK_THAT(run->loss->summed, WithinAbs(.060496, 1e-6));
    CHECK_THAT((*panel(run->states[0], "factor").values)(0, 1), WithinAbs(-1.572539, 1e-6));
    CHECK(run->explain(2, {1, 2})[0].note == "code 2");
    const auto hand = told("gptq:bits=2,per=row,damp=0", handExample());
    REQUIRE(hand->states.size() == 2);
    CHECK_THAT((*panel(hand->states[0], "factor").values)(0, 0), WithinAbs(1.6222, 1e-4));
    CHECK_THAT((*panel(hand->states[0], "factor").values)(0, 1), WithinAbs(-1.46, 1e-4));
    CHECK_THAT((*panel(hand->states[1], "factor").values)(0, 1), WithinAbs(.7071, 1e-4));
}

TEST_CASE("act_order shows the columns loudest first, and puts them back") {
    const auto trace = told("gptq:per=row,act_order=true", f1());
    REQUIRE(trace->states.size() == 65);
    const auto& order = panel(trace->states[0], "weights").columnOrder;
    REQUIRE(order != nullptr);
    CHECK(order->front() == 5);  // the outlier channel
    CHECK(trace->states[0].title == "Column 5");
    CHECK(panel(trace->states[64], "weights").columnOrder == nullptr);
    CHECK_FALSE(trace->explain(64, {3, 5}).empty());
    CHECK_THAT(trace->curves[0].series[0].y.back(), WithinAbs(1.95362, 5e-6));
}

TEST_CASE("a long row is told in at most 512 states") {
    const SchemeInput input = random(2, 1400, 40, 9);
    const auto trace = told("gptq:group=128", input);
    const auto applied = applyScheme(parseScheme("gptq:group=128").value(), input).value();
    CHECK(*trace->result == readWhole(*applied->quantized).value());
    CHECK(*panel(trace->states.back(), "weights").values == *trace->result);
    CHECK(trace->states.size() <= 512);
    CHECK(trace->states.back().marker == 1400.0);
    CHECK(trace->curves[0].series[0].x.size() == 1401);
    CHECK_THAT(trace->loss->summed, WithinRel(trace->loss->direct, 1e-3));  // in float
}
