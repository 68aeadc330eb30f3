// SPDX-License-Identifier: Apache-2.0
#include "gpu/kernels/attention_plan.hpp"

#include "core/base/assert.hpp"
#include "core/formats/codec.hpp"
#include "gpu/kernels/matmul_plan.hpp"

#include <cmath>

namespace loupe::gpu {

HalfValues toHalfValues(std::span<const float> values) {
    const NumberFormat& fp16 = *findFormat("fp16");
    HalfValues out;
    out.codes.resize(values.size());
    out.decoded.resize(values.size());
    const bool encoded = encodeArray(fp16, values, out.codes).has_value();
    const bool rounded = roundTrip(fp16, values, out.decoded).has_value();
    LOUPE_ASSERT(encoded && rounded, "fp16 has a code for every float");
    return out;
}

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
            plan.buffers.push_back(inputBuffer<float>(
                std::move(name), ElementType::Float32, std::span<const float>(values)));
            return;
        }
        HalfValues rounded = toHalfValues(values);
        plan.buffers.push_back(inputBuffer<std::uint16_t>(
            std::move(name), ElementType::Float16, std::span<const std::uint16_t>(rounded.codes)));
        held = std::move(rounded.decoded);
    };
    add("q", problem.q, plan.x);
    add("k", problem.k, plan.w);
    add("v", problem.v, plan.v);
}

int addFloats(LaunchPlan& plan, std::string name, BufferRole role, std::int64_t elements) {
    plan.buffers.push_back({std::move(name),
                            role,
                            ElementType::Float32,
                            static_cast<std::size_t>(elements) * sizeof(float),
                            {}});
    return static_cast<int>(plan.buffers.size()) - 1;
}

void addShape(LaunchStep& step, const AttentionShape& shape) {
    step.arguments.push_back(Argument::integral(shape.heads));
    step.arguments.push_back(Argument::integral(shape.kvHeads));
    step.arguments.push_back(Argument::integral(shape.seq));
    step.arguments.push_back(Argument::floating(attentionScale(shape)));
    step.arguments.push_back(Argument::integral(shape.causal ? 1 : 0));
}

}  // namespace loupe::gpu
