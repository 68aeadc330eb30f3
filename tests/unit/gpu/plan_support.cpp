// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gpu/plan_support.hpp"

#include <cmath>
#include <cstring>

namespace loupe::test {

namespace {

using gpu::Argument;
using gpu::BufferRole;

/// Values of a step's arguments and the pointers that a launch takes.
struct BoundArguments {
    std::vector<std::uint64_t> values;
    std::vector<void*> pointers;
};

BoundArguments bind(const gpu::LaunchStep& step, std::vector<std::vector<std::byte>>& memory) {
    BoundArguments bound;
    bound.values.resize(step.arguments.size());
    for (std::size_t i = 0; i < step.arguments.size(); ++i) {
        const Argument& argument = step.arguments[i];
        void* address = nullptr;
        switch (argument.kind) {
            case Argument::Kind::Buffer:
                address = memory[static_cast<std::size_t>(argument.buffer)].data();
                std::memcpy(&bound.values[i], &address, sizeof address);
                break;
            case Argument::Kind::Int32:
                std::memcpy(&bound.values[i], &argument.integer, sizeof argument.integer);
                break;
            case Argument::Kind::Float32:
                std::memcpy(&bound.values[i], &argument.real, sizeof argument.real);
                break;
        }
        bound.pointers.push_back(&bound.values[i]);
    }
    return bound;
}

}  // namespace

double relativeError(std::span<const float> out, std::span<const double> reference) {
    double difference = 0;
    double norm = 0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        const double d = static_cast<double>(out[i]) - reference[i];
        difference += d * d;
        norm += reference[i] * reference[i];
    }
    return out.size() == reference.size() ? std::sqrt(difference / norm)
                                          : static_cast<double>(INFINITY);
}

PlanOutcome runPlan(const gpu::LaunchPlan& plan, gpu::simt::LaunchOptions options) {
    PlanOutcome outcome;
    std::vector<std::vector<std::byte>> memory;
    std::vector<gpu::simt::Allocation> allocations;
    for (const gpu::Buffer& buffer : plan.buffers) {
        memory.push_back(buffer.role == BufferRole::Input
                             ? buffer.contents
                             : std::vector<std::byte>(buffer.bytes, std::byte{0xFF}));
        memory.back().reserve(16);
        allocations.push_back({memory.back().data(), memory.back().size()});
    }
    for (const gpu::LaunchStep& step : plan.steps) {
        BoundArguments bound = bind(step, memory);
        options.dynamicShared = step.dynamicShared;
        options.sharedLimit = 227 << 10;
        const gpu::simt::LaunchResult result = gpu::simt::launch(
            step.entry, step.grid, step.block, bound.pointers.data(), allocations, options);
        outcome.error = result.error;
        outcome.remarks.insert(outcome.remarks.end(), result.remarks.begin(), result.remarks.end());
        outcome.counts.push_back(result.counts);
        if (!outcome.error.empty()) {
            return outcome;
        }
    }
    const std::vector<std::byte>& output = memory[static_cast<std::size_t>(plan.output)];
    outcome.output.resize(output.size() / sizeof(float));
    std::memcpy(outcome.output.data(), output.data(), outcome.output.size() * sizeof(float));
    return outcome;
}

PlanOutcome runMatmul(const gpu::Kernel& kernel,
                      const gpu::MatmulShape& shape,
                      const gpu::simt::LaunchOptions& options) {
    const JobContext ctx;
    const gpu::MatmulProblem problem = gpu::makeMatmulProblem(shape, 7, ctx);
    const gpu::LaunchPlan plan = kernel.planMatmul(problem, ctx);
    PlanOutcome outcome = runPlan(plan, options);
    if (outcome.error.empty()) {
        const std::vector<double> reference =
            gpu::referenceMatmul(plan.x.empty() ? problem.x : plan.x,
                                 plan.w.empty() ? problem.w : plan.w,
                                 shape,
                                 {},
                                 ctx);
        outcome.relativeError = relativeError(outcome.output, reference);
    }
    return outcome;
}

PlanOutcome runAttention(const gpu::Kernel& kernel,
                         const gpu::AttentionShape& shape,
                         const gpu::simt::LaunchOptions& options) {
    const JobContext ctx;
    const gpu::AttentionProblem problem = gpu::makeAttentionProblem(shape, 7, ctx);
    const gpu::LaunchPlan plan = kernel.planAttention(problem, ctx);
    PlanOutcome outcome = runPlan(plan, options);
    if (outcome.error.empty()) {
        const std::vector<double> reference =
            gpu::referenceAttention(plan.x.empty() ? problem.q : plan.x,
                                    plan.w.empty() ? problem.k : plan.w,
                                    plan.v.empty() ? problem.v : plan.v,
                                    shape,
                                    {},
                                    ctx);
        outcome.relativeError = relativeError(outcome.output, reference);
    }
    return outcome;
}

}  // namespace loupe::test
