// SPDX-License-Identifier: Apache-2.0
// Every format of the CPU backend on every instruction set of this machine, against FP64.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/cpu/matmul.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>

using namespace loupe;
using namespace loupe::gpu;

namespace {

MatmulProblem problemOf(const MatmulShape& shape) {
    MatmulProblem problem;
    problem.shape = shape;
    problem.x.resize(static_cast<std::size_t>(shape.m * shape.k));
    problem.w.resize(static_cast<std::size_t>(shape.n * shape.k));
    for (std::size_t i = 0; i < problem.x.size(); ++i) {
        problem.x[i] = static_cast<float>(randomNormal(1, i));
    }
    const double size = 1 / std::sqrt(static_cast<double>(shape.k));
    for (std::size_t i = 0; i < problem.w.size(); ++i) {
        problem.w[i] = static_cast<float>(size * randomNormal(2, i));
    }
    return problem;
}

std::vector<double> product(const std::vector<float>& x,
                            const std::vector<float>& w,
                            const MatmulShape& shape) {
    std::vector<double> y;
    for (std::int64_t i = 0; i < shape.m; ++i) {
        for (std::int64_t j = 0; j < shape.n; ++j) {
            double sum = 0;
            for (std::int64_t p = 0; p < shape.k; ++p) {
                sum += static_cast<double>(x[static_cast<std::size_t>(i * shape.k + p)]) *
                       static_cast<double>(w[static_cast<std::size_t>(j * shape.k + p)]);
            }
            y.push_back(sum);
        }
    }
    return y;
}

double relativeError(std::span<const float> got, const std::vector<double>& expected) {
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        error += (static_cast<double>(got[i]) - expected[i]) *
                 (static_cast<double>(got[i]) - expected[i]);
        norm += expected[i] * expected[i];
    }
    return std::sqrt(error / norm);
}

/// One after the other the targets of this machine; the last one stays set back.
class EachTarget {
public:
    explicit EachTarget(CpuTarget target) : before_(setCpuTarget(target)) {}
    ~EachTarget() { setCpuTarget(before_); }
    EachTarget(const EachTarget&) = delete;
    EachTarget& operator=(const EachTarget&) = delete;

private:
    CpuTarget before_;
};

const std::vector<MatmulShape> kShapes{{1, 64, 128, 128},
                                       {1, 131, 300, 128},
                                       {3, 70, 96, 32},
                                       {4, 200, 1000, 128},
                                       {5, 65, 257, 64},
                                       {7, 129, 520, 128},
                                       {13, 64, 33, 32},
                                       {200, 100, 300, 64}};

}  // namespace

TEST_CASE("CPU products equal FP64 within rounding, in every format on every instruction set") {
    for (const CpuTarget target : availableCpuTargets()) {
        const EachTarget guard(target);
        for (const MatmulShape& shape : kShapes) {
            const MatmulProblem problem = problemOf(shape);
            for (const CpuFormat& format : cpuFormats()) {
                CAPTURE(cpuTargetName(target), format.name, shape.m, shape.n, shape.k, shape.group);
                REQUIRE(format.refuses(shape).empty());
                const auto matmul = format.make(problem, {});
                std::fill(matmul->output().begin(), matmul->output().end(), std::nanf(""));
                matmul->run({});
                const std::vector<float>& x = matmul->x().empty() ? problem.x : matmul->x();
                const std::vector<float>& w = matmul->w().empty() ? problem.w : matmul->w();
                const double error = relativeError(matmul->output(), product(x, w, shape));
                CHECK(error <= matmul->tolerance());
                CHECK(matmul->tolerance() < 1e-5);
            }
        }
    }
}

TEST_CASE("CPU products are the same bits for any number of threads") {
    const int before = computeThreads();
    const MatmulProblem problem = problemOf({9, 300, 400, 128});
    for (const CpuFormat& format : cpuFormats()) {
        const auto matmul = format.make(problem, {});
        setComputeThreads(1);
        matmul->run({});
        const std::vector<float> alone(matmul->output().begin(), matmul->output().end());
        setComputeThreads(3);
        matmul->run({});
        CAPTURE(format.name);
        CHECK(std::equal(alone.begin(), alone.end(), matmul->output().begin()));
    }
    setComputeThreads(before);
}

TEST_CASE("a CPU product stops when its job is no longer wanted") {
    const MatmulProblem problem = problemOf({9, 300, 400, 128});
    std::stop_source stop;
    const JobContext ctx(stop.get_token(), nullptr);
    for (const CpuFormat& format : cpuFormats()) {
        const auto matmul = format.make(problem, {});
        CHECK_NOTHROW(matmul->run(ctx));
    }
    stop.request_stop();
    for (const CpuFormat& format : cpuFormats()) {
        CAPTURE(format.name);
        CHECK_THROWS_AS(format.make(problem, {})->run(ctx), Cancelled);
    }
}
