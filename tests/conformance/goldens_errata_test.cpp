// SPDX-License-Identifier: Apache-2.0
// The slides' errata that concern schemes (the specification's section 11): what the program
// computes and shows is the corrected statement. resources/help/developers/goldens.md lists them.
#include "core/experiment/trace_scheme.hpp"
#include "core/quant/integer_product.hpp"
#include "tests/conformance/golden_support.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <type_traits>

using namespace loupe;
using namespace loupe::goldens;

namespace {

double figureOf(const std::vector<EquationLine>& lines, std::string_view label) {
    for (const EquationLine& line : lines) {
        if (line.label == label) {
            return std::stod(line.result);
        }
    }
    return NAN;
}

}  // namespace

TEST_CASE("errata E6, E7: eight bits have 256 codes, the restricted range 255") {
    const SchemeInput slide = weightsOnly(rowsOf(fixtureV(false)));
    CHECK(run("zeropoint", slide)->quantized->levels(0, 0).size() == 256);
    CHECK(run("absmax:range=full", slide)->quantized->levels(0, 0).size() == 256);
    CHECK(run("absmax", slide)->quantized->levels(0, 0).size() == 255);
    CHECK(run("zeropoint:range=restricted", slide)->quantized->levels(0, 0).size() == 255);
}

TEST_CASE("errata E9: 255 steps between the smallest and the largest weight") {
    const auto result = run("zeropoint", weightsOnly(rowsOf(fixtureV(false))));
    CHECK_THAT(1 / result->quantized->scales()->values[0], WithinAbs(13.866, 5e-4));
    CHECK_THAT(figureOf(result->quantized->explain(0, 0), "scale"), WithinRel(18.39 / 255, 1e-5));
}

TEST_CASE("errata E10: smaller steps, and yet the larger error on the slide vector at four bits") {
    const SchemeInput slide = weightsOnly(rowsOf(fixtureV(false)));
    const auto symmetric = run("absmax:bits=4", slide);
    const auto asymmetric = run("zeropoint:bits=4", slide);
    CHECK(asymmetric->quantized->scales()->values[0] < symmetric->quantized->scales()->values[0]);
    CHECK(asymmetric->metrics.mse > symmetric->metrics.mse);
    // At three bits and on all other widths of the slide the statement holds.
    CHECK(run("zeropoint:bits=3", slide)->metrics.mse < run("absmax:bits=3", slide)->metrics.mse);
    CHECK(run("zeropoint", slide)->metrics.mse < run("absmax", slide)->metrics.mse);
}

TEST_CASE("errata E13: 5 % clipped is worse than nothing clipped, .1 % and less is better") {
    const SchemeInput normal =
        weightsOnly(rowsOf(static_cast<std::int64_t>(normalData().size()), normalData()));
    const double open = decibels("absmax", normal);
    CHECK(decibels("absmax:percentile=95", normal) < open - 20);
    CHECK(decibels("absmax:percentile=99", normal) < open - 10);
    CHECK(decibels("absmax:percentile=99.99", normal) > open);
}

TEST_CASE("errata E15: 128 steps for the largest weight, and no code for it: the toggle") {
    const SchemeInput slide = weightsOnly(rowsOf(fixtureV(false)));
    const auto power = run("absmax:range=power", slide);
    const auto right = run("absmax", slide);
    CHECK_THAT(1 - valuesOf(*power->quantized)(0, 6) / 10.8, WithinAbs(.0078, 5e-5));
    CHECK_THAT(valuesOf(*right->quantized)(0, 6), WithinAbs(10.8, 1e-12));
    CHECK(power->metrics.mse > right->metrics.mse);
    // Played: the state that rounds names the 128 which is clamped.
    const auto trace = traceScheme(parseScheme("absmax:range=power").value(), slide).value();
    bool said = false;
    for (std::size_t state = 0; state < trace->states.size(); ++state) {
        for (const TraceNote& note : trace->explain(state, {0, 6})) {
            said = said ||
                   (note.substituted + note.result + note.note).find("128") != std::string::npos;
        }
    }
    CHECK(said);
}

TEST_CASE("errata E18: the product of codes is 32 bits wide") {
    static_assert(std::is_same_v<decltype(IntegerProduct::accumulators), Matrix<std::int32_t>>);
    CHECK(safeDepth(127, 127) > 100000);
}

TEST_CASE("errata E22: GPTQ walks over the columns of all rows in one order, E23 offline") {
    // With act_order every row has the same order: exchanging rows exchanges results.
    const FixtureF1 f1 = fixtureF1();
    Matrix<double> swapped = f1.weight;
    std::swap_ranges(swapped.row(0).begin(), swapped.row(0).end(), swapped.row(9).begin());
    const std::string scheme = "gptq:per=row,act_order=true";
    const Matrix<double> before =
        valuesOf(*run(scheme, layerOf(f1.weight, f1.activations))->quantized);
    const Matrix<double> after =
        valuesOf(*run(scheme, layerOf(swapped, f1.activations))->quantized);
    CHECK(std::equal(before.row(0).begin(), before.row(0).end(), after.row(9).begin()));
    CHECK(std::equal(before.row(9).begin(), before.row(9).end(), after.row(0).begin()));
    CHECK(applyScheme(parseScheme(scheme).value(), weightsOnly(rowsOf(f1.weight))).error().code ==
          ErrorCode::Missing);  // it needs calibration
}

TEST_CASE(
    "errata E24, E25: SmoothQuant divides activations, multiplies weights; s may be below 1") {
    const FixtureF1 f1 = fixtureF1();
    StepInput input;
    input.weights = rowsOf(f1.weight);
    input.activations = rowsOf(f1.activations);
    const StepDefinition* step = findStep("smoothquant");
    const Scheme usual = parseScheme("smoothquant:bits=16").value();
    const StepOutput half = step->apply(input, Params(step->params, usual.steps[0]), {}).value();
    // The outlier channel's is the largest scale of all: its difficulty moves into the weights.
    const std::span<const double> scales = half.weights->channelScale();
    CHECK(std::max_element(scales.begin(), scales.end()) - scales.begin() == 5);
    // A channel as loud as its weights keeps s = 1, a quieter one has less.
    const Matrix<double> w = [] {
        Matrix<double> m(1, 2);
        m(0, 0) = 4;
        m(0, 1) = 1;
        return m;
    }();
    const Matrix<double> x = [] {
        Matrix<double> m(1, 2);
        m(0, 0) = 1;
        m(0, 1) = 16;
        return m;
    }();
    StepInput toy;
    toy.weights = rowsOf(w);
    toy.activations = rowsOf(x);
    const StepOutput both = step->apply(toy, Params(step->params, usual.steps[0]), {}).value();
    CHECK_THAT(both.weights->channelScale()[0], WithinAbs(.5, 1e-12));
    CHECK_THAT(both.weights->channelScale()[1], WithinAbs(4, 1e-12));
    // The picture of it: the last panels' weights are W·s, the activations X/s.
    const auto trace = traceScheme(parseScheme("smoothquant").value(), layerOf(w, x)).value();
    const auto shows = [&](double first, double second, std::string_view title) {
        for (const TraceState& state : trace->states) {
            for (const TracePanel& panel : state.panels) {
                if (panel.values->cols() == 2 && panel.title == title &&
                    std::fabs((*panel.values)(0, 0) - first) < 1e-9 &&
                    std::fabs((*panel.values)(0, 1) - second) < 1e-9) {
                    return true;
                }
            }
        }
        return false;
    };
    CHECK(shows(2, 4, "X / s"));
    CHECK(shows(2, 4, "W · s"));
}

TEST_CASE("errata E28: AWQ's search is a grid over one exponent, of twenty points, never 1") {
    const auto trace = traceScheme(parseScheme("awq:group=16").value(), layerF1()).value();
    REQUIRE_FALSE(trace->curves.empty());
    const TraceSeries& curve = trace->curves[0].series[0];
    REQUIRE(curve.x.size() == 20);
    CHECK(curve.x.front() == 0);
    CHECK_THAT(curve.x.back(), WithinAbs(.95, 1e-12));
}

TEST_CASE("errata E29: N:M keeps N of every M") {
    const auto result = run("magnitude:pattern=1:4", layerF1());
    CHECK(result->zeros == 2048 / 4 * 3);
}

TEST_CASE("errata E30: the threshold of outliers is 6") {
    const auto six = run("llm_int8", layerF1());
    const auto ten = run("llm_int8:threshold=10", layerF1());
    CHECK(toString(six->scheme) == toString(parseScheme("llm_int8:threshold=6").value()));
    CHECK(toString(ten->scheme) != toString(six->scheme));
}

TEST_CASE("errata E33: the energy that pruning loses is that of the pruned weights") {
    const FixtureF1 f1 = fixtureF1();
    const auto result = run("magnitude", layerF1());
    const Matrix<double> after = valuesOf(*result->quantized);
    double pruned = 0;
    for (std::int64_t i = 0; i < after.size(); ++i) {
        pruned += after.data()[i] == 0 ? f1.weight.data()[i] * f1.weight.data()[i] : 0;
    }
    CHECK_THAT(result->metrics.mse * 2048, WithinRel(pruned, 1e-9));
}

TEST_CASE("errata E36: a scale per token cannot be fixed beforehand") {
    const auto scheme = parseScheme("absmax:act_bits=8,act_per=token,act_range=max");
    REQUIRE_FALSE(scheme.has_value());
    CHECK(scheme.error().what.find("act_range") != std::string::npos);
}

TEST_CASE("errata E37: only columns to the right of the current one move") {
    const auto trace =
        traceScheme(parseScheme("sparsegpt").value(),
                    layerOf(toyLayer("toy-gptq").weight, toyLayer("toy-gptq").activations))
            .value();
    // What a finished column holds, it holds to the end.
    const Matrix<double>& last = *trace->states.back().panels[0].values;
    CHECK(last == *trace->result);
    for (const TraceState& state : trace->states) {
        for (const TraceRegion& region : state.regions) {
            if (region.kind == RegionKind::Done) {
                for (std::int64_t j = region.col; j < region.col + region.cols; ++j) {
                    CHECK((*state.panels[0].values)(0, j) == last(0, j));
                }
            }
        }
    }
}

TEST_CASE("errata E38: |w·g| is a product, not two conditions") {
    SchemeInput input = weightsOnly(rowsOf(4, {4, 1, -2, 3}));
    input.gradients = rowsOf(4, {.1, -9, 1, 0});
    // The largest weight goes for its small gradient, the largest product stays.
    const Matrix<double> after = valuesOf(*run("gradient", input)->quantized);
    CHECK((after(0, 0) == 0 && after(0, 1) == 1 && after(0, 2) == -2 && after(0, 3) == 0));
}

TEST_CASE("errata E42: H or H/2, the same result") {
    // Activations times 2^k multiply H by 4^k: no weight of a solver changes.
    const FixtureF1 f1 = fixtureF1();
    Matrix<double> louder = f1.activations;
    for (std::int64_t i = 0; i < louder.size(); ++i) {
        louder.data()[i] *= 4;
    }
    for (const char* scheme : {"gptq:per=row", "sparsegpt", "obs"}) {
        CAPTURE(scheme);
        CHECK(valuesOf(*run(scheme, layerOf(f1.weight, louder))->quantized) ==
              valuesOf(*run(scheme, layerF1())->quantized));
    }
}
