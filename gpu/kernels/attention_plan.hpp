// SPDX-License-Identifier: Apache-2.0
// Parts that the plans of attention kernels share.
#pragma once

#include "gpu/kernels/kernel.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

/// Values rounded to FP16: their codes, and what the codes mean.
struct HalfValues {
    std::vector<std::uint16_t> codes;
    std::vector<float> decoded;
};
[[nodiscard]] HalfValues toHalfValues(std::span<const float> values);

/// 1/√dim as the kernels get it.
[[nodiscard]] float attentionScale(const AttentionShape& shape);

/// Why an attention kernel for prefill (or, with `decode`, for one query) does not take this case;
/// empty: it does.
[[nodiscard]] std::string refusesAttention(const TimingRequest& request, bool decode);

/// Matrix products alone, halved where causal; Q, K, V once in `inputBytes` a number, O once in
/// FP32.
[[nodiscard]] KernelCost attentionCost(const TimingRequest& request,
                                       double inputBytes,
                                       std::string_view arithmetic);

/// Q, K and V as the first three inputs of a plan, FP32 or (recorded in x, w, v) FP16.
void addOperands(LaunchPlan& plan, const AttentionProblem& problem, bool half);
/// An FP32 buffer that kernels write; its index in the plan.
int addFloats(LaunchPlan& plan, std::string name, BufferRole role, std::int64_t elements);

/// heads, kvHeads, keys, scale, causal: the tail of every prefill kernel's arguments.
void addShape(LaunchStep& step, const AttentionShape& shape);

[[nodiscard]] constexpr unsigned tilesOf(std::int64_t size, std::int64_t tile) {
    return static_cast<unsigned>((size + tile - 1) / tile);
}

}  // namespace loupe::gpu
