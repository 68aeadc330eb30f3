// SPDX-License-Identifier: Apache-2.0
// What the traces of smoothquant, awq, llm_int8 and integer products tell, on toys and on F1.
#include "core/experiment/trace_scheme.hpp"
#include "tests/unit/scheme/layer_fixture.hpp"

#include <algorithm>

using namespace loupe;
using namespace loupe::actlayers;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const Trace> traceOf(const std::string& text, const SchemeInput& input) {
    Result<std::shared_ptr<const Trace>> trace = traceScheme(parseScheme(text).value(), input);
    REQUIRE(trace.has_value());
    return *trace;
}

const TracePanel* panelOf(const TraceState& state, std::string_view id) {
    const auto found = std::find_if(state.panels.begin(),
                                    state.panels.end(),
                                    [&](const TracePanel& panel) { return panel.id == id; });
    return found == state.panels.end() ? nullptr : &*found;
}

/// The first state with that panel in front.
std::size_t stateWith(const Trace& trace, std::string_view panel) {
    for (std::size_t i = 0; i < trace.states.size(); ++i) {
        if (trace.states[i].panels[0].id == panel) {
            return i;
        }
    }
    FAIL("no state begins with panel " << panel);
    return 0;
}

double figure(const std::vector<TraceFigure>& figures, std::string_view label) {
    const auto found = std::find_if(
        figures.begin(), figures.end(), [&](const TraceFigure& f) { return f.label == label; });
    REQUIRE(found != figures.end());
    return found->value;
}

std::vector<double> valuesOf(const TracePanel& panel) {
    return {panel.values->data(), panel.values->data() + panel.values->size()};
}

}  // namespace

TEST_CASE("LLM.int8() told: columns rearranged, codes, both parts, the sum") {
    const SchemeInput toy =
        layer(makeRowSource(
                  3, 4, std::vector<double>{.2, .7, -.1, .4, -.5, .3, .6, -.2, .1, -.4, .2, .9}),
              makeRowSource(2, 4, std::vector<double>{0.5, -0.3, 7.2, 1.1, -0.8, 0.2, -0.4, 0.9}));
    const auto trace = traceOf("llm_int8", toy);
    const TraceState& split = trace->states[stateWith(*trace, "x_split")];
    CHECK(*split.panels[0].columnOrder == std::vector<std::int64_t>{0, 1, 3, 2});
    CHECK(valuesOf(split.panels[0])[3] == 7.2);
    REQUIRE(split.regions.size() == 2);
    CHECK(split.regions[0].col == 3);
    const std::size_t codes = stateWith(*trace, "x_codes");
    CHECK(valuesOf(trace->states[codes].panels[0]) ==
          std::vector<double>{58, -35, 127, -113, 28, 127});
    const auto notes = trace->explain(codes, {0, 0});
    REQUIRE(notes.size() == 2);
    CHECK(notes[0].result == "58");
    CHECK(notes[0].substituted.find("0.5 / 0.00866142") != std::string::npos);
    const TraceState& sum = trace->states[stateWith(*trace, "output")];
    CHECK_THAT(figure(sum.figures, "RMS error"), WithinRel(0.001634, 0.01));
    CHECK_THAT(figure(traceOf("llm_int8:variant=bitsandbytes", toy)
                          ->states[stateWith(*trace, "output")]
                          .figures,
                      "RMS error"),
               WithinRel(0.005412, 0.01));
    const auto f1 = traceOf("llm_int8", layerF1());
    CHECK_THAT(figure(f1->summary, "Output error"), WithinRel(0.00302, 0.01));
    CHECK_THAT(figure(f1->summary, "Output error of vector-wise int8"), WithinRel(0.01728, 0.01));
    CHECK(panelOf(f1->states[0], "x")->values->rows() == 64);
    CHECK(panelOf(f1->states[0], "x")->subtitle.find("the first 64 of 256 tokens") !=
          std::string::npos);
    // Nothing but outliers, and none at all.
    CHECK(*traceOf("llm_int8:threshold=0", toy)->result == read(*toy.weights));
    CHECK(traceOf("llm_int8:threshold=100", toy)->states.size() == trace->states.size() - 1);
}

TEST_CASE("SmoothQuant told: s of the paper's figure, both sides, the product unchanged") {
    const SchemeInput paper =
        layer(makeRowSource(3, 4, std::vector<double>{2, 1, 2, -1, 1, -1, -1, -1, -2, -1, -2, 1}),
              makeRowSource(2, 4, std::vector<double>{1, -16, 2, 6, -2, 8, -1, -9}));
    const auto trace = traceOf("smoothquant", paper);
    const std::size_t scale = stateWith(*trace, "s");
    const std::vector<double> s = valuesOf(trace->states[scale].panels[0]);
    const std::vector<double> expected{1, 4, 1, 3};
    for (std::size_t j = 0; j < 4; ++j) {
        CHECK_THAT(s[j], WithinAbs(expected[j], 1e-12));
    }
    CHECK(trace->explain(scale, {0, 1})[0].substituted == "16^0.5 / 1^(1 - 0.5)");
    CHECK(trace->explain(scale, {0, 1})[0].result == "4");
    const TraceState& smooth = trace->states[stateWith(*trace, "x_smooth")];
    const std::vector<double> x = valuesOf(smooth.panels[0]);
    const std::vector<double> xExpected{1, -4, 2, 2, -2, 2, -1, -3};
    const std::vector<double> w = valuesOf(*panelOf(smooth, "w_smooth"));
    const std::vector<double> wExpected{2, 4, 2, -3, 1, -4, -1, -3, -2, -4, -2, 3};
    for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK_THAT(x[i], WithinAbs(xExpected[i], 1e-12));
    }
    for (std::size_t i = 0; i < w.size(); ++i) {
        CHECK_THAT(w[i], WithinAbs(wExpected[i], 1e-12));
    }
    CHECK(figure(smooth.figures, "Change of the product") <= 1e-12);
    // alpha = 1/2: both sides are equally hard afterwards.
    const std::vector<double> xMost = valuesOf(*panelOf(smooth, "x_most"));
    const std::vector<double> wMost = valuesOf(*panelOf(smooth, "w_most"));
    for (std::size_t j = 0; j < 4; ++j) {
        CHECK_THAT(xMost[j], WithinRel(wMost[j], 1e-12));
    }
    const auto f1 = traceOf("smoothquant", layerF1());
    CHECK_THAT(figure(f1->summary, "Output error"), WithinRel(0.00512, 0.01));
    CHECK_THAT(figure(f1->summary, "Output error of rounding without s"), WithinRel(0.01728, 0.01));
}

TEST_CASE("AWQ told: the whole search curve with its best point, clipped groups") {
    const SchemeInput f1 = layerF1();
    const auto trace = traceOf("awq:group=16,clip=false", f1);
    REQUIRE(trace->curves.size() == 1);
    const TraceSeries& tried = trace->curves[0].series[0];
    REQUIRE(tried.x.size() == 20);
    CHECK_THAT(tried.y[0], WithinRel(.07487, 0.01));
    CHECK_THAT(tried.y[19], WithinRel(.0816, 0.01));
    CHECK_THAT(trace->curves[0].series[2].x[0], WithinAbs(0.35, 1e-12));
    CHECK_THAT(trace->curves[0].series[2].y[0], WithinRel(.03906, 0.01));
    CHECK_THAT(figure(trace->summary, "Output error"), WithinRel(.03906, 0.01));
    CHECK_THAT(figure(trace->summary, "Output error of plain rounding"), WithinRel(.07487, 0.01));
    const std::size_t first = stateWith(*trace, "scaled");
    for (std::size_t k = 0; k < 20; ++k) {
        CHECK_THAT(trace->states[first + k].marker.value(), WithinAbs(0.05 * double(k), 1e-12));
        CHECK_FALSE(trace->explain(first + k, {3, 5}).empty());
    }
    const auto clipped = traceOf("awq:group=16", f1);
    CHECK(clipped->states.size() == trace->states.size() + 1);
    const auto state =
        std::find_if(clipped->states.begin(), clipped->states.end(), [](const TraceState& s) {
            return panelOf(s, "shrink") != nullptr;
        });
    REQUIRE(state != clipped->states.end());
    CHECK(panelOf(*state, "shrink")->values->cols() == 4);
    CHECK_FALSE(state->regions.empty());
}

TEST_CASE("integer products told: accumulators, the four terms, the output") {
    const SchemeInput worked =
        layer(makeRowSource(2, 3, std::vector<double>{1, 0.5, -1.5, -2, 1.5, 0.75}),
              makeRowSource(2, 3, std::vector<double>{0.5, -1, 2, 1.5, 0.25, -0.75}));
    const auto trace = traceOf("zeropoint:act_bits=8,act_per=tensor", worked);
    CHECK(valuesOf(trace->states[stateWith(*trace, "acc")].panels[0]) ==
          std::vector<double>{-18560, -6857, 16284, -21485});
    const std::size_t corrected = stateWith(*trace, "corrected");
    CHECK(valuesOf(trace->states[corrected].panels[0]) ==
          std::vector<double>{-18524, -6047, 17076, -19919});
    const auto notes = trace->explain(corrected, {0, 0});
    REQUIRE(notes.size() == 5);
    CHECK(notes[0].substituted == "(-1)·91 + (-128)·54 + 127·(-91)");
    CHECK(notes[1].result == "36");
    CHECK(notes[2].result == "2322");
    CHECK(notes[3].result == "-2322");
    CHECK(notes[4].result == "-18524");
    const TraceState& output = trace->states[stateWith(*trace, "output")];
    CHECK_THAT(valuesOf(output.panels[0])[0], WithinAbs(-2.991188, 5e-7));

    const auto f1 = traceOf("absmax:bits=8,per=row,act_bits=8", layerF1());
    CHECK_THAT(figure(f1->summary, "Output error"), WithinRel(0.01728, 0.01));
    CHECK(std::none_of(f1->states.begin(), f1->states.end(), [](const TraceState& s) {
        return panelOf(s, "corrected") != nullptr;
    }));
    CHECK(figure(f1->states[stateWith(*f1, "acc")].figures, "Safe depth") == 133144);
    // Scales within a row do not come out of the sum: told weight by weight.
    CHECK(traceOf("absmax:group=16,act_bits=8", layerF1())->states[0].panels.size() == 1);
    const auto wide = traceScheme(parseScheme("absmax:bits=16,act_bits=16").value(), layerF1());
    REQUIRE_FALSE(wide.has_value());
    CHECK(wide.error().what.find("overflows") != std::string::npos);
}

TEST_CASE("traces of activation-aware steps end with the step's result") {
    const SchemeInput layers[] = {layerF1(), randomLayer(24, 40, 96, 3)};
    for (const SchemeInput& input : layers) {
        for (const char* text : {"llm_int8",
                                 "llm_int8:threshold=2,variant=bitsandbytes",
                                 "smoothquant:bits=4,alpha=0.75",
                                 "smoothquant:per=tensor,act_per=tensor,act_range=percentile",
                                 "awq:group=16",
                                 "awq:bits=3,group=24,clip=false",
                                 "absmax:bits=8,per=row,act_bits=8",
                                 "zeropoint:bits=4,per=row,act_bits=6"}) {
            CAPTURE(text);
            const auto trace = traceOf(text, input);
            const Matrix<double> after = read(*applyStep(text, input).weights);
            CHECK(*trace->result == after);
            CHECK(*panelOf(trace->states.back(), "weights")->values == after);
        }
    }
}
