// SPDX-License-Identifier: Apache-2.0
// Blocked products and factorizations against their definitions in plain loops, on sizes around the
// borders of tiles, for every backend; the same bits for any number of threads; cancelled soon.
#include "core/linalg/dense.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/timing.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

using namespace loupe;

namespace {

template <class T>
Matrix<T> random(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Matrix<T> matrix(rows, cols);
    for (std::int64_t i = 0; i < matrix.size(); ++i) {
        matrix.data()[i] = static_cast<T>(randomUniform(seed, static_cast<std::uint64_t>(i)) - 0.5);
    }
    return matrix;
}

/// Random symmetric with eigenvalues from about 1 upwards.
template <class T>
Matrix<T> definite(std::int64_t n, std::uint64_t seed) {
    Matrix<T> result(n, n);
    const Matrix<T> half = random<T>(n + 7, n, seed);
    addGram<T>(T(1), half.view(), result.view(), {});
    mirrorLower(result.view(), {});
    for (std::int64_t i = 0; i < n; ++i) {
        result(i, i) += T(1);
    }
    return result;
}

template <class T>
double at(const Matrix<T>& a, Op op, std::int64_t row, std::int64_t col) {
    return static_cast<double>(op == Op::Plain ? a(row, col) : a(col, row));
}

std::vector<GemmBackend> backends() {
    std::vector<GemmBackend> all;
    for (const GemmBackend backend : {GemmBackend::OpenBlas, GemmBackend::Eigen}) {
        if (hasGemmBackend(backend)) {
            all.push_back(backend);
        }
    }
    return all;
}

/// Restores backend and threads.
struct Setting {
    GemmBackend backend = gemmBackend();
    int threads = computeThreads();
    Setting() = default;
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;
    ~Setting() {
        setGemmBackend(backend);
        setComputeThreads(threads);
    }
};

}  // namespace

TEMPLATE_TEST_CASE("products of every orientation are the sums of their definition",
                   "",
                   float,
                   double) {
    const Setting restore;
    const double slack = 64 * static_cast<double>(std::numeric_limits<TestType>::epsilon());
    for (const GemmBackend backend : backends()) {
        setGemmBackend(backend);
        for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
                 {1, 1, 1}, {3, 5, 2}, {257, 70, 33}, {40, 300, 280}, {5, 3, 2100}}) {
            for (const Op opA : {Op::Plain, Op::Transposed}) {
                for (const Op opB : {Op::Plain, Op::Transposed}) {
                    CAPTURE(gemmBackendName(), m, n, k, opA == Op::Plain, opB == Op::Plain);
                    const auto a =
                        opA == Op::Plain ? random<TestType>(m, k, 1) : random<TestType>(k, m, 1);
                    const auto b =
                        opB == Op::Plain ? random<TestType>(k, n, 2) : random<TestType>(n, k, 2);
                    const Matrix<TestType> before = random<TestType>(m, n, 3);
                    Matrix<TestType> c = before;
                    multiply<TestType>(
                        TestType(-2), a.view(), opA, b.view(), opB, TestType(0.5), c.view(), {});
                    double worst = 0;
                    for (std::int64_t i = 0; i < m; ++i) {
                        for (std::int64_t j = 0; j < n; j += 7) {
                            double sum = 0.5 * static_cast<double>(before(i, j));
                            for (std::int64_t p = 0; p < k; ++p) {
                                sum -= 2 * at(a, opA, i, p) * at(b, opB, p, j);
                            }
                            worst = std::max(worst, std::fabs(sum - static_cast<double>(c(i, j))));
                        }
                    }
                    CHECK(worst <= slack * std::sqrt(static_cast<double>(k)));
                }
            }
        }
    }
}

TEST_CASE("beta 0 does not read what was there") {
    const Setting restore;
    for (const GemmBackend backend : backends()) {
        setGemmBackend(backend);
        const Matrix<float> a = random<float>(9, 4, 5);
        Matrix<float> c(9, 9);
        std::fill_n(c.data(), c.size(), std::nanf(""));
        multiply<float>(1, a.view(), Op::Plain, a.view(), Op::Transposed, 0, c.view(), {});
        CHECK(std::isfinite(c(8, 8)));
    }
}

TEMPLATE_TEST_CASE("Cholesky and triangular inverse give back the matrix", "", float, double) {
    const Setting restore;
    const double slack = 200 * static_cast<double>(std::numeric_limits<TestType>::epsilon());
    for (const GemmBackend backend : backends()) {
        setGemmBackend(backend);
        for (const std::int64_t n : {1, 2, 24, 25, 191, 192, 193, 500}) {
            CAPTURE(gemmBackendName(), n);
            const Matrix<TestType> a = definite<TestType>(n, 11);
            Matrix<TestType> lower = a;
            REQUIRE(choleskyLower(lower.view(), {}) == -1);
            const Matrix<TestType> inverse =
                inverseLower(MatrixView<const TestType>(lower.view()), {});
            double worst = 0;
            double worstInverse = 0;
            for (std::int64_t i = 0; i < n; ++i) {
                for (std::int64_t j = 0; j < n; j += 3) {
                    double product = 0;
                    double identity = 0;
                    for (std::int64_t k = 0; k < n; ++k) {
                        product +=
                            static_cast<double>(lower(i, k)) * static_cast<double>(lower(j, k));
                        identity +=
                            static_cast<double>(lower(i, k)) * static_cast<double>(inverse(k, j));
                    }
                    if (j > i) {
                        REQUIRE(lower(i, j) == 0);
                        REQUIRE(inverse(i, j) == 0);
                    }
                    worst = std::max(worst, std::fabs(product - static_cast<double>(a(i, j))));
                    worstInverse = std::max(worstInverse, std::fabs(identity - (i == j ? 1 : 0)));
                }
            }
            CHECK(worst <= slack * static_cast<double>(a(0, 0)));
            CHECK(worstInverse <= slack * 10);
        }
    }
}

TEST_CASE("a matrix that is not positive definite names its pivot") {
    for (const std::int64_t at : {0, 20, 230, 499}) {
        Matrix<double> a = definite<double>(500, 12);
        a(at, at) = -1;
        CHECK(choleskyLower(a.view(), {}) == at);
        Matrix<double> b = definite<double>(500, 12);
        b(at, at) = std::nan("");
        CHECK(choleskyLower(b.view(), {}) == at);
    }
}

TEMPLATE_TEST_CASE("the same bits for any number of threads", "", float, double) {
    const Setting restore;
    std::vector<Matrix<TestType>> results;
    for (const int threads : {1, 2, 5}) {
        setComputeThreads(threads);
        Matrix<TestType> lower = definite<TestType>(700, 13);
        results.push_back(lower);
        REQUIRE(choleskyLower(lower.view(), {}) == -1);
        results.push_back(lower);
        results.push_back(inverseLower(MatrixView<const TestType>(lower.view()), {}));
        Matrix<TestType> square(700, 700);
        multiply<TestType>(
            1, lower.view(), Op::Transposed, lower.view(), Op::Plain, 0, square.view(), {});
        results.push_back(square);
    }
    for (std::size_t i = 4; i < results.size(); ++i) {
        CHECK(results[i] == results[i % 4]);
    }
}

TEST_CASE("reversing both axes") {
    Matrix<float> a(3, 5);
    for (std::int64_t i = 0; i < a.size(); ++i) {
        a.data()[i] = static_cast<float>(i);
    }
    reverseBoth(a, {});
    CHECK(a(0, 0) == 14);
    CHECK(a(2, 4) == 0);
    CHECK(a(1, 2) == 7);
    CHECK(a(0, 4) == 10);
    Matrix<double> large = random<double>(301, 777, 21);
    const Matrix<double> before = large;
    reverseBoth(large, {});
    CHECK(large(0, 0) == before(300, 776));
    reverseBoth(large, {});
    CHECK(large == before);
}

TEST_CASE("a cancelled factorization ends within 100 ms") {
    const Matrix<float> half = random<float>(1500, 1500, 14);
    std::stop_source stop;
    const JobContext ctx(stop.get_token(), nullptr);
    using Clock = std::chrono::steady_clock;
    Clock::time_point asked;
    std::jthread canceller([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        asked = Clock::now();
        stop.request_stop();
    });
    bool cancelled = false;
    try {
        for (int i = 0; i < 1000; ++i) {
            Matrix<float> square(1500, 1500);
            addGram<float>(1, half.view(), square.view(), ctx);
            for (std::int64_t k = 0; k < 1500; ++k) {
                square(k, k) += 2000;
            }
            (void)choleskyLower(square.view(), ctx);
        }
    } catch (const Cancelled&) {
        cancelled = true;
    }
    const Clock::time_point answered = Clock::now();
    canceller.join();
    CHECK(cancelled);
    const double seconds = std::chrono::duration<double>(answered - asked).count();
    CAPTURE(seconds);
    CHECK((!test::judgesTiming() || seconds < 0.1));
}
