// SPDX-License-Identifier: Apache-2.0
// Golden numbers of the specification, sections 0 to 2.3: fixtures, symmetric and asymmetric grids,
// granularity. resources/help/developers/goldens.md lists each number with its test.
#include "core/quant/hessian.hpp"
#include "tests/conformance/golden_support.hpp"

#include <algorithm>
#include <random>
#include <set>

using namespace loupe;
using namespace loupe::goldens;

namespace {

/// NumPy's RandomState(0).randn(count): Mersenne twister, 53-bit uniforms, Marsaglia's polar method
/// that hands out the second of each pair first.
std::vector<double> numpyNormals(std::size_t count) {
    std::mt19937 bits(0);
    const auto uniform = [&] {
        const auto high = static_cast<double>(bits() >> 5U);
        const auto low = static_cast<double>(bits() >> 6U);
        return (high * 67108864.0 + low) / 9007199254740992.0;
    };
    std::vector<double> values;
    values.reserve(count + 1);
    while (values.size() < count) {
        const double x = 2 * uniform() - 1;
        const double y = 2 * uniform() - 1;
        const double r = x * x + y * y;
        if (r < 1 && r != 0) {
            const double f = std::sqrt(-2 * std::log(r) / r);
            values.push_back(f * y);
            values.push_back(f * x);
        }
    }
    values.resize(count);
    return values;
}

/// E[max |x_i|] of n standard normals: integral of P(max > t).
double expectedAbsmax(double n) {
    constexpr double kStep = 1e-4;
    double sum = 0;
    for (double t = kStep / 2; t < 9; t += kStep) {
        sum += kStep * -std::expm1(n * std::log1p(-std::erfc(t / std::sqrt(2.0))));
    }
    return sum;
}

/// Largest eigenvalue of a symmetric positive matrix by power iteration.
double largestEigenvalue(const Matrix<double>& m) {
    std::vector<double> v(static_cast<std::size_t>(m.rows()), 1.0);
    double value = 0;
    for (int step = 0; step < 3000; ++step) {
        std::vector<double> next(v.size(), 0.0);
        for (std::int64_t i = 0; i < m.rows(); ++i) {
            for (std::int64_t j = 0; j < m.cols(); ++j) {
                next[static_cast<std::size_t>(i)] += m(i, j) * v[static_cast<std::size_t>(j)];
            }
        }
        double norm = 0;
        for (const double x : next) {
            norm += x * x;
        }
        value = std::sqrt(norm);
        for (std::size_t i = 0; i < v.size(); ++i) {
            v[i] = next[i] / value;
        }
    }
    return value;
}

double conditionOf(const Matrix<double>& h, double damp) {
    const HessianFactor<double> factor = factorHessian<double>(h, damp, {}, {}).value();
    Matrix<double> damped = h;
    for (std::int64_t i = 0; i < h.rows(); ++i) {
        damped(i, i) += factor.damping;
    }
    return largestEigenvalue(damped) * largestEigenvalue(inverseOf(factor, {}));
}

}  // namespace

TEST_CASE("goldens 0: the fixtures") {
    const Matrix<double> m = fixtureM();
    CHECK(std::set<double>(m.data(), m.data() + m.size()).size() == 20);
    const Matrix<double> v = fixtureV(false);
    CHECK(*std::max_element(v.data(), v.data() + v.size()) == 10.8);
    CHECK(*std::min_element(v.data(), v.data() + v.size()) == -7.59);
    const FixtureF1 f1 = fixtureF1();
    std::vector<double> most(64, 0.0);
    for (std::int64_t t = 0; t < 256; ++t) {
        for (std::int64_t j = 0; j < 64; ++j) {
            double& absmax = most[static_cast<std::size_t>(j)];
            absmax = std::max(absmax, std::fabs(f1.activations(t, j)));
        }
    }
    std::sort(most.begin(), most.end());
    CHECK_THAT(most.back() / ((most[31] + most[32]) / 2), WithinAbs(18.38, .005));
    const Matrix<double> h = hessian<double>(*rowsOf(f1.activations), 0, {}).value();
    CHECK_THAT(conditionOf(h, 0), WithinRel(1.99e4, .005));
    CHECK_THAT(conditionOf(h, .01), WithinRel(4.38e3, .005));
}

TEST_CASE("goldens 2.1: the table of the slide vector") {
    struct Row {
        const char* bits;
        double inverseScale;
        std::vector<std::int32_t> codes;
        std::vector<double> values;
        double mse, sqnr;
        double digits;  ///< half a unit of the last printed digit of the values
    };
    const std::vector<Row> rows{{"8",
                                 11.7593,
                                 {64, 36, -89, 0, -23, -54, 127},
                                 {5.4425, 3.0614, -7.5685, 0, -1.9559, -4.5921, 10.8},
                                 2.9814e-4,
                                 50.577,
                                 5e-5},
                                {"6",
                                 2.87037,
                                 {16, 9, -22, 0, -6, -13, 31},
                                 {5.574, 3.135, -7.665, 0, -2.090, -4.529, 10.8},
                                 5.8366e-3,
                                 37.659,
                                 5e-4},
                                {"4",
                                 .648148,
                                 {4, 2, -5, 0, -1, -3, 7},
                                 {6.171, 3.086, -7.714, 0, -1.543, -4.629, 10.8},
                                 .096668,
                                 25.468,
                                 5e-4},
                                {"3",
                                 .277778,
                                 {2, 1, -2, 0, -1, -1, 3},
                                 {7.2, 3.6, -7.2, 0, -3.6, -3.6, 10.8},
                                 1.01126,
                                 15.272,
                                 1e-9},
                                {"2",
                                 .0925926,
                                 {1, 0, -1, 0, 0, 0, 1},
                                 {10.8, 0, -10.8, 0, 0, 0, 10.8},
                                 10.4124,
                                 5.146,
                                 1e-9}};
    for (const Row& row : rows) {
        const auto result =
            run(std::string("absmax:bits=") + row.bits, weightsOnly(rowsOf(fixtureV(false))));
        CAPTURE(row.bits);
        CHECK_THAT(1 / result->quantized->scales()->values[0], WithinRel(row.inverseScale, 1e-5));
        CHECK(codesOf(*result->quantized) == row.codes);
        const Matrix<double> values = valuesOf(*result->quantized);
        for (std::size_t i = 0; i < row.values.size(); ++i) {
            CHECK_THAT(values.data()[i], WithinAbs(row.values[i], row.digits));
        }
        CHECK_THAT(result->metrics.mse, WithinRel(row.mse, 2e-5));
        CHECK_THAT(result->metrics.sqnrDb, WithinAbs(row.sqnr, 5e-4));
    }
    const auto eight = run("absmax", weightsOnly(rowsOf(fixtureV(false))));
    CHECK_THAT(eight->metrics.maxAbsError, WithinAbs(.02748, 5e-6));
    CHECK_THAT(eight->quantized->scales()->values[0] / 2, WithinAbs(.04252, 5e-6));
}

TEST_CASE("goldens 2.1: the reference's symmetric grid of GPTQ on weights without a negative one") {
    // The reference leaves the smallest at 0, so s = max/(2^b - 1), but keeps the zero point at
    // 2^(b-1): half of the codes are lost and what lies above 7/15 of the maximum saturates. Its
    // figures by its rule, then ours, which is guarded: s = 2·max|w|/(2^b - 1) for every row.
    const std::vector<double> row{.1, .2, .5, 1.0};
    const std::vector<double> reference{.1333, .2, .4667, .4667};
    const double scale = 1.0 / 15;
    for (std::size_t i = 0; i < row.size(); ++i) {
        const double code = std::clamp(std::nearbyint(row[i] / scale) + 8, 0.0, 15.0);
        CHECK_THAT(scale * (code - 8), WithinAbs(reference[i], 5e-5));
    }
    SchemeInput input = layerOf(Matrix<double>(1, 4), Matrix<double>());
    input.weights = rowsOf(4, row);
    input.activations = rowsOf(4, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
    const auto ours = run("gptq:per=row,symmetric=true,damp=0", input);
    CHECK_THAT(ours->quantized->scales()->values[0], WithinAbs(2.0 / 15, 1e-6));
    const Matrix<double> values = valuesOf(*ours->quantized);
    for (std::size_t i = 0; i < row.size(); ++i) {
        CHECK_THAT(values.data()[i], WithinAbs(row[i], 1.0 / 15 + 1e-6));
    }
}

TEST_CASE("goldens 2.2: the asymmetric grid on the slide vector") {
    const SchemeInput slide = weightsOnly(rowsOf(fixtureV(false)));
    const auto eight = run("zeropoint", slide);
    const double expected[] = {5.4809, 3.1011, -7.5724, 0, -1.9472, -4.5434, 10.8176};
    const Matrix<double> values = valuesOf(*eight->quantized);
    for (std::size_t i = 0; i < 7; ++i) {
        CHECK_THAT(values.data()[i], WithinAbs(expected[i], 5e-5));
    }
    const double step = eight->quantized->scales()->values[0];
    CHECK_THAT(step, WithinAbs(.0721, 5e-5));
    CHECK_THAT(-7.59 / step - 23, WithinAbs(-128.24, .006));  // before it is rounded and clamped
    const double symmetric = run("absmax", slide)->quantized->scales()->values[0];
    CHECK_THAT(symmetric, WithinAbs(.0850, 5e-5));
    CHECK_THAT((10.8 + 7.59) / (2 * 10.8), WithinAbs(.851, 5e-4));
    CHECK_THAT(step / symmetric * 255 / 254, WithinAbs(.851, 5e-4));
    CHECK_THAT(eight->metrics.mse, WithinRel(2.7156e-4, 2e-5));
    CHECK_THAT(eight->metrics.sqnrDb, WithinAbs(50.982, 5e-4));
    CHECK_THAT(run("zeropoint:bits=4", slide)->metrics.mse, WithinAbs(.16443, 5e-6));
    CHECK_THAT(decibels("zeropoint:bits=4", slide), WithinAbs(23.16, .005));
    CHECK_THAT(run("zeropoint:bits=3", slide)->metrics.mse, WithinAbs(.19261, 5e-6));
    CHECK_THAT(decibels("zeropoint:bits=3", slide), WithinAbs(22.47, .005));
    CHECK_THAT(run("absmax:bits=3", slide)->metrics.mse, WithinAbs(1.01126, 5e-6));
    CHECK_THAT(decibels("absmax:bits=3", slide), WithinAbs(15.27, .005));
}

TEST_CASE("goldens 2.2: a range that is not made to hold 0") {
    // The reference of AWQ clamps the zero point to a code: 4 bits on [1, 1.3] all become .3. By
    // its rule, then ours, whose zero point is an integer that need not be a code.
    const std::vector<double> row{1.0, 1.1, 1.2, 1.3};
    const double scale = (1.3 - 1.0) / 15;
    const double zero = std::clamp(std::nearbyint(-1.0 / scale), 0.0, 15.0);
    for (const double w : row) {
        const double code = std::clamp(std::nearbyint(w / scale) + zero, 0.0, 15.0);
        CHECK_THAT(scale * (code - zero), WithinAbs(.3, 1e-12));
    }
    const auto ours = run("zeropoint:bits=4,force_zero=false", weightsOnly(rowsOf(4, row)));
    CHECK(ours->metrics.maxAbsError <= scale / 2 + 1e-12);
    CHECK(run("zeropoint:bits=4", weightsOnly(rowsOf(4, row)))->metrics.maxAbsError <=
          1.3 / 15 / 2 + 1e-12);
}

TEST_CASE("goldens 2.3: mean squared errors on the lecture's matrix") {
    const SchemeInput m = weightsOnly(rowsOf(fixtureM()));
    CHECK_THAT(run("absmax", m)->metrics.mse, WithinAbs(.019904, 5e-7));
    CHECK_THAT(run("absmax:per=row", m)->metrics.mse, WithinAbs(.006338, 5e-7));
    CHECK_THAT(decibels("absmax:bits=4,group=5", m), WithinAbs(24.28, .005));
}

TEST_CASE("goldens 2.3: normal weights in groups") {
    struct Row {
        std::int64_t group;
        double int4, asymmetric, nf4, int8, int3, int2;
    };
    const std::vector<double> values = numpyNormals(1280000);
    CHECK_THAT(values[0], WithinAbs(1.764052345967664, 1e-14));  // RandomState(0).randn()
    for (const Row& row : {Row{32, 20.27, 21.86, 21.18, 45.44, 12.91, 3.65},
                           Row{64, 19.35, 20.81, 20.73, 44.53, 11.99, 2.88},
                           Row{128, 18.62, 19.96, 20.40, 43.79, 11.26, 2.31},
                           Row{256, 17.97, 19.22, 20.13, 43.15, 10.61, 1.86},
                           Row{1024, 16.91, 18.05, 19.64, 42.08, 9.54, 1.23}}) {
        CAPTURE(row.group);
        const SchemeInput input = weightsOnly(rowsOf(row.group, values));
        CHECK_THAT(decibels("absmax:bits=4,per=row", input), WithinAbs(row.int4, .05));
        CHECK_THAT(decibels("zeropoint:bits=4,per=row", input), WithinAbs(row.asymmetric, .05));
        CHECK_THAT(decibels("nf4:block=" + std::to_string(row.group), input),
                   WithinAbs(row.nf4, .05));
        CHECK_THAT(decibels("absmax:bits=8,per=row", input), WithinAbs(row.int8, .05));
        CHECK_THAT(decibels("absmax:bits=3,per=row", input), WithinAbs(row.int3, .05));
        CHECK_THAT(decibels("absmax:bits=2,per=row", input), WithinAbs(row.int2, .05));
    }
}

TEST_CASE("goldens 2.3: the largest of n normal weights, and the error that follows from it") {
    CHECK_THAT(expectedAbsmax(64), WithinAbs(2.596, 5e-4));
    CHECK_THAT(expectedAbsmax(128), WithinAbs(2.828, 5e-4));
    CHECK_THAT(expectedAbsmax(4096), WithinAbs(3.802, 5e-4));
    CHECK_THAT(expectedAbsmax(4096.0 * 4096), WithinAbs(5.518, 5e-4));
    // Scales of absmax are that maximum over 127; the error of rounding is step²/12.
    const std::vector<double> values = numpyNormals(1280000);
    for (const std::int64_t n : {64, 128}) {
        const auto result = run("absmax:bits=8,per=row", weightsOnly(rowsOf(n, values)));
        double mean = 0;
        double square = 0;
        for (const double scale : result->quantized->scales()->values) {
            mean += 127 * scale;
            square += 127 * scale * 127 * scale;
        }
        const auto count = static_cast<double>(result->quantized->scales()->values.size());
        CHECK_THAT(mean / count,
                   WithinAbs(expectedAbsmax(static_cast<double>(n)), 4 * .45 / std::sqrt(count)));
        // One weight of each group, the largest, is exact.
        const double rounded = static_cast<double>(n - 1) / static_cast<double>(n);
        CHECK_THAT(result->metrics.mse,
                   WithinRel(rounded * square / count / (12 * 127 * 127), .005));
    }
}
