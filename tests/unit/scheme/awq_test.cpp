// SPDX-License-Identifier: Apache-2.0
#include "core/quant/awq.hpp"

#include "core/base/cpu_dispatch.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/awq_kernels.hpp"
#include "core/quant/awq_panels.hpp"
#include "tests/unit/scheme/layer_fixture.hpp"

#include <algorithm>
#include <array>
#include <limits>

using namespace loupe;
using namespace loupe::actlayers;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

AwqResult search(const std::string& text,
                 const SchemeInput& input,
                 AwqCurve curve = AwqCurve::Whole) {
    const Scheme scheme = parseScheme(text).value();
    const Params params(findStep("awq")->params, scheme.steps[0]);
    StepInput step;
    step.weights = input.weights;
    step.activations = input.activations;
    step.calibrationRows = input.calibrationRows;
    Result<AwqResult> result =
        searchAwq(step, awqSpec(params), params.integer("grid"), params.flag("clip"), curve, {});
    REQUIRE(result.has_value());
    return std::move(*result);
}

/// Relative output errors of every ratio.
std::vector<double> relativeCurve(const std::string& text, const SchemeInput& input) {
    const Matrix<double> y = product(read(*input.activations), read(*input.weights));
    double power = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
        power += y.data()[i] * y.data()[i];
    }
    std::vector<double> curve = search(text, input).search.losses;
    for (double& loss : curve) {
        loss = std::sqrt(loss * static_cast<double>(y.size()) / power);
    }
    return curve;
}

}  // namespace

TEST_CASE("AWQ on F1: round-to-nearest at ratio 0, the best ratio, the whole curve") {
    const SchemeInput f1 = layerF1();
    const struct {
        const char* text;
        double rtn, best, ratio;
    } goldens[] = {{"awq:group=16,clip=false", .07487, .03906, .35},
                   {"awq:bits=3,group=16,clip=false", .15174, .07393, .30},
                   {"awq:bits=2,group=16,clip=false", .39421, .17912, .25}};
    for (const auto& golden : goldens) {
        CAPTURE(golden.text);
        const std::vector<double> curve = relativeCurve(golden.text, f1);
        const AwqResult result = search(golden.text, f1);
        CHECK_THAT(curve[0], WithinRel(golden.rtn, 0.01));
        CHECK_THAT(curve[result.search.best], WithinRel(golden.best, 0.01));
        CHECK_THAT(result.search.ratios[result.search.best], WithinAbs(golden.ratio, 1e-12));
        CHECK_THAT(outputError(golden.text, f1), WithinRel(golden.best, 0.01));
    }
    const double published[] = {.0749, .0529, .0621, .0443, .0535, .0455, .0459,
                                .0391, .0421, .0406, .0398, .0409, .0415, .0468,
                                .0510, .0551, .0585, .0582, .0680, .0816};
    const std::vector<double> curve = relativeCurve("awq:group=16,clip=false", f1);
    REQUIRE(curve.size() == std::size(published));
    for (std::size_t k = 0; k < curve.size(); ++k) {
        CAPTURE(k);
        CHECK_THAT(curve[k], WithinRel(published[k], 0.01));
    }
}

TEST_CASE("AWQ: what the scale keeps") {
    const SchemeInput input = randomLayer(24, 40, 96, 7);
    const AwqResult result = search("awq:group=16,clip=false", input);
    for (const double s : result.search.scales[0]) {
        CHECK(s == 1);  // ratio 0 is rounding to nearest
    }
    for (const std::vector<double>& s : result.search.scales) {
        CHECK_THAT(*std::min_element(s.begin(), s.end()) * *std::max_element(s.begin(), s.end()),
                   WithinRel(1.0, 1e-6));
    }
    CHECK(result.search.losses[result.search.best] <= result.search.losses[0]);
    CHECK_THAT(outputError("awq:group=16,clip=false,grid=1", input),
               WithinRel(outputError("zeropoint:bits=4,group=16", input), 1e-12));
    // Louder activations, the same scales: exactly where the factor is a power of two.
    std::vector<float> louder(96 * 40);
    const Matrix<double> x = read(*input.activations);
    std::transform(x.data(), x.data() + x.size(), louder.begin(), [](double v) {
        return static_cast<float>(v * 8);
    });
    const AwqResult loud =
        search("awq:group=16,clip=false", layer(input.weights, makeRowSource(96, 40, louder)));
    CHECK(loud.search.best == result.search.best);
    for (std::size_t j = 0; j < 40; ++j) {
        CHECK_THAT((*loud.scale)[j], WithinRel((*result.scale)[j], 1e-6));
    }
    const StepOutput output = applyStep("awq:group=16", input);
    CHECK(output.weights->channelScale().size() == 40);
    CHECK(output.activations == nullptr);
    CHECK_FALSE(output.weights->explain(1, 2).empty());
    CHECK_THAT(output.cost.bitsPerWeight(), WithinAbs(4 + 20.0 * 3 / 40, 1e-12));
}

TEST_CASE("AWQ: clipping lowers every group's own error and never widens") {
    const SchemeInput input = randomLayer(24, 40, 1100, 8);
    const AwqResult plain = search("awq:bits=3,group=16,clip=false", input);
    const AwqResult clipped = search("awq:bits=3,group=16", input);
    REQUIRE(clipped.clip.shrinks.size() == 24 * 3);
    CHECK(*std::max_element(clipped.clip.shrinks.begin(), clipped.clip.shrinks.end()) > 0);
    const Matrix<double> x = read(*input.activations);
    const Matrix<double> w = read(*input.weights);
    const Matrix<double> before = read(ScaledQuantized(plain.inner, plain.scale));
    const Matrix<double> after = read(ScaledQuantized(clipped.inner, clipped.scale));
    for (std::int64_t row = 0; row < 24; ++row) {
        for (std::int64_t g = 0; g < 3; ++g) {
            double errors[2] = {0, 0};
            for (std::int64_t t = 0; t < 1100; t += 2) {  // every 1100/512-th token
                double sums[2] = {0, 0};
                for (std::int64_t j = g * 16; j < std::min<std::int64_t>(g * 16 + 16, 40); ++j) {
                    sums[0] += x(t, j) * (before(row, j) - w(row, j));
                    sums[1] += x(t, j) * (after(row, j) - w(row, j));
                }
                errors[0] += sums[0] * sums[0];
                errors[1] += sums[1] * sums[1];
            }
            CHECK(errors[1] <= errors[0] * (1 + 1e-6));
        }
    }
    // The range shrinks by the factor found.
    for (std::size_t i = 0; i < clipped.clip.shrinks.size(); ++i) {
        const auto [low, high] = clipped.clip.intervals[i];
        const auto [wideLow, wideHigh] = plain.inner->boundAt(i);
        const double bound = std::max(-wideLow, wideHigh) *
                             (1 - clipped.clip.shrinks[i] / static_cast<double>(kAwqShrinkGrid));
        CHECK(std::max(-low, high) <= bound * (1 + 1e-6));
    }
}

TEST_CASE("AWQ: weights that the search clipped are counted, and those alone") {
    for (const SchemeInput& input : {randomLayer(24, 40, 1100, 8), layerF1()}) {
        const AwqResult result = search("awq:bits=3,group=16", input);
        const std::vector<double>& s = *result.scale;
        const bool single = !input.weights->isDouble();
        const Matrix<double> w = read(*input.weights);
        const std::int64_t groups = (w.cols() + 15) / 16;
        std::uint64_t outside = 0;
        for (std::int64_t row = 0; row < w.rows(); ++row) {
            for (std::int64_t j = 0; j < w.cols(); ++j) {
                const double factor = s[static_cast<std::size_t>(j)];
                const double scaled = single ? static_cast<double>(static_cast<float>(w(row, j)) *
                                                                   static_cast<float>(factor))
                                             : w(row, j) * factor;
                const auto [low, high] =
                    result.clip.intervals[static_cast<std::size_t>(row * groups + j / 16)];
                outside += scaled < low || scaled > high ? 1U : 0U;
            }
        }
        REQUIRE(outside > 0);
        const auto whole = applyScheme(parseScheme("awq:bits=3,group=16").value(), input).value();
        CHECK(whole->clipped == outside);
        const auto open =
            applyScheme(parseScheme("awq:bits=3,group=16,clip=false").value(), input).value();
        CHECK(open->clipped == 0);
    }
}

TEST_CASE("AWQ: few or many tokens, odd sizes, threads, and errors") {
    // Gram and direct products agree.
    const SchemeInput wide = randomLayer(9, 70, 300, 9);
    SchemeInput few = wide;
    few.calibrationRows = 69;
    CHECK(search("awq:group=32", wide).search.losses.size() == 20);
    const AwqResult direct = search("awq:group=32,clip=false", few);
    const std::vector<float> first = [&] {
        std::vector<float> rows(69 * 70);
        REQUIRE(wide.activations->read(0, 69, rows.data()).has_value());
        return rows;
    }();
    const StepOutput best = applyStep("awq:group=32,clip=false", few);
    const Matrix<double> x = read(*makeRowSource(69, 70, first));
    const Matrix<double> y = product(x, read(*wide.weights));
    const Matrix<double> yAfter = product(x, read(*best.weights));
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
        sum += std::pow(y.data()[i] - yAfter.data()[i], 2);
    }
    CHECK_THAT(direct.search.losses[direct.search.best],
               WithinRel(sum / static_cast<double>(y.size()), 1e-5));

    const SchemeInput large = randomLayer(300, 512, 520, 10);  // beyond the exact path: float
    const int threads = computeThreads();
    setComputeThreads(1);
    const AwqResult one = search("awq:group=128", large);
    setComputeThreads(3);
    const AwqResult three = search("awq:group=128", large);
    setComputeThreads(threads);
    CHECK(one.search.losses == three.search.losses);
    CHECK(one.clip.intervals == three.clip.intervals);

    for (const auto& [rows, cols, tokens] :
         {std::array{1, 1, 1}, std::array{3, 130, 2}, std::array{2, 5, 40}}) {
        CAPTURE(rows, cols, tokens);
        CHECK(std::isfinite(outputError("awq:group=64", randomLayer(rows, cols, tokens, 11))));
    }
    std::vector<float> dead(4 * 6, 0.0F);
    CHECK(applyScheme(parseScheme("awq").value(),
                      layer(makeRowSource(4, 6, dead), makeRowSource(4, 6, dead)))
              .has_value());
    dead[7] = std::numeric_limits<float>::infinity();
    const auto bad = applyScheme(
        parseScheme("awq").value(),
        layer(makeRowSource(4, 6, std::vector<float>(24, 1.0F)), makeRowSource(4, 6, dead)));
    REQUIRE_FALSE(bad.has_value());
    CHECK(bad.error().what.find("row 1, column 1") != std::string::npos);
    CHECK_FALSE(applyScheme(parseScheme("awq").value(),
                            layer(makeRowSource(4, 6, std::vector<float>(24, 1.0F)), nullptr))
                    .has_value());
}

TEST_CASE("AWQ: a search that gives ratios up finds what the whole curve has") {
    struct Size {
        std::int64_t rows, cols, tokens, seed;
    };
    // Blocks of 128 rows, the last one short; by the tokens, and by X'X.
    for (const auto& [rows, cols, tokens, seed] :
         {Size{700, 300, 350, 1}, Size{1600, 96, 1000, 2}, Size{1030, 520, 130, 3}}) {
        CAPTURE(rows, cols, tokens);
        const SchemeInput input = randomLayer(rows, cols, tokens, static_cast<std::uint64_t>(seed));
        for (const char* text : {"awq:group=32,clip=false", "awq:bits=2,group=128,clip=false"}) {
            const AwqResult whole = search(text, input);
            const AwqResult least = search(text, input, AwqCurve::Least);
            CHECK(least.search.best == whole.search.best);
            CHECK(*least.scale == *whole.scale);
            REQUIRE(least.search.losses.size() == whole.search.losses.size());
            const double loss = whole.search.losses[whole.search.best];
            CHECK(std::isfinite(loss));
            for (std::size_t k = 0; k < whole.search.losses.size(); ++k) {
                const double own = whole.search.losses[k];
                const bool givenUp = panelKernels().fused && own != loss;
                CHECK(least.search.losses[k] == (givenUp ? AwqPanels::kGivenUp : own));
            }
        }
    }
}

TEST_CASE("AWQ: products in panels are those of the definition") {
    // Fewer tokens than half the inputs, as many, more; sizes that fill no panel.
    for (const std::int64_t tokens : {1, 37, 100, 333}) {
        CAPTURE(tokens);
        const std::int64_t cols = 131;
        const std::int64_t rows = 3 * kPanel + 7;
        const SchemeInput input = randomLayer(rows, cols, tokens, 5);
        const Matrix<double> x = read(*input.activations);
        const Matrix<double> e = read(*input.weights);
        Matrix<float> single(rows, cols);
        std::transform(e.data(), e.data() + e.size(), single.data(), [](double v) {
            return static_cast<float>(v);
        });
        Panels errors(cols, rows);
        errors.packRows(std::as_const(single).view(), {});
        const Matrix<double> y = product(x, e);
        double expected = 0;
        for (std::int64_t i = 0; i < y.size(); ++i) {
            expected += y.data()[i] * y.data()[i];
        }
        const PanelLoss loss =
            PanelLoss::make(*input.activations, tokens, std::int64_t{1} << 20, {}).value();
        CHECK(loss.isGram() == (tokens > 66));
        CHECK_THAT(loss.squared(errors, {}), WithinRel(expected, 2e-6));
    }
}

TEST_CASE("AWQ: kernels of every instruction set give the values of the definition") {
    const CpuTarget before = cpuTarget();
    for (const CpuTarget target : availableCpuTargets()) {
        CAPTURE(cpuTargetName(target));
        setCpuTarget(target);
        for (const std::int64_t count : {1, 3, 4, 15, 16, 17, 50, 128}) {
            CAPTURE(count);
            std::vector<float> w(static_cast<std::size_t>(count));
            std::vector<float> s(w.size());
            for (std::size_t i = 0; i < w.size(); ++i) {
                w[i] = static_cast<float>(0.05 * randomStudentT(1, i, 4));
                s[i] = static_cast<float>(0.1 + 5 * randomUniform(2, i));
            }
            std::vector<float> scaled(w.size());
            float low = 0;
            float high = 0;
            awqKernels().scale(w.data(), s.data(), count, scaled.data(), &low, &high);
            UniformSpec spec;
            spec.bits = 4;
            spec.asymmetric = true;
            spec.range = GridRange::Full;
            const auto grid =
                gridFor<float>(spec, std::min(low, 0.0F), std::max(high, 0.0F) * 0.8F);
            std::vector<float> errors(w.size());
            awqKernels().errors(w.data(),
                                scaled.data(),
                                s.data(),
                                count,
                                grid.scale,
                                static_cast<float>(spec.codeMin() - grid.zeroPoint),
                                static_cast<float>(spec.codeMax() - grid.zeroPoint),
                                errors.data());
            float least = w[0] * s[0];
            float most = least;
            for (std::size_t i = 0; i < w.size(); ++i) {
                const float v = w[i] * s[i];
                least = std::min(least, v);
                most = std::max(most, v);
                REQUIRE(scaled[i] == v);
                const auto level = static_cast<float>(
                    codeOf<float>(spec, grid.scale, grid.zeroPoint, v) - grid.zeroPoint);
                REQUIRE(errors[i] == grid.scale * level / s[i] - w[i]);
            }
            CHECK(low == least);
            CHECK(high == most);
        }
    }
    setCpuTarget(before);
}

TEST_CASE("AWQ: kernels over lanes give what those over a row give") {
    const CpuTarget before = cpuTarget();
    constexpr std::int64_t kCount = 37;
    constexpr auto kSize = static_cast<std::size_t>(kCount * kPanel);
    std::vector<float> lanes(kSize), s(static_cast<std::size_t>(kCount));
    for (std::size_t i = 0; i < kSize; ++i) {
        lanes[i] = static_cast<float>(0.05 * randomStudentT(3, i, 4));
    }
    for (std::size_t j = 0; j < s.size(); ++j) {
        s[j] = static_cast<float>(0.1 + 5 * randomUniform(4, j));
    }
    std::array<float, kPanel> gridScales, lows, highs;
    for (std::size_t lane = 0; lane < gridScales.size(); ++lane) {
        gridScales[lane] = 0.01F + 0.001F * static_cast<float>(lane);
        lows[lane] = -static_cast<float>(lane % 8);
        highs[lane] = lows[lane] + 15;
    }
    for (const CpuTarget target : availableCpuTargets()) {
        CAPTURE(cpuTargetName(target));
        setCpuTarget(target);
        std::vector<float> errors(kSize);
        std::array<float, kPanel> low, high;
        awqKernels().extentsOfLanes(lanes.data(), s.data(), kCount, low.data(), high.data());
        awqKernels().errorsOfLanes(lanes.data(),
                                   s.data(),
                                   kCount,
                                   gridScales.data(),
                                   lows.data(),
                                   highs.data(),
                                   errors.data());
        double sum = 0;
        for (std::size_t lane = 0; lane < low.size(); ++lane) {
            std::vector<float> row(s.size()), scaled(s.size()), expected(s.size());
            for (std::size_t j = 0; j < s.size(); ++j) {
                row[j] = lanes[j * kPanel + lane];
                sum += static_cast<double>(row[j]) * static_cast<double>(errors[j * kPanel + lane]);
            }
            float least = 0;
            float most = 0;
            awqKernels().scale(row.data(), s.data(), kCount, scaled.data(), &least, &most);
            awqKernels().errors(row.data(),
                                scaled.data(),
                                s.data(),
                                kCount,
                                gridScales[lane],
                                lows[lane],
                                highs[lane],
                                expected.data());
            REQUIRE(low[lane] == least);
            REQUIRE(high[lane] == most);
            for (std::size_t j = 0; j < s.size(); ++j) {
                REQUIRE(errors[j * kPanel + lane] == expected[j]);
            }
        }
        CHECK_THAT(awqKernels().sumOfProducts(lanes.data(), errors.data(), kCount),
                   WithinRel(sum, 1e-12));
    }
    setCpuTarget(before);
}
