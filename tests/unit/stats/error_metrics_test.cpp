// SPDX-License-Identifier: Apache-2.0
#include "core/stats/error_metrics.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

TEST_CASE("Error metrics worked by hand") {
    const std::vector<float> w{3, 4, 0, 0};
    const std::vector<float> approximation{3, 3, 1, 0};
    const ErrorMetrics m = errorSums(std::span<const float>(w), approximation).metrics();
    CHECK(m.mse == 0.5);
    CHECK(m.rmse == std::sqrt(0.5));
    CHECK(m.maxAbsError == 1);
    CHECK(m.meanAbsError == 0.5);
    CHECK_THAT(m.sqnrDb, WithinAbs(10 * std::log10(12.5), 1e-12));
    CHECK_THAT(m.cosine, WithinAbs(21 / (5 * std::sqrt(19.0)), 1e-12));
    CHECK_THAT(m.relativeFrobenius, WithinAbs(std::sqrt(2.0) / 5, 1e-12));
    CHECK_FALSE(m.outputRelativeError.has_value());
}

TEST_CASE("Error metrics at the edges") {
    const std::vector<double> zero(5, 0.0);
    const std::vector<double> some{1, 0, 0, -2, 0};
    const auto metrics = [](const std::vector<double>& a, const std::vector<double>& b) { return errorSums(std::span<const double>(a), b).metrics(); };
    CHECK(metrics(some, some).sqnrDb == std::numeric_limits<double>::infinity());
    CHECK(metrics(some, some).cosine == 1);
    CHECK(metrics(zero, some).sqnrDb == -std::numeric_limits<double>::infinity());
    CHECK(std::isnan(metrics(zero, zero).sqnrDb));
    CHECK(std::isnan(metrics(zero, some).cosine));
    CHECK(std::isnan(metrics({}, {}).mse));
}

TEST_CASE("Vectorised sums equal a plain loop on every CPU target, and obey their laws") {
    const auto target = GENERATE(from_range(availableCpuTargets()));
    const CpuTarget before = setCpuTarget(target);
    for (const std::size_t n : {1UL, 7UL, 16UL, 1000UL, 4099UL}) {
        CAPTURE(cpuTargetName(target), n);
        std::vector<float> a(n);
        std::vector<float> b(n);
        ErrorSums plain;
        for (std::size_t i = 0; i < n; ++i) {
            a[i] = static_cast<float>(randomNormal(1, i));
            b[i] = a[i] + static_cast<float>(0.01 * randomNormal(2, i));
            const double x = static_cast<double>(a[i]);
            const double y = static_cast<double>(b[i]);
            plain.add({1, (x - y) * (x - y), std::fabs(x - y), std::fabs(x - y), x * x, y * y, x * y});
        }
        const ErrorSums sums = errorSums(std::span<const float>(a), b);
        CHECK(sums.count == n);
        CHECK(sums.maxAbsError == plain.maxAbsError);
        CHECK_THAT(sums.squaredError, WithinRel(plain.squaredError, 1e-12));
        CHECK_THAT(sums.absError, WithinRel(plain.absError, 1e-12));
        CHECK_THAT(sums.product, WithinRel(plain.product, 1e-12));
        const ErrorMetrics m = sums.metrics();
        CHECK_THAT(m.rmse * m.rmse, WithinRel(m.mse, 1e-14));
        CHECK(m.rmse <= m.maxAbsError);
        CHECK_THAT(m.sqnrDb, WithinAbs(-20 * std::log10(m.relativeFrobenius), 1e-9));
    }
    setCpuTarget(before);
}
