// SPDX-License-Identifier: Apache-2.0
// Products through panels: every instruction set against plain loops, edges of every kind, and the
// blocked algorithms at sizes that go through them.
#include "core/linalg/panels.hpp"

#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/linalg/dense.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>

using namespace loupe;

namespace {

Matrix<float> random(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Matrix<float> matrix(rows, cols);
    for (std::int64_t i = 0; i < matrix.size(); ++i) {
        matrix.data()[i] =
            static_cast<float>(randomUniform(seed, static_cast<std::uint64_t>(i)) - 0.5);
    }
    return matrix;
}

double column(const Matrix<float>& a, std::int64_t i, const Matrix<float>& b, std::int64_t j) {
    double sum = 0;
    for (std::int64_t k = 0; k < a.rows(); ++k) {
        sum += static_cast<double>(a(k, i)) * static_cast<double>(b(k, j));
    }
    return sum;
}

/// Of the targets, the one that tests are run with comes back.
struct Target {
    CpuTarget before = cpuTarget();
    Target() = default;
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    ~Target() { setCpuTarget(before); }
};

}  // namespace

TEST_CASE("a product of panels adds what its definition says, and touches nothing else") {
    const Target restored;
    const Matrix<float> a = random(70, 67, 1);
    const Matrix<float> b = random(70, 97, 2);
    for (const CpuTarget target : availableCpuTargets()) {
        setCpuTarget(target);
        for (const std::int64_t depth : {0, 1, 33, 70}) {
            CAPTURE(static_cast<int>(target), depth);
            Panels x(depth, 67);
            Panels y(depth, 97);
            x.packColumns(a.view(), {});
            y.packColumns(b.view(), {});
            Matrix<float> c = random(80, 110, 3);
            const Matrix<float> before = c;
            addPanelProduct(-2, x, 32, 35, y, 0, 97, false, &c(1, 2), c.cols());
            for (std::int64_t i = 0; i < c.rows(); ++i) {
                for (std::int64_t j = 0; j < c.cols(); ++j) {
                    if (i < 1 || i > 35 || j < 2 || j > 98) {
                        REQUIRE(c(i, j) == before(i, j));
                        continue;
                    }
                    double sum = 0;
                    for (std::int64_t k = 0; k < depth; ++k) {
                        sum += static_cast<double>(a(k, 31 + i)) * static_cast<double>(b(k, j - 2));
                    }
                    REQUIRE(std::fabs(static_cast<double>(before(i, j)) - 2 * sum -
                                      static_cast<double>(c(i, j))) < 1e-5);
                }
            }
        }
    }
}

TEST_CASE("rows packed as columns are the same panels") {
    const Matrix<float> a = random(45, 50, 4);
    Matrix<float> turned(50, 45);
    for (std::int64_t i = 0; i < 45; ++i) {
        for (std::int64_t k = 0; k < 50; ++k) {
            turned(k, i) = a(i, k);
        }
    }
    Panels x(50, 45);
    Panels y(50, 45);
    x.packRows(a.view(), {});
    y.packColumns(turned.view(), {});
    REQUIRE(x.count() == 2);
    CHECK(std::equal(x.panel(0), x.panel(0) + 2 * 50 * kPanel, y.panel(0)));
    CHECK(reinterpret_cast<std::uintptr_t>(x.panel(1)) % 64 == 0);
}

TEST_CASE("large Gram matrices and factors, with and without panels") {
    const Target restored;
    constexpr std::int64_t kSize = 1037;
    const Matrix<float> x = random(1300, kSize, 5);
    const int threads = computeThreads();
    for (const CpuTarget target : availableCpuTargets()) {
        CAPTURE(static_cast<int>(target));
        setCpuTarget(target);
        Matrix<float> gram(kSize, kSize);
        addGram<float>(2, x.view(), gram.view(), {});
        mirrorLower(gram.view(), {});
        for (std::int64_t i = 0; i < kSize; i += 61) {
            for (std::int64_t j = 0; j < kSize; j += 53) {
                REQUIRE(std::fabs(static_cast<double>(gram(i, j)) - 2 * column(x, i, x, j)) < 1e-3);
            }
            gram(i, i) += 1;
        }
        setComputeThreads(1);
        Matrix<float> lower = gram;
        REQUIRE(choleskyLower(lower.view(), {}) == -1);
        setComputeThreads(3);
        Matrix<float> again = gram;
        REQUIRE(choleskyLower(again.view(), {}) == -1);
        setComputeThreads(threads);
        CHECK(lower == again);
        for (std::int64_t i = 0; i < kSize; i += 97) {
            for (std::int64_t j = 0; j <= i; j += 31) {
                double sum = 0;
                for (std::int64_t k = 0; k <= j; ++k) {
                    sum += static_cast<double>(lower(i, k)) * static_cast<double>(lower(j, k));
                }
                REQUIRE(std::fabs(sum - static_cast<double>(gram(i, j))) < 2e-3);
            }
        }
    }
}
