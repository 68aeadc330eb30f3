// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/trace.hpp"

#include "core/io/fixtures.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace loupe;

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
        const Scheme scheme = parseScheme(text).value();
        const Trace trace = traceScheme(scheme, weights).value();
        const StepDefinition* definition = findStep(scheme.steps[0].name);
        StepInput input;
        input.weights = weights;
        const StepOutput output =
            definition->apply(input, Params(definition->params, scheme.steps[0]), {}).value();
        std::vector<double> values(single.size());
        REQUIRE(output.weights->read(0, 10, values.data()).has_value());
        const Matrix<double>& last = trace.states.back().values;
        CHECK(std::equal(values.begin(), values.end(), last.data()));
        std::vector<std::int32_t> codes(single.size());
        REQUIRE(output.weights->codes(0, 10, codes.data()).has_value());
        const Matrix<double>& clamped = trace.states[trace.states.size() - 2].values;
        CHECK(std::equal(codes.begin(), codes.end(), clamped.data(), [](std::int32_t a, double b) {
            return a == b;
        }));
        CHECK(trace.states.size() == 1 + output.weights->scales()->values.size() + 4);
    }
}

TEST_CASE("a trace shows what the search tried and what was clamped") {
    const auto slide =
        makeRowSource(1, 7, std::vector<float>{5.47F, 3.08F, -7.59F, 0.0F, -1.95F, -4.57F, 10.8F});
    const Trace power = traceScheme(parseScheme("absmax:range=power").value(), slide).value();
    const TraceState& clamp = power.states[power.states.size() - 2];
    CHECK(clamp.affected == std::vector<TraceCell>{{0, 6}});
    CHECK(power.states[power.states.size() - 3].values(0, 6) == 128);
    CHECK(traceScheme(parseScheme("absmax").value(), slide).value().states[1].formula ==
          "a = 10.8, scale = 0.0850394");
    const Trace search = traceScheme(parseScheme("absmax:bits=3,clip=mse").value(), slide).value();
    const TraceState& bound = search.states[1];
    REQUIRE(bound.candidates.size() == bound.errors.size());
    CHECK(bound.candidates.size() >= 256);
    CHECK(bound.candidates[0] == static_cast<double>(10.8F));  // the widest first
    CHECK(*std::min_element(bound.errors.begin(), bound.errors.end()) <= bound.errors[0]);
    CHECK_FALSE(traceScheme(parseScheme("cast").value(), slide).has_value());
}
