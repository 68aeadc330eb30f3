// SPDX-License-Identifier: Apache-2.0
// LLM.int8() with planted outliers: the GPU's own decomposition of X gives what core's gives in
// FP64.
#include "tests/support/catch.hpp"
#include "tests/unit/gpu/plan_support.hpp"

#include <algorithm>
#include <cmath>

using namespace loupe;
using gpu::MatmulShape;
using gpu::simt::LaunchOptions;
using gpu::simt::Mode;

TEST_CASE("LLM.int8 equals FP64 with and without outliers, fast and checked") {
    for (const char* id : {"llm_int8_64x128", "llm_int8_128x128"}) {
        const gpu::Kernel& kernel = *gpu::findKernel(id);
        double worst = 0;
        for (const MatmulShape& shape : {MatmulShape{.m = 64, .n = 128, .k = 256, .outliers = 3},
                                         MatmulShape{.m = 1, .n = 40, .k = 300, .outliers = 5},
                                         MatmulShape{.m = 70, .n = 131, .k = 200, .outliers = 40},
                                         MatmulShape{.m = 130, .n = 30, .k = 64}}) {
            std::vector<float> fast;
            for (const Mode mode : {Mode::Fast, Mode::Checked}) {
                LaunchOptions options;
                options.mode = mode;
                const test::PlanOutcome outcome = test::runMatmul(kernel, shape, options);
                CAPTURE(id, shape.m, shape.n, shape.k, shape.outliers, static_cast<int>(mode));
                CHECK(outcome.error == "");
                CHECK(outcome.remarks.empty());
                CHECK(outcome.relativeError <= kernel.tolerance);
                worst = std::max(worst, outcome.relativeError);
                if (mode == Mode::Fast) {
                    fast = outcome.output;
                }
                CHECK(fast == outcome.output);
            }
        }
        CAPTURE(id, worst);
        CHECK(worst > 0);
    }
}

TEST_CASE("outliers are planted in as many inputs as asked for") {
    const JobContext ctx;
    const MatmulShape shape{.m = 200, .n = 4, .k = 500, .outliers = 7};
    const gpu::MatmulProblem problem = gpu::makeMatmulProblem(shape, 3, ctx);
    std::int64_t found = 0;
    for (std::int64_t col = 0; col < shape.k; ++col) {
        float most = 0;
        for (std::int64_t row = 0; row < shape.m; ++row) {
            most =
                std::max(most, std::fabs(problem.x[static_cast<std::size_t>(row * shape.k + col)]));
        }
        found += most >= 6 ? 1 : 0;
    }
    CHECK(found == 7);
}

// With outliers, one scale a token wastes the grid on a few inputs; taking them out mends it.
TEST_CASE("taking outliers out makes int8 better") {
    const JobContext ctx;
    const MatmulShape shape{.m = 32, .n = 64, .k = 512, .outliers = 4};
    const gpu::MatmulProblem problem = gpu::makeMatmulProblem(shape, 5, ctx);
    const std::vector<double> exact = gpu::referenceMatmul(problem.x, problem.w, shape, {}, ctx);
    const auto errorOf = [&](const char* id) {
        const gpu::LaunchPlan plan = gpu::findKernel(id)->planMatmul(problem, ctx);
        const test::PlanOutcome outcome = test::runPlan(plan, {});
        REQUIRE(outcome.error == "");
        return test::relativeError(outcome.output, exact);
    };
    const double plain = errorOf("gemm_s8_dp4a_64x64x32");
    const double split = errorOf("llm_int8_64x128");
    CAPTURE(plain, split);
    CHECK(split < 0.5 * plain);
}
