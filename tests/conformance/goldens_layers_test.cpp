// SPDX-License-Identifier: Apache-2.0
// Golden numbers of the specification, sections 4.2 and 5: activations and solvers on F1 and toys.
// resources/help/developers/goldens.md lists each number with its test.
#include "core/quant/hessian.hpp"
#include "tests/conformance/golden_support.hpp"

#include <algorithm>
#include <limits>
#include <span>

using namespace loupe;
using namespace loupe::goldens;

namespace {

std::shared_ptr<const InputRotation> rotationOf(std::int64_t size) {
    const StepDefinition* definition = findStep("rotate");
    const Scheme scheme = parseScheme("rotate").value();
    StepInput input;
    input.weights = makeRowSource(1, size, std::vector<double>(static_cast<std::size_t>(size), 1));
    return definition->apply(input, Params(definition->params, scheme.steps[0]), {})
        .value()
        .rotation;
}

/// The columns times the rotation's own random signs, which it will take back: `rotate` then gives
/// the Hadamard matrix alone, as the specification's figures have it.
Matrix<double> withoutSigns(Matrix<double> m) {
    const auto rotation = rotationOf(m.cols());
    std::vector<double> row(static_cast<std::size_t>(m.cols()));
    for (std::int64_t j = 0; j < m.cols(); ++j) {
        std::fill(row.begin(), row.end(), 0.0);
        row[static_cast<std::size_t>(j)] = 1;
        rotation->forward(row.data());
        const double sign = row[0] < 0 ? -1 : 1;  // the first column of H is all ones
        for (std::int64_t i = 0; i < m.rows(); ++i) {
            m(i, j) *= sign;
        }
    }
    return m;
}

SchemeInput plainF1() {
    const FixtureF1 f1 = fixtureF1();
    return layerOf(withoutSigns(f1.weight), withoutSigns(f1.activations));
}

Matrix<double> hadamard(Matrix<double> m) {
    m = withoutSigns(std::move(m));
    const auto rotation = rotationOf(m.cols());
    for (std::int64_t i = 0; i < m.rows(); ++i) {
        rotation->forward(m.row(i).data());
    }
    return m;
}

/// The metrics that the program shows for channels, over one flat array.
struct Spread {
    double most = 0, toMedian = 0, crest = 0, kurtosis = 0;
};

Spread spreadOf(const Matrix<double>& m) {
    const auto n = static_cast<double>(m.size());
    std::vector<double> sizes;
    double mean = 0;
    for (std::int64_t i = 0; i < m.size(); ++i) {
        mean += m.data()[i] / n;
    }
    double power = 0;
    double second = 0;
    double fourth = 0;
    for (std::int64_t i = 0; i < m.size(); ++i) {
        const double x = m.data()[i];
        sizes.push_back(std::fabs(x));
        power += x * x / n;
        second += std::pow(x - mean, 2) / n;
        fourth += std::pow(x - mean, 4) / n;
    }
    std::sort(sizes.begin(), sizes.end());
    const double median = (sizes[(sizes.size() - 1) / 2] + sizes[sizes.size() / 2]) / 2;
    return {sizes.back(),
            sizes.back() / median,
            sizes.back() / std::sqrt(power),
            fourth / (second * second) - 3};
}

Matrix<double> filled(std::int64_t rows, std::int64_t cols, const std::vector<double>& values) {
    Matrix<double> m(rows, cols);
    REQUIRE(m.size() == static_cast<std::int64_t>(values.size()));
    std::copy(values.begin(), values.end(), m.data());
    return m;
}

}  // namespace

TEST_CASE("goldens 4.2: channel metrics before and after a Hadamard matrix") {
    const Spread spike = spreadOf(toyLayer("toy-rotation").weight);
    CHECK(spike.most == 50);
    CHECK_THAT(spike.toMedian, WithinAbs(74.1245, 5e-5));
    CHECK_THAT(spike.crest, WithinAbs(11.0523, 5e-5));
    CHECK_THAT(spike.kurtosis, WithinAbs(111.681, 5e-4));
    const Spread spread = spreadOf(hadamard(toyLayer("toy-rotation").weight));
    CHECK_THAT(spread.most, WithinAbs(7.4372, 5e-5));
    CHECK_THAT(spread.toMedian, WithinAbs(1.7359, 5e-5));
    CHECK_THAT(spread.crest, WithinAbs(1.6440, 5e-5));
    CHECK_THAT(spread.kurtosis, WithinAbs(-1.8279, 5e-5));
    const FixtureF1 f1 = fixtureF1();
    CHECK_THAT(spreadOf(f1.activations).kurtosis, WithinAbs(139.96, .005));
    CHECK_THAT(spreadOf(f1.activations).crest, WithinAbs(21.45, .005));
    CHECK_THAT(spreadOf(hadamard(f1.activations)).kurtosis, WithinAbs(1.14, .005));
    CHECK_THAT(spreadOf(hadamard(f1.activations)).crest, WithinAbs(6.79, .005));
    // n equal values have crest 1, one spike among n - 1 zeros sqrt(n).
    CHECK(spreadOf(filled(1, 4, {3, -3, 3, 3})).crest == 1);
    CHECK(spreadOf(filled(1, 4, {0, 9, 0, 0})).crest == 2);
}

TEST_CASE("goldens 5.1: rounding alone on F1, every bit width") {
    const SchemeInput f1 = layerF1();
    const struct {
        const char* bits;
        double row, group;
    } rows[] = {
        {"8", .00601, .00392}, {"4", .09079, .07487}, {"3", .18898, .15174}, {"2", .49682, .39421}};
    for (const auto& row : rows) {
        CAPTURE(row.bits);
        const std::string base = std::string("zeropoint:bits=") + row.bits;
        CHECK_THAT(relout(base + ",per=row", f1), WithinRel(row.row, .002));
        CHECK_THAT(relout(base + ",group=16", f1), WithinRel(row.group, .002));
    }
    CHECK_THAT(run("zeropoint:bits=4,per=row", f1)->metrics.relativeFrobenius,
               WithinAbs(.0905, 5e-5));
}

TEST_CASE("goldens 5.1: the reference's search with the exponent 2.4") {
    // GPTQ's own range search, which is no scheme of ours: 80 shrunken ranges per row, the least
    // sum of |error|^2.4. Ours (clip=mse) takes squares and a finer search; both bring the error
    // down.
    const FixtureF1 f1 = fixtureF1();
    const struct {
        int bits;
        double published;
    } rows[] = {{8, .00601}, {4, .08896}, {3, .15394}, {2, .38459}};
    for (const auto& row : rows) {
        CAPTURE(row.bits);
        const double levels = std::ldexp(1.0, row.bits) - 1;
        Matrix<double> after(32, 64);
        for (std::int64_t r = 0; r < 32; ++r) {
            const auto w = f1.weight.row(r);
            const double low = std::min(0.0, *std::min_element(w.begin(), w.end()));
            const double high = std::max(0.0, *std::max_element(w.begin(), w.end()));
            double least = std::numeric_limits<double>::infinity();
            for (int i = 0; i < 80; ++i) {
                const double scale = (1 - i / 100.0) * (high - low) / levels;
                const double zero = std::nearbyint(-(1 - i / 100.0) * low / scale);
                std::vector<double> values;
                double sum = 0;
                for (const double x : w) {
                    const double code = std::clamp(std::nearbyint(x / scale) + zero, 0.0, levels);
                    values.push_back(scale * (code - zero));
                    sum += std::pow(std::fabs(values.back() - x), 2.4);
                }
                if (sum < least) {
                    least = sum;
                    std::copy(values.begin(), values.end(), after.row(r).begin());
                }
            }
        }
        CHECK_THAT(outputError(f1.activations, f1.weight, after).relative,
                   WithinRel(row.published, .001));
        const std::string plain = "zeropoint:per=row,bits=" + std::to_string(row.bits);
        CHECK(run(plain + ",clip=mse", layerF1())->metrics.mse <=
              run(plain, layerF1())->metrics.mse);
    }
}

TEST_CASE("goldens 5.1: the reference run and the hand example, what rounding alone gives") {
    const ToyLayer toy = toyLayer("toy-gptq");
    const auto nearest = run("zeropoint:bits=3,per=row", layerOf(toy.weight, toy.activations));
    // Unsigned codes [7 0 4 6] and [1 5 7 0], less 4.
    CHECK(codesOf(*nearest->quantized) == std::vector<std::int32_t>{3, -4, 0, 2, -3, 1, 3, -4});
    CHECK_THAT(outputError(toy.activations, toy.weight, valuesOf(*nearest->quantized)).squared,
               WithinAbs(.061433, 5e-7));
    const HessianFactor<double> factor =
        factorHessian<double>(filled(2, 2, {2, 1.8, 1.8, 2}), 0, {}, {}).value();
    const Matrix<double> inverse = inverseOf(factor, {});
    CHECK_THAT(inverse(0, 0), WithinAbs(2.6316, 5e-5));
    CHECK_THAT(inverse(0, 1), WithinAbs(-2.3684, 5e-5));
    CHECK_THAT(inverse(1, 0), WithinAbs(-2.3684, 5e-5));
    CHECK_THAT(inverse(1, 1), WithinAbs(2.6316, 5e-5));
    // e²/2 of both steps of GPTQ: w0 = .6 -> 1, w1 = .24 -> 0.
    const double first = .5 * std::pow(-.4 / factor.upper(0, 0), 2);
    const double second = .5 * std::pow(.24 / factor.upper(1, 1), 2);
    CHECK_THAT(first, WithinAbs(.0304, 1e-12));
    CHECK_THAT(second, WithinAbs(.0576, 1e-12));
    CHECK_THAT(.608 / (first + second), WithinAbs(6.9, .05));
    CHECK_THAT(.6 - (-.4 / factor.upper(0, 0)) * factor.upper(0, 1), WithinAbs(.24, 1e-12));
}

TEST_CASE("goldens 5.2: SmoothQuant on F1, every alpha, by tensor and by vector") {
    const SchemeInput f1 = layerF1();
    const struct {
        const char* alpha;
        double tensor, vector;
    } rows[] = {{"0.25", .02102, .00719},
                {"0.5", .01432, .00512},
                {"0.6", .01387, .00634},
                {"0.75", .01630, .00927},
                {"0.85", .02151, .01141},
                {"1", .02871, .01803}};
    for (const auto& row : rows) {
        CAPTURE(row.alpha);
        const std::string base = std::string("smoothquant:alpha=") + row.alpha;
        CHECK_THAT(relout(base + ",per=tensor,act_per=tensor", f1), WithinRel(row.tensor, .01));
        CHECK_THAT(relout(base, f1), WithinRel(row.vector, .01));
    }
    CHECK_THAT(relout("smoothquant:bits=4,per=tensor,act_per=tensor", f1), WithinRel(.26544, .01));
    CHECK_THAT(relout("smoothquant:bits=4", f1), WithinRel(.10205, .01));
    // The lesson: the best alpha by vectors is .5, by tensors .6.
    CHECK(relout("smoothquant", f1) < relout("smoothquant:alpha=0.6", f1));
    CHECK(relout("smoothquant:alpha=0.6,per=tensor,act_per=tensor", f1) <
          relout("smoothquant:per=tensor,act_per=tensor", f1));
}

TEST_CASE("goldens 5.2: SmoothQuant on the paper's figure") {
    const ToyLayer toy = toyLayer("toy-smoothquant");
    StepInput input;
    input.weights = rowsOf(toy.weight);
    input.activations = rowsOf(toy.activations);
    const StepDefinition* step = findStep("smoothquant");
    const Scheme scheme = parseScheme("smoothquant:bits=16").value();
    const StepOutput output = step->apply(input, Params(step->params, scheme.steps[0]), {}).value();
    const std::span<const double> s = output.weights->channelScale();
    const Matrix<double> smoothX = filled(2, 4, {1, -4, 2, 2, -2, 2, -1, -3});  // X / s
    const Matrix<double> smoothW =
        filled(3, 4, {2, 4, 2, -3, 1, -4, -1, -3, -2, -4, -2, 3});  // W · s, [out, in]
    for (std::int64_t j = 0; j < 4; ++j) {
        const double scale = s[static_cast<std::size_t>(j)];
        for (std::int64_t t = 0; t < 2; ++t) {
            CHECK_THAT(toy.activations(t, j) / scale, WithinAbs(smoothX(t, j), 1e-12));
        }
        for (std::int64_t i = 0; i < 3; ++i) {
            CHECK_THAT(toy.weight(i, j) * scale, WithinAbs(smoothW(i, j), 1e-12));
        }
    }
    const Matrix<double> y = product(smoothX, smoothW);
    const double expected[] = {-16, 9, 16, 11, 0, -11};
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(y.data()[i] == expected[i]);
    }
}

TEST_CASE("goldens 5.5: the Hadamard matrix by hand") {
    const Matrix<double> spike = hadamard(filled(1, 4, {8, 0, 0, 0}));
    const Matrix<double> mixed = hadamard(filled(1, 4, {10, 1, -1, 2}));
    const double expected[] = {6, 3, 5, 6};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(spike.data()[i] == 4);
        CHECK(mixed.data()[i] == expected[i]);
    }
}

TEST_CASE("goldens 5.5: a rotation before rounding, without random signs") {
    const Matrix<double> vector = toyLayer("toy-rotation").weight;
    const SchemeInput as = layerOf(vector, Matrix<double>());
    const SchemeInput turned = layerOf(withoutSigns(vector), Matrix<double>());
    CHECK_THAT(decibels("absmax:bits=4", as), WithinAbs(13.40, .005));
    CHECK_THAT(decibels("rotate+absmax:bits=4", turned), WithinAbs(24.40, .005));
    CHECK_THAT(decibels("absmax", as), WithinAbs(32.10, .005));
    CHECK_THAT(decibels("rotate+absmax", turned), WithinAbs(48.66, .005));
    CHECK(run("absmax:bits=4", as)->zeros == 127);
    const SchemeInput f1 = plainF1();
    CHECK_THAT(relout("rotate+absmax:bits=4,per=row,act_bits=4", f1), WithinAbs(.13956, 5e-6));
    CHECK_THAT(relout("rotate+absmax:bits=6,per=row,act_bits=6", f1), WithinAbs(.03417, 5e-6));
    CHECK_THAT(relout("rotate+absmax:bits=8,per=row,act_bits=8", f1), WithinAbs(.00774, 5e-6));
    CHECK_THAT(relout("rotate+gptq:per=row", f1), WithinAbs(.02456, 5e-6));
    CHECK_THAT(relout("rotate+gptq:bits=3,per=row", f1), WithinAbs(.05534, 5e-6));
    CHECK_THAT(relout("rotate+gptq:per=row,symmetric=true", f1), WithinAbs(.02751, 5e-6));
    CHECK_THAT(relout("rotate+gptq:bits=3,per=row,symmetric=true", f1), WithinAbs(.06159, 5e-6));
}

TEST_CASE("goldens 5.6: levels of NF4, the worked block, F1") {
    // Construction: normal quantiles between .9677083 and 1/2, eight above and seven below zero.
    std::vector<double> levels{0};
    for (int i = 0; i < 8; ++i) {
        levels.push_back(normalQuantile(.9677083 + (.5 - .9677083) * i / 8));
    }
    for (int i = 0; i < 7; ++i) {
        levels.push_back(-normalQuantile(.9677083 + (.5 - .9677083) * i / 7));
    }
    std::sort(levels.begin(), levels.end());
    const double published[] = {-1,
                                -.6961928,
                                -.52507305,
                                -.39491749,
                                -.28444138,
                                -.18477343,
                                -.09105004,
                                0,
                                .0795803,
                                .1609302,
                                .2461123,
                                .33791524,
                                .44070983,
                                .562617,
                                .72295684,
                                1};
    // The sixteen levels as the step gives them back: a block that holds each of them.
    const std::vector<double> all(std::begin(published), std::end(published));
    const Matrix<double> kept = valuesOf(*run("nf4", weightsOnly(rowsOf(16, all)))->quantized);
    const double most = levels.back();
    for (std::size_t i = 0; i < 16; ++i) {
        CHECK_THAT(levels[i] / most, WithinAbs(published[i], 1.3e-7));
        CHECK_THAT(kept.data()[i], WithinAbs(published[i], 5e-8));
    }
    const SchemeInput block = weightsOnly(rowsOf(8, {.12, -.45, .03, .9, -.3, 0, .55, -.88}));
    const auto nf4 = run("nf4", block);
    const double values[] = {.144837, -.472566, 0, .9, -.255997, 0, .506355, -.9};
    const std::vector<std::int32_t> codes = codesOf(*nf4->quantized);
    const std::int32_t bytes[] = {0x92, 0x7f, 0x47, 0xd0};
    for (std::size_t i = 0; i < 8; ++i) {
        CHECK_THAT(valuesOf(*nf4->quantized).data()[i], WithinAbs(values[i], 6e-7));
        CHECK((i % 2 != 0 || codes[i] * 16 + codes[i + 1] == bytes[i / 2]));
    }
    CHECK_THAT(nf4->metrics.mse, WithinAbs(7.834e-4, 5e-8));
    // -.45 / .1285714 = -3.5 is a tie in exact numbers: both neighbours have the same error.
    const auto int4 = run("absmax:bits=4", block);
    std::vector<std::int32_t> symmetric = codesOf(*int4->quantized);
    CHECK((symmetric[1] == -3 || symmetric[1] == -4));
    symmetric[1] = -4;
    CHECK(symmetric == std::vector<std::int32_t>{1, -4, 0, 7, -2, 0, 4, -7});
    CHECK_THAT(int4->metrics.mse, WithinAbs(1.0773e-3, 5e-8));
    const SchemeInput f1 = layerF1();
    CHECK_THAT(run("nf4", f1)->metrics.relativeFrobenius, WithinAbs(.09270, 5e-6));
    CHECK_THAT(relout("nf4", f1), WithinAbs(.09142, 5e-6));
    CHECK_THAT(run("absmax:bits=4,per=row", f1)->metrics.relativeFrobenius,
               WithinAbs(.10743, 5e-6));
    CHECK_THAT(run("absmax:per=row", f1)->metrics.relativeFrobenius, WithinAbs(.00607, 5e-6));
    CHECK_THAT(4.5 - run("nf4:double=true", f1)->bitsPerWeight, WithinAbs(.373, 1e-3));
}

TEST_CASE("goldens 7: the rule of 6.02 dB per bit") {
    // b = 8 and a bound of 4 sigma: 40.9 by the rule, 40.51 exactly with 255 levels.
    CHECK_THAT(6.02 * 8 + 4.77 - 20 * std::log10(4.0), WithinAbs(40.9, .05));
    // Over the density itself, with the step's own scale and levels: a draw would need many
    // millions of weights for what lies beyond 4 sigma.
    const auto result = run("absmax:clip_value=4", weightsOnly(rowsOf(4, {4, -4, 1, 0})));
    const double step = result->quantized->scales()->values[0];
    CHECK(result->quantized->levels(0, 0).size() == 255);
    double sum = 0;
    constexpr double kWidth = 1e-5;
    for (double x = kWidth / 2; x < 10; x += kWidth) {
        const double error = x - std::min(std::nearbyint(x / step), 127.0) * step;
        sum += 2 * kWidth * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)) * error * error;
    }
    CHECK_THAT(-10 * std::log10(sum), WithinAbs(40.51, .005));
}
