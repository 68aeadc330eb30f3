// SPDX-License-Identifier: Apache-2.0
#include "gpu/kernels/attention_plan.hpp"

#include <cmath>

namespace loupe::gpu {

float attentionScale(const AttentionShape& shape) {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.dim)));
}

std::string refusesAttention(const TimingRequest& request, bool decode) {
    const AttentionShape& shape = request.attention;
    if (shape.dim != 64 && shape.dim != 128) {
        return "head dimension must be 64 or 128; it is " + std::to_string(shape.dim);
    }
    if (shape.decode != decode) {
        return decode ? "is for one query against stored keys: ask for decode"
                      : "has as many queries as keys: decode has kernels of its own";
    }
    if (shape.batch * shape.heads > 65535) {
        return "batch x heads must be at most 65535; it is " +
               std::to_string(shape.batch * shape.heads);
    }
    if (shape.seq > 1 << 20) {
        return "sequences of at most 1048576; it is " + std::to_string(shape.seq);
    }
    return {};
}

KernelCost attentionCost(const TimingRequest& request,
                         double inputBytes,
                         std::string_view arithmetic) {
    const AttentionShape& shape = request.attention;
    const auto batch = static_cast<double>(shape.batch);
    const auto dim = static_cast<double>(shape.dim);
    const auto seq = static_cast<double>(shape.seq);
    const double rows = batch * static_cast<double>(shape.heads * shape.queries());
    const double stored = 2 * batch * static_cast<double>(shape.kvHeads) * seq;
    KernelCost cost;
    cost.flops = 4 * rows * seq * dim * (shape.causal && !shape.decode ? 0.5 : 1.0);
    cost.bytes = (rows + stored) * dim * inputBytes + rows * dim * 4;
    cost.arithmetic = arithmetic;
    return cost;
}

void addOperands(LaunchPlan& plan, const AttentionProblem& problem, bool half) {
    const auto add = [&](std::string name,
                         const std::vector<float>& values,
                         std::vector<float>& held) {
        if (!half) {
            plan.buffers.push_back(inputBuffer(std::move(name), ElementType::Float32, values));
            return;
        }
        HalfValues rounded = toHalfValues(values);
        plan.buffers.push_back(inputBuffer(std::move(name), ElementType::Float16, rounded.codes));
        held = std::move(rounded.decoded);
    };
    add("q", problem.q, plan.x);
    add("k", problem.k, plan.w);
    add("v", problem.v, plan.v);
}

void addShape(LaunchStep& step, const AttentionShape& shape) {
    step.arguments.push_back(Argument::integral(shape.heads));
    step.arguments.push_back(Argument::integral(shape.kvHeads));
    step.arguments.push_back(Argument::integral(shape.seq));
    step.arguments.push_back(Argument::floating(attentionScale(shape)));
    step.arguments.push_back(Argument::integral(shape.causal ? 1 : 0));
}

}  // namespace loupe::gpu
