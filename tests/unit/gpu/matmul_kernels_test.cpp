// SPDX-License-Identifier: Apache-2.0
// Every matrix product on the executor, fast and checked, against the FP64 product of its own
// operands.
#include "tests/support/catch.hpp"
#include "tests/unit/gpu/plan_support.hpp"

using namespace loupe;
using gpu::simt::LaunchOptions;
using gpu::simt::Mode;

namespace {

std::vector<const gpu::Kernel*> matmulKernels() {
    std::vector<const gpu::Kernel*> found;
    for (const gpu::KernelFamily* family : gpu::kernelFamilies()) {
        for (const gpu::Kernel& kernel : family->kernels) {
            if (kernel.planMatmul != nullptr) {
                found.push_back(&kernel);
            }
        }
    }
    return found;
}

gpu::TimingRequest requestFor(const gpu::MatmulShape& shape) {
    gpu::TimingRequest request;
    request.matmul = shape;
    return request;
}

}  // namespace

TEST_CASE("every matrix product equals the FP64 reference, fast and checked") {
    const std::vector<gpu::MatmulShape> shapes{
        {.m = 128, .n = 128, .k = 128}, {.m = 1, .n = 72, .k = 256}, {.m = 70, .n = 133, .k = 400}};
    for (const gpu::Kernel* kernel : matmulKernels()) {
        int taken = 0;
        for (const gpu::MatmulShape& shape : shapes) {
            if (!kernel->refuses(requestFor(shape)).empty()) {
                continue;
            }
            ++taken;
            std::vector<float> fast;
            for (const Mode mode : {Mode::Fast, Mode::Checked}) {
                LaunchOptions options;
                options.mode = mode;
                const test::PlanOutcome outcome = test::runMatmul(*kernel, shape, options);
                CAPTURE(kernel->id, shape.m, shape.n, shape.k, static_cast<int>(mode));
                CHECK(outcome.error == "");
                CHECK(outcome.remarks.empty());
                CHECK(outcome.relativeError <= kernel->tolerance);
                if (mode == Mode::Fast) {
                    fast = outcome.output;
                } else {
                    CHECK(fast == outcome.output);
                }
            }
        }
        CAPTURE(kernel->id);
        CHECK(taken >= 1);
    }
}
