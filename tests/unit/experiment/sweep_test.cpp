// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/sweep.hpp"

#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <stop_token>

using namespace loupe;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const RowSource> source(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

SchemeInput f1() {
    const FixtureF1 fixture = fixtureF1();
    SchemeInput input;
    input.weights = source(fixture.weight);
    input.activations = source(fixture.activations);
    return input;
}

Scheme scheme(const std::string& text) {
    return parseScheme(text).value();
}

std::vector<std::string> values(const std::string& of, const std::string& range) {
    const Result<SweepAxis> axis = parseSweepAxis(scheme(of), range);
    CAPTURE(range);
    REQUIRE(axis.has_value());
    return axis->values;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("sweep: ranges") {
    CHECK(values("absmax", "bits=2..5") == Texts{"2", "3", "4", "5"});
    CHECK(values("absmax:group=64", "group=16..128") == Texts{"16", "32", "64", "128"});
    CHECK(values("magnitude", "sparsity=0.1:0.5:0.1") == Texts{"0.1", "0.2", "0.3", "0.4", "0.5"});
    CHECK(values("smoothquant", "alpha=0:1:0.25") == Texts{"0", "0.25", "0.5", "0.75", "1"});
    CHECK(values("magnitude", "sparsity=0.01:0.1:x10") == Texts{"0.01", "0.1"});
    CHECK(values("absmax", "clip=none,mse") == Texts{"none", "mse"});
    CHECK(values("magnitude", "pattern=1:4,2:4") == Texts{"1:4", "2:4"});
    CHECK(values("absmax", "bits=8") == Texts{"8"});
    CHECK(values("wanda+absmax", "wanda.sparsity=0.5,0.6") == Texts{"0.5", "0.6"});
    for (const char* bad : {"bits",
                            "bits=",
                            "=2..4",
                            "bits=4..2",
                            "bits=2..99999",
                            "bits=2:8:0",
                            "bits=8:2:1",
                            "bits=0:8:x2",
                            "bits=a,b",
                            "bits=2,,4",
                            "bits=nan:1:2",
                            "bits=0:1e300:1",
                            "depth=1..2"}) {
        CAPTURE(bad);
        const auto axis = parseSweepAxis(scheme("absmax"), bad);
        REQUIRE_FALSE(axis.has_value());
        CHECK(axis.error().code == ErrorCode::Usage);
    }
    CHECK(parseSweepAxis(scheme("absmax"), "depth=1..2").error().what.find("bits, per, group") !=
          std::string::npos);
}

TEST_CASE("sweep: every suggested range is one") {
    for (const StepDefinition* step : allSteps()) {
        for (const SweepKey& key : sweepKeys(scheme(std::string(step->id)))) {
            CAPTURE(step->id);
            CAPTURE(key.key);
            const auto axis =
                parseSweepAxis(scheme(std::string(step->id)), key.key + "=" + key.suggested);
            CHECK(axis.has_value());
        }
    }
}

TEST_CASE("sweep: SmoothQuant's alpha on F1") {
    const Scheme method = scheme("smoothquant");
    const SweepAxis axis = parseSweepAxis(method, "alpha=0.25:1:0.25").value();
    const SweepResult result = runSweep({method}, axis, f1()).value();
    REQUIRE(result.series.size() == 1);
    REQUIRE(result.series[0].points.size() == 4);
    const double expected[] = {0.00719, 0.00512, 0.00927, 0.01803};
    for (std::size_t i = 0; i < 4; ++i) {
        const SweepPoint& point = result.series[0].points[i];
        CHECK_THAT(*point.figures.metrics.outputRelativeError, WithinRel(expected[i], 0.01));
        CHECK(*point.number == 0.25 * static_cast<double>(i + 1));
    }
    CHECK(result.series[0].points[1].scheme == "smoothquant");
}

TEST_CASE("sweep: damping, threshold, group size and bits on F1") {
    struct Curve {
        const char* scheme;
        const char* range;
        std::vector<double> output;  ///< spec/algorithms.md 4.3, 4.5, 5.1, 5.4
    };
    const Curve kCurves[] = {
        {"gptq:bits=3,per=row", "damp=0.001:1:x10", {.08001, .08300, .10138, .14087}},
        {"gptq:per=row", "bits=2..4", {.25589, .08300, .03980}},
        {"gptq:bits=4,group=64", "group=16,64", {.03258, .03980}},
        {"zeropoint:bits=4,group=64", "group=16,64", {.07487, .09079}},
        {"hqq:group=16", "bits=2..4", {.26770, .10207, .05537}},
        {"llm_int8", "threshold=6,1000", {.00302, .01728}},
        {"llm_int8:variant=bitsandbytes", "threshold=6,1000", {.00610, .01728}},
    };
    for (const Curve& curve : kCurves) {
        CAPTURE(curve.scheme);
        const Result<SweepAxis> axis = parseSweepAxis(scheme(curve.scheme), curve.range);
        REQUIRE(axis.has_value());
        const Result<SweepResult> result = runSweep({scheme(curve.scheme)}, *axis, f1());
        REQUIRE(result.has_value());
        const SweepSeries& series = result->series.front();
        CHECK(series.errors.empty());
        REQUIRE(series.points.size() == curve.output.size());
        for (std::size_t i = 0; i < curve.output.size(); ++i) {
            CAPTURE(series.points[i].value);
            REQUIRE(series.points[i].figures.metrics.outputRelativeError.has_value());
            CHECK_THAT(*series.points[i].figures.metrics.outputRelativeError,
                       WithinRel(curve.output[i], 2e-3));
        }
    }
}

TEST_CASE("sweep: pruning on F1, methods overlaid, equal to applyScheme") {
    const std::vector<Scheme> methods{scheme("magnitude:scope=row"), scheme("wanda")};
    const SweepAxis axis = parseSweepAxis(methods[0], "sparsity=0.5:0.7:0.1").value();
    const SchemeInput input = f1();
    std::vector<std::size_t> order;
    const SweepResult result =
        runSweep(methods,
                 axis,
                 input,
                 [&](std::size_t series, const SweepPoint* point, const SweepError*) {
                     CHECK(point != nullptr);
                     order.push_back(series);
                 })
            .value();
    CHECK(order == std::vector<std::size_t>{0, 1, 0, 1, 0, 1});
    const double expected[2][3] = {{0.3336, 0.4094, 0.5321}, {0.1021, 0.1349, 0.1670}};
    for (std::size_t s = 0; s < 2; ++s) {
        for (std::size_t i = 0; i < 3; ++i) {
            const SweepPoint& point = result.series[s].points[i];
            CAPTURE(point.scheme);
            CHECK_THAT(*point.figures.metrics.outputRelativeError, WithinRel(expected[s][i], 0.01));
            const auto applied = applyScheme(scheme(point.scheme), input).value();
            CHECK(applied->metrics.mse == point.figures.metrics.mse);
            CHECK(applied->bitsPerWeight == point.figures.bitsPerWeight);
        }
    }
}

TEST_CASE("sweep: what fails is told, the rest goes on; cancellation") {
    const SchemeInput input = f1();
    const Scheme absmax = scheme("absmax");
    const SweepAxis axis = parseSweepAxis(absmax, "bits=1,4,99").value();
    const SweepResult result = runSweep({absmax}, axis, input).value();
    REQUIRE(result.series[0].points.size() == 1);
    CHECK(result.series[0].points[0].value == "4");
    REQUIRE(result.series[0].errors.size() == 2);
    CHECK(result.series[0].errors[1].what.find("bits") != std::string::npos);

    std::stop_source stop;
    const JobContext ctx(stop.get_token(), std::make_shared<Progress>());
    const auto stopAtOnce = [&](std::size_t, const SweepPoint*, const SweepError*) {
        stop.request_stop();
    };
    CHECK_THROWS_AS(runSweep({absmax}, axis, input, stopAtOnce, ctx), Cancelled);
}

TEST_CASE("sweep: a composition's steps are told apart") {
    const Scheme both = scheme("wanda+absmax:bits=4,per=row");
    CHECK(toString(withSweepValue(both, "sparsity", "0.7").value()) ==
          "wanda:sparsity=0.7+absmax:bits=4,per=row");
    CHECK(toString(withSweepValue(both, "absmax.bits", "3").value()) ==
          "wanda+absmax:bits=3,per=row");
    CHECK(sweepTitle(both, "sparsity") == "Wanda + Absmax, symmetric, bits=4, per=row");
    CHECK(sweepTitle(both, "bits") == "Wanda + Absmax, symmetric, per=row");
    CHECK(sweepTitle(both, "alpha") == title(both));
    CHECK_FALSE(withSweepValue(both, "wanda.bits", "3").has_value());
}
