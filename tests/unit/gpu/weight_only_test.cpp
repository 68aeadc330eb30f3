// SPDX-License-Identifier: Apache-2.0
// Weight-only products: every instance, ragged sizes, groups; weights read exactly once.
#include "tests/support/catch.hpp"
#include "tests/unit/gpu/plan_support.hpp"

#include <algorithm>
#include <string>

using namespace loupe;
using gpu::MatmulShape;
using gpu::simt::LaunchOptions;
using gpu::simt::Mode;

namespace {

gpu::TimingRequest requestFor(const MatmulShape& shape) {
    gpu::TimingRequest request;
    request.matmul = shape;
    return request;
}

double check(const gpu::Kernel& kernel, const MatmulShape& shape) {
    CAPTURE(kernel.id, shape.m, shape.n, shape.k, shape.group);
    REQUIRE(kernel.refuses(requestFor(shape)) == "");
    std::vector<float> fast;
    double error = 0;
    for (const Mode mode : {Mode::Fast, Mode::Checked}) {
        LaunchOptions options;
        options.mode = mode;
        const test::PlanOutcome outcome = test::runMatmul(kernel, shape, options);
        CHECK(outcome.error == "");
        CHECK(outcome.remarks.empty());
        CHECK(outcome.relativeError <= kernel.tolerance);
        error = outcome.relativeError;
        if (mode == Mode::Fast) {
            fast = outcome.output;
        }
        CHECK(fast == outcome.output);
    }
    return error;
}

}  // namespace

TEST_CASE("weight-only products of every number of tokens equal FP64") {
    for (const char* id : {"gemv_w8a16", "gemv_w4a16", "gemm_w8a16_mma", "gemm_w4a16_mma"}) {
        const gpu::Kernel& kernel = *gpu::findKernel(id);
        double worst = 0;
        for (const std::int64_t m : {1, 2, 3, 7, 8, 9, 16, 25, 33, 64}) {
            const MatmulShape shape{.m = m, .n = 70, .k = 256};
            if (kernel.refuses(requestFor(shape)).empty()) {
                worst = std::max(worst, check(kernel, shape));
            }
        }
        CAPTURE(id, worst);
        CHECK(worst > 0);
    }
}

TEST_CASE("weight-only products of any width and group equal FP64") {
    for (const char* id : {"gemv_w8a16", "gemv_w4a16", "gemm_w8a16_mma", "gemm_w4a16_mma"}) {
        const gpu::Kernel& kernel = *gpu::findKernel(id);
        check(kernel, {.m = 1, .n = 1, .k = 1});
        check(kernel, {.m = 3, .n = 17, .k = 100});
        check(kernel, {.m = 5, .n = 130, .k = 1111, .group = 64});
        check(kernel, {.m = 2, .n = 33, .k = 4500, .group = 256});
        if (kernel.leastCapability == 80) {
            check(kernel, {.m = 40, .n = 65, .k = 1500, .group = 512});
            CHECK_FALSE(kernel.refuses(requestFor({.m = 65, .n = 64, .k = 64})).empty());
        } else {
            CHECK_FALSE(kernel.refuses(requestFor({.m = 9, .n = 64, .k = 64})).empty());
        }
    }
    for (const char* id : {"gemv_w4a16", "gemm_w4a16_mma"}) {
        const gpu::Kernel& kernel = *gpu::findKernel(id);
        CHECK_FALSE(kernel.refuses(requestFor({.m = 1, .n = 64, .k = 96, .group = 96})).empty());
        CHECK_FALSE(kernel.refuses(requestFor({.m = 1, .n = 64, .k = 96, .group = 16})).empty());
    }
}

// Loads of 4-bit codes, their scales and X, against n·k/2 bytes of codes: what is left are scales
// and X.
TEST_CASE("weight-only products read every code once") {
    const JobContext ctx;
    const MatmulShape shape{.m = 1, .n = 128, .k = 4096};
    for (const char* id : {"gemv_w8a16", "gemv_w4a16", "gemm_w8a16_mma", "gemm_w4a16_mma"}) {
        const gpu::Kernel& kernel = *gpu::findKernel(id);
        const gpu::LaunchPlan plan = kernel.planMatmul(gpu::makeMatmulProblem(shape, 1, ctx), ctx);
        LaunchOptions options;
        options.mode = Mode::Checked;
        const test::PlanOutcome outcome = test::runPlan(plan, options);
        REQUIRE(outcome.error == "");
        const std::uint64_t codes = plan.buffers[0].bytes;
        bool once = false;
        for (const gpu::LineRecord& line : outcome.counts[0].lines) {
            once = once ||
                   (line.memory == "global load" && line.bytes == codes && line.cost * 32 == codes);
        }
        CAPTURE(id, codes);
        CHECK(once);
        CHECK(codes == (std::string_view(kernel.b) == "int4" ? 128U * 2048 : 128U * 4096));
    }
}
