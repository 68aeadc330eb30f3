// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/trace_scheme.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace loupe;

namespace {

SchemeInput only(std::shared_ptr<const RowSource> weights) {
    return {std::move(weights), 32, nullptr, 0, nullptr};
}

std::shared_ptr<const Trace> traceOf(const char* text,
                                     const std::shared_ptr<const RowSource>& weights) {
    return traceScheme(parseScheme(text).value(), only(weights)).value();
}

/// The stage that a state is at: those before it stand above it.
const Matrix<double>& stage(const TraceState& state) {
    return *std::find_if(state.panels.begin(), state.panels.end(), [](const TracePanel& panel) {
                return panel.id == "weights";
            })->values;
}

}  // namespace

TEST_CASE("a trace ends with the step's result bit for bit") {
    const Matrix<double> fixture = fixtureM();
    std::vector<float> single(static_cast<std::size_t>(fixture.size()));
    std::transform(fixture.data(), fixture.data() + fixture.size(), single.begin(), [](double x) {
        return static_cast<float>(x) - 7.5F;
    });
    const auto weights = makeRowSource(fixture.rows(), fixture.cols(), single);
    for (const char* text : {"absmax",
                             "absmax:bits=4,group=3",
                             "absmax:bits=3,per=column,clip=mse",
                             "zeropoint:bits=4,per=row",
                             "zeropoint:bits=4,clip_value=-3..10",
                             "absmax:range=power",
                             "absmax:bits=4,per=row,percentile=90"}) {
        CAPTURE(text);
        const std::shared_ptr<const Trace> trace = traceOf(text, weights);
        const auto result = applyScheme(parseScheme(text).value(), only(weights)).value();
        std::vector<double> values(single.size());
        REQUIRE(result->quantized->read(0, 10, values.data()).has_value());
        CHECK(std::equal(values.begin(), values.end(), stage(trace->states.back()).data()));
        CHECK(*trace->result == stage(trace->states.back()));
        std::vector<std::int32_t> codes(single.size());
        REQUIRE(result->quantized->codes(0, 10, codes.data()).has_value());
        const Matrix<double>& clamped = stage(trace->states[trace->states.size() - 2]);
        CHECK(std::equal(codes.begin(), codes.end(), clamped.data(), [](std::int32_t a, double b) {
            return a == b;
        }));
    }
}

TEST_CASE("a trace shows what the search tried and what was clamped") {
    const auto slide =
        makeRowSource(1, 7, std::vector<float>{5.47F, 3.08F, -7.59F, 0.0F, -1.95F, -4.57F, 10.8F});
    const auto power = traceOf("absmax:range=power", slide);
    const TraceState& clamp = power->states[power->states.size() - 2];
    REQUIRE(clamp.regions.size() == 1);
    CHECK(clamp.regions[0].kind == RegionKind::Clamped);
    CHECK(clamp.regions[0].col == 6);
    CHECK(stage(power->states[power->states.size() - 3])(0, 6) == 128);
    const auto search = traceOf("absmax:bits=3,clip=mse", slide);
    REQUIRE(search->curves.size() == 1);
    const TraceSeries& tried = search->curves[0].series[0];
    CHECK(tried.x.size() >= 256);
    CHECK(tried.x[0] == static_cast<double>(10.8F));  // the widest first
    CHECK(*std::min_element(tried.y.begin(), tried.y.end()) <= tried.y[0]);
    CHECK_FALSE(
        traceScheme(parseScheme("absmax:rounding=stochastic").value(), only(slide)).has_value());
}

TEST_CASE("colour ranges hold what grows, and ranges of different things stay apart") {
    // OBS by hand: the first weight grows from 1 to 1.25, in one range through all states.
    const ToyLayer toy = toyLayer("toy-obs");
    const auto rows = [](const Matrix<double>& m) {
        return makeRowSource(
            m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
    };
    const SchemeInput layer{rows(toy.weight), 64, rows(toy.activations), 0, nullptr};
    const auto obs = traceScheme(parseScheme("obs:sparsity=0.34").value(), layer).value();
    for (const TraceState& state : obs->states) {
        CHECK(std::fabs(state.panels[0].limit - 1.25) < 1e-12);
    }
    // Absmax at 4 bits: weights up to 63.65, codes up to 7.
    const SchemeInput matrix{rows(fixtureM()), 64, nullptr, 0, nullptr};
    const auto absmax = traceScheme(parseScheme("absmax:bits=4").value(), matrix).value();
    bool found = false;
    for (const TraceState& state : absmax->states) {
        for (const TracePanel& panel : state.panels) {
            if (panel.title == "Rounded" || panel.kind == PanelKind::Codes) {
                found = true;
                CHECK(panel.limit <= 8);
            }
        }
    }
    CHECK(found);
}
