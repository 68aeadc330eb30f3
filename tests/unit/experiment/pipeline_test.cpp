// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/pipeline.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cmath>
#include <stop_token>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

template <class T>
std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& matrix) {
    std::vector<T> values(static_cast<std::size_t>(matrix.size()));
    std::transform(matrix.data(), matrix.data() + matrix.size(), values.begin(), [](double x) {
        return static_cast<T>(x);
    });
    return makeRowSource(matrix.rows(), matrix.cols(), std::move(values));
}

std::shared_ptr<const SchemeResult> run(const std::string& scheme, const SchemeInput& input) {
    CAPTURE(scheme);
    auto result = applyScheme(parseScheme(scheme).value(), input);
    REQUIRE(result.has_value());
    return *result;
}

SchemeInput weightsOnly(std::shared_ptr<const RowSource> weights) {
    return {std::move(weights), 32, nullptr, 0, nullptr};
}

/// Heavy-tailed weights [rows, cols].
std::shared_ptr<const RowSource> heavyTailed(std::int64_t rows, std::int64_t cols) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(0.02 * randomStudentT(7, i, 5));
    }
    return makeRowSource(rows, cols, std::move(values));
}

}  // namespace

TEST_CASE("the slide vector's errors") {
    const Matrix<double> slide = fixtureV(false);
    const auto errors = [&](const char* scheme) {
        return run(scheme, weightsOnly(rowsOf<double>(slide)))->metrics;
    };
    CHECK_THAT(errors("absmax").mse, WithinRel(2.9814e-4, 1e-4));
    CHECK_THAT(errors("absmax").sqnrDb, WithinAbs(50.577, 5e-4));
    CHECK_THAT(errors("absmax:bits=6").mse, WithinRel(5.8366e-3, 1e-4));
    CHECK_THAT(errors("absmax:bits=4").sqnrDb, WithinAbs(25.468, 5e-4));
    CHECK_THAT(errors("absmax:bits=3").mse, WithinRel(1.01126, 1e-5));
    CHECK_THAT(errors("absmax:bits=2").mse, WithinRel(10.4124, 1e-5));
    CHECK_THAT(errors("zeropoint").mse, WithinRel(2.7156e-4, 1e-4));
    CHECK_THAT(errors("zeropoint").sqnrDb, WithinAbs(50.982, 5e-4));
    CHECK_THAT(errors("zeropoint:bits=4").mse, WithinRel(0.16443, 1e-4));
    CHECK_THAT(errors("zeropoint:bits=3").mse, WithinRel(0.19261, 1e-4));
}

TEST_CASE("granularity on the lecture's matrix") {
    const auto matrix = rowsOf<double>(fixtureM());
    const auto decibels = [&](const char* scheme) {
        return run(scheme, weightsOnly(matrix))->metrics.sqnrDb;
    };
    CHECK_THAT(decibels("absmax"), WithinAbs(43.57, 0.005));
    CHECK_THAT(decibels("absmax:per=row"), WithinAbs(48.54, 0.005));
    CHECK_THAT(decibels("absmax:per=column"), WithinAbs(47.49, 0.005));
    CHECK_THAT(decibels("absmax:group=5"), WithinAbs(48.55, 0.005));
    CHECK_THAT(decibels("zeropoint"), WithinAbs(51.22, 0.005));
    CHECK_THAT(decibels("zeropoint:per=row"), WithinAbs(55.55, 0.005));
    CHECK_THAT(decibels("zeropoint:force_zero=false"), WithinAbs(49.49, 0.005));
    CHECK_THAT(decibels("zeropoint:per=row,force_zero=false"), WithinAbs(51.40, 0.005));
    CHECK_THAT(decibels("absmax:bits=4"), WithinAbs(19.90, 0.005));
    CHECK_THAT(decibels("absmax:bits=4,per=row"), WithinAbs(24.28, 0.005));
    CHECK_THAT(decibels("absmax:bits=4,per=column"), WithinAbs(25.46, 0.005));
    CHECK_THAT(decibels("zeropoint:bits=4"), WithinAbs(27.66, 0.005));
    CHECK_THAT(decibels("zeropoint:bits=4,per=row"), WithinAbs(30.48, 0.005));
    const auto two = run("absmax:bits=2", weightsOnly(matrix));
    CHECK(two->zeros == 88);
    CHECK_THAT(two->metrics.mse, WithinAbs(39.2, 0.05));
    // All weights are positive: three asymmetric bits have the same seven steps as four symmetric
    // ones.
    CHECK_THAT(run("zeropoint:bits=3", weightsOnly(matrix))->metrics.mse,
               WithinRel(4.638906, 1e-6));
    CHECK_THAT(run("absmax:bits=4", weightsOnly(matrix))->metrics.mse, WithinRel(4.638906, 1e-6));
}

TEST_CASE("output error of the synthetic layer, weights and activations quantized") {
    const FixtureF1 layer = fixtureF1();
    const auto outputError = [&](const char* scheme, bool single) {
        const SchemeInput input{
            single ? rowsOf<float>(layer.weight) : rowsOf<double>(layer.weight),
            32,
            single ? rowsOf<float>(layer.activations) : rowsOf<double>(layer.activations),
            0,
            nullptr};
        return run(scheme, input)->metrics.outputRelativeError.value();
    };
    for (const bool single : {false, true}) {
        CAPTURE(single);
        CHECK_THAT(outputError("absmax:act_bits=8,act_per=tensor", single),
                   WithinRel(0.04906, 0.01));
        CHECK_THAT(outputError("absmax:per=row,act_bits=8,act_per=token", single),
                   WithinRel(0.01728, 0.01));
        CHECK_THAT(outputError("absmax:bits=6,act_bits=6,act_per=tensor", single),
                   WithinRel(0.19741, 0.01));
        CHECK_THAT(outputError("absmax:bits=6,per=row,act_bits=6", single),
                   WithinRel(0.07298, 0.01));
        CHECK_THAT(outputError("absmax:bits=4,act_bits=4,act_per=tensor", single),
                   WithinRel(0.42476, 0.01));
        CHECK_THAT(outputError("absmax:bits=4,per=row,act_bits=4", single),
                   WithinRel(0.28022, 0.01));
        CHECK_THAT(outputError("absmax:per=row", single), WithinRel(0.00572, 0.01));
        CHECK_THAT(outputError("absmax:bits=4,per=row", single), WithinRel(0.11467, 0.01));
        // Asymmetric per row with zero forced: the round-to-nearest column of the GPTQ table.
        CHECK_THAT(outputError("zeropoint:bits=4,per=row", single), WithinRel(0.09079, 0.01));
        CHECK_THAT(outputError("zeropoint:bits=3,per=row", single), WithinRel(0.18898, 0.01));
        CHECK_THAT(outputError("zeropoint:bits=4,group=16", single), WithinRel(0.07487, 0.01));
    }
}

TEST_CASE("static activation ranges come from the calibration rows and clip beyond") {
    // Calibration peaks at 4, the live tensor at 8: static returns 4.
    std::vector<float> tokens{4, -1, 2, 8, -8, 1};
    SchemeInput input{makeRowSource(1, 3, std::vector<float>{1, 0, 0}),
                      32,
                      makeRowSource(2, 3, tokens),
                      1,
                      nullptr};
    const auto result = run("absmax:act_bits=8,act_per=tensor,act_range=max", input);
    const double expected = std::sqrt(16.0 / (16 + 64));  // the second token's 8 became 4
    CHECK_THAT(*result->metrics.outputRelativeError, WithinAbs(expected, 1e-6));
    input.calibrationRows = 0;
    CHECK_THAT(
        *run("absmax:act_bits=8,act_per=tensor,act_range=max", input)->metrics.outputRelativeError,
        WithinAbs(0.0, 4e-3));
}

TEST_CASE("range rules on normal and Laplace quantiles") {
    // spec 2.4: deterministic quantiles of 1e5 values. Percentiles of the contract are exact
    // quantiles with interpolation, not a histogram's left edges, so those columns of the table
    // differ and are not compared.
    std::vector<double> normal(100000);
    std::vector<double> laplace(normal.size());
    for (std::size_t i = 0; i < normal.size(); ++i) {
        const double u = (static_cast<double>(i) + 0.5) / 1e5;
        laplace[i] = u < 0.5 ? std::log(2 * u) : -std::log(2 * (1 - u));
        double low = -6, high = 6;  // inverse of the normal distribution by bisection
        for (int step = 0; step < 80; ++step) {
            const double middle = (low + high) / 2;
            (0.5 * std::erfc(-middle / std::sqrt(2.0)) < u ? low : high) = middle;
        }
        normal[i] = low;
    }
    std::vector<double> outlier = normal;
    outlier.back() = 20;
    const auto check = [](const std::vector<double>& data,
                          const char* scheme,
                          double bound,
                          double decibels,
                          double width) {
        CAPTURE(scheme);
        const auto result = run(
            scheme, weightsOnly(makeRowSource(1, static_cast<std::int64_t>(data.size()), data)));
        CHECK_THAT(result->quantized->clipInterval(0, 0)->second, WithinAbs(bound, width));
        CHECK_THAT(result->metrics.sqnrDb, WithinAbs(decibels, 0.01));
    };
    check(normal, "absmax:clip=entropy", 4.4172, 39.97, 1e-4);
    check(normal, "absmax:bits=4,clip=entropy", 3.5609, 16.66, 1e-4);
    check(outlier, "absmax:clip=entropy", 4.1797, 25.88, 1e-4);
    check(outlier, "absmax:bits=4,clip=entropy", 3.4473, 16.40, 1e-4);
    check(laplace, "absmax:clip=entropy", 9.9052, 35.50, 1e-4);
    check(laplace, "absmax:bits=4,clip=entropy", 6.2512, 14.65, 1e-4);
    // The reference's candidates are bin centres: the optimum lies within two bins, the error is
    // equal to 0.01 dB.
    check(normal, "absmax:bits=4,clip=mse", 2.4750, 18.90, 0.02);
    check(normal, "absmax:clip=mse", 3.9092, 40.65, 0.05);
    check(laplace, "absmax:bits=4,clip=mse", 4.8205, 15.63, 0.05);
    CHECK_THAT(run("absmax:percentile=100", weightsOnly(makeRowSource(1, 100000, normal)))
                   ->quantized->clipInterval(0, 0)
                   ->second,
               WithinAbs(normal.back(), 1e-6));
}

TEST_CASE("counts, profiles and code usage agree with the matrix itself") {
    const auto weights = heavyTailed(37, 211);
    for (const char* scheme : {"absmax:bits=4,group=64",
                               "zeropoint:bits=3,per=row,percentile=98",
                               "cast:format=fp4_e2m1,scale=row",
                               "absmax:bits=5,per=column,clip=mse",
                               "absmax:bits=4,range=power",
                               "cast:format=fp16+absmax:bits=6,per=row"}) {
        CAPTURE(scheme);
        const auto result = run(scheme, weightsOnly(weights));
        std::vector<float> before(37 * 211), after(before.size());
        std::vector<std::int32_t> codes(before.size());
        REQUIRE(weights->read(0, 37, before.data()).has_value());
        REQUIRE(result->quantized->read(0, 37, after.data()).has_value());
        REQUIRE(result->quantized->codes(0, 37, codes.data()).has_value());
        double squared = 0, absolute = 0, most = 0, reference = 0;
        std::uint64_t zeros = 0, clipped = 0;
        std::vector<double> rowMse(37, 0.0), colMse(211, 0.0);
        std::map<std::int64_t, std::uint64_t> usage;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const double x = static_cast<double>(before[i]);
            const double e = x - static_cast<double>(after[i]);
            squared += e * e;
            absolute += std::fabs(e);
            most = std::max(most, std::fabs(e));
            reference += x * x;
            zeros += after[i] == 0 ? 1U : 0U;
            ++usage[codes[i]];
            rowMse[i / 211] += e * e / 211;
            colMse[i % 211] += e * e / 37;
            const auto interval = result->quantized->clipInterval(
                static_cast<std::int64_t>(i / 211), static_cast<std::int64_t>(i % 211));
            clipped += interval && (x < interval->first || x > interval->second) ? 1U : 0U;
        }
        const double n = static_cast<double>(before.size());
        CHECK_THAT(result->metrics.mse, WithinRel(squared / n, 1e-6));
        CHECK_THAT(result->metrics.meanAbsError, WithinRel(absolute / n, 1e-6));
        CHECK_THAT(result->metrics.maxAbsError, WithinRel(most, 1e-6));
        CHECK_THAT(result->metrics.sqnrDb, WithinAbs(10 * std::log10(reference / squared), 1e-4));
        CHECK(result->zeros == zeros);
        CHECK(result->clipped == clipped);
        CHECK(result->count == before.size());
        for (std::size_t i = 0; i < rowMse.size(); ++i) {
            CHECK_THAT(result->rowMse[i], WithinRel(rowMse[i], 1e-5));
        }
        for (std::size_t i = 0; i < colMse.size(); ++i) {
            CHECK_THAT(result->colMse[i], WithinRel(colMse[i], 1e-5));
        }
        CHECK(result->codeUsage ==
              std::vector<std::pair<std::int64_t, std::uint64_t>>(usage.begin(), usage.end()));
    }
}

TEST_CASE("results are bit-identical for any number of threads") {
    const auto weights = heavyTailed(300, 1030);
    const auto activations = heavyTailed(70, 1030);
    const int before = computeThreads();
    for (const char* scheme : {"absmax:bits=4,group=128",
                               "absmax:per=row",
                               "absmax",
                               "zeropoint:bits=4,clip=mse",
                               "zeropoint:bits=3,per=column",
                               "absmax:percentile=99",
                               "cast:format=fp8_e4m3,scale=row"}) {
        CAPTURE(scheme);
        std::vector<std::shared_ptr<const SchemeResult>> results;
        for (const int threads : {1, 2, 7}) {
            setComputeThreads(threads);
            results.push_back(run(scheme, {weights, 32, activations, 0, nullptr}));
        }
        setComputeThreads(before);
        for (const auto& result : results) {
            CHECK(result->metrics.mse == results[0]->metrics.mse);
            CHECK(result->metrics.meanAbsError == results[0]->metrics.meanAbsError);
            CHECK(result->metrics.cosine == results[0]->metrics.cosine);
            CHECK(result->metrics.outputRelativeError == results[0]->metrics.outputRelativeError);
            CHECK(result->rowMse == results[0]->rowMse);
            CHECK(result->colMse == results[0]->colMse);
            CHECK(result->codeUsage == results[0]->codeUsage);
            CHECK(result->quantized->scales()->values == results[0]->quantized->scales()->values);
        }
    }
}

TEST_CASE("cancelling ends a search soon") {
    std::stop_source stop;
    stop.request_stop();
    const JobContext ctx(stop.get_token(), nullptr);
    CHECK_THROWS_AS(
        applyScheme(parseScheme("absmax:clip=mse").value(), weightsOnly(heavyTailed(64, 512)), ctx),
        Cancelled);
}

TEST_CASE("an empty scheme changes nothing; wrong shapes and missing data are named") {
    const auto weights = heavyTailed(4, 8);
    const auto same = applyScheme(Scheme{}, {weights, 16, nullptr, 0, nullptr}).value();
    CHECK(same->metrics.mse == 0);
    CHECK(same->metrics.sqnrDb == std::numeric_limits<double>::infinity());
    CHECK(same->bitsPerWeight == 16);
    const auto wrong =
        applyScheme(parseScheme("absmax").value(), {weights, 32, heavyTailed(3, 9), 0, nullptr});
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().code == ErrorCode::Invalid);
    const auto missing =
        applyScheme(parseScheme("absmax:act_bits=8").value(), weightsOnly(weights));
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == ErrorCode::Missing);
    CHECK(missing.error().what.find("--activations") != std::string::npos);
}

TEST_CASE("bits per weight by the contract's rule") {
    const auto weights = heavyTailed(8, 100);
    const auto bits = [&](const char* scheme) {
        return run(scheme, weightsOnly(weights))->bitsPerWeight;
    };
    CHECK_THAT(bits("absmax"), WithinAbs(8 + 16.0 / 800, 1e-12));
    CHECK_THAT(bits("absmax:per=row"), WithinAbs(8 + 16.0 / 100, 1e-12));
    CHECK_THAT(bits("absmax:bits=4,per=column"), WithinAbs(4 + 16.0 / 8, 1e-12));
    CHECK_THAT(bits("absmax:bits=4,group=32"),
               WithinAbs(4 + 4 * 16.0 / 100, 1e-12));  // a shorter last group has a scale too
    CHECK_THAT(bits("zeropoint:bits=4,group=32"), WithinAbs(4 + 4 * 20.0 / 100, 1e-12));
    CHECK(bits("cast:format=fp8_e4m3") == 8);
    CHECK_THAT(bits("cast:format=int4,scale=row"), WithinAbs(4 + 16.0 / 100, 1e-12));
    CHECK_THAT(run("absmax:bits=4,group=128", weightsOnly(heavyTailed(4, 256)))->bitsPerWeight,
               WithinAbs(4.125, 1e-12));
}
