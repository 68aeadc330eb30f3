// SPDX-License-Identifier: Apache-2.0
// Every attention kernel on the executor, fast and checked, against FP64 attention of its own
// operands.
#include "tests/support/catch.hpp"
#include "tests/unit/gpu/plan_support.hpp"

#include <algorithm>
#include <cmath>

using namespace loupe;
using gpu::AttentionShape;
using gpu::simt::LaunchOptions;
using gpu::simt::Mode;
using gpu::simt::Schedule;

namespace {

std::vector<const gpu::Kernel*> attentionKernels() {
    std::vector<const gpu::Kernel*> found;
    for (const gpu::KernelFamily* family : gpu::kernelFamilies()) {
        for (const gpu::Kernel& kernel : family->kernels) {
            if (kernel.planAttention != nullptr) {
                found.push_back(&kernel);
            }
        }
    }
    return found;
}

gpu::TimingRequest requestFor(const AttentionShape& shape) {
    gpu::TimingRequest request;
    request.operation = gpu::Operation::Attention;
    request.attention = shape;
    return request;
}

/// Whole tiles; ragged ones with grouped heads and a mask; one row more than a tile; decode.
std::vector<AttentionShape> shapes() {
    return {{.seq = 128, .dim = 64},
            {.seq = 128, .dim = 128, .heads = 2, .kvHeads = 2, .causal = true},
            {.seq = 150, .dim = 64, .heads = 4, .kvHeads = 2, .batch = 2, .causal = true},
            {.seq = 97, .dim = 128, .heads = 2},
            {.seq = 65, .dim = 64, .causal = true},
            {.seq = 65, .dim = 128, .causal = true},
            {.seq = 1, .dim = 64},
            {.seq = 256, .dim = 128, .decode = true},
            {.seq = 333, .dim = 64, .heads = 12, .kvHeads = 2, .batch = 2, .decode = true},
            {.seq = 200, .dim = 128, .heads = 20, .kvHeads = 2, .decode = true},
            {.seq = 1, .dim = 64, .heads = 4, .decode = true}};
}

}  // namespace

TEST_CASE("every attention kernel equals the FP64 reference, fast and checked") {
    for (const gpu::Kernel* kernel : attentionKernels()) {
        int taken = 0;
        double worst = 0;
        for (const AttentionShape& shape : shapes()) {
            if (!kernel->refuses(requestFor(shape)).empty()) {
                continue;
            }
            ++taken;
            std::vector<float> fast;
            for (const Mode mode : {Mode::Fast, Mode::Checked}) {
                LaunchOptions options;
                options.mode = mode;
                const test::PlanOutcome outcome = test::runAttention(*kernel, shape, options);
                CAPTURE(kernel->id, shape.seq, shape.dim, shape.causal, static_cast<int>(mode));
                CHECK(outcome.error == "");
                CHECK(outcome.remarks.empty());
                CHECK(outcome.relativeError <= kernel->tolerance);
                worst = std::max(worst, outcome.relativeError);
                if (mode == Mode::Fast) {
                    fast = outcome.output;
                } else {
                    CHECK(fast == outcome.output);
                }
            }
        }
        CAPTURE(kernel->id, worst);
        CHECK(taken >= 3);
        CHECK(worst > 0);
    }
}

TEST_CASE("attention kernels do not depend on the order of threads") {
    for (const gpu::Kernel* kernel : attentionKernels()) {
        for (const bool decode : {false, true}) {
            for (const std::int64_t dim : {64, 128}) {
                const AttentionShape shape{
                    .seq = 70, .dim = dim, .heads = 2, .causal = !decode, .decode = decode};
                if (!kernel->refuses(requestFor(shape)).empty()) {
                    continue;
                }
                std::vector<float> first;
                for (const Schedule schedule :
                     {Schedule::Forward, Schedule::Reverse, Schedule::Random}) {
                    LaunchOptions options;
                    options.mode = Mode::Checked;
                    options.schedule = schedule;
                    const test::PlanOutcome outcome = test::runAttention(*kernel, shape, options);
                    CAPTURE(kernel->id, shape.dim, static_cast<int>(schedule));
                    CHECK(outcome.error == "");
                    if (first.empty()) {
                        first = outcome.output;
                    }
                    CHECK(first == outcome.output);
                }
            }
        }
    }
}

// |s| up to 1e4: a score is off by up to 1e4·(8 + 2)·2^-24 = 6e-3, and so is its weight.
TEST_CASE("scores of ten thousand stay finite and right") {
    const JobContext ctx;
    for (const gpu::Kernel* kernel : attentionKernels()) {
        for (const bool decode : {false, true}) {
            for (const std::int64_t dim : {64, 128}) {
                const AttentionShape shape{
                    .seq = 100, .dim = dim, .causal = !decode, .decode = decode};
                if (!kernel->refuses(requestFor(shape)).empty()) {
                    continue;
                }
                gpu::AttentionProblem problem = gpu::makeAttentionProblem(shape, 3, ctx);
                for (float& value : problem.q) {
                    value *= 2800;
                }
                const gpu::LaunchPlan plan = kernel->planAttention(problem, ctx);
                const test::PlanOutcome outcome = test::runPlan(plan, {});
                const std::vector<double> reference =
                    gpu::referenceAttention(plan.x.empty() ? problem.q : plan.x,
                                            plan.w.empty() ? problem.k : plan.w,
                                            plan.v.empty() ? problem.v : plan.v,
                                            shape,
                                            {},
                                            ctx);
                CAPTURE(kernel->id, dim, outcome.error);
                CHECK(std::all_of(outcome.output.begin(), outcome.output.end(), [](float x) {
                    return std::isfinite(x);
                }));
                CHECK(test::relativeError(outcome.output, reference) <= 6e-3 + kernel->tolerance);
            }
        }
    }
}

TEST_CASE("attention kernels say which cases they do not take") {
    for (const gpu::Kernel* kernel : attentionKernels()) {
        CAPTURE(kernel->id);
        CHECK_FALSE(kernel->refuses(requestFor({.seq = 64, .dim = 80})).empty());
        const bool prefill = kernel->refuses(requestFor({.seq = 64, .dim = 64})).empty() ||
                             kernel->refuses(requestFor({.seq = 64, .dim = 128})).empty();
        const bool decode =
            kernel->refuses(requestFor({.seq = 64, .dim = 64, .decode = true})).empty();
        CHECK(prefill != decode);
    }
}
