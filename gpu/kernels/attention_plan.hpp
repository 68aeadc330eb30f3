// SPDX-License-Identifier: Apache-2.0
// Parts that the plans of attention kernels share.
#pragma once

#include "gpu/kernels/launch_plan.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

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
/// heads, kvHeads, keys, scale, causal: the tail of every prefill kernel's arguments.
void addShape(LaunchStep& step, const AttentionShape& shape);

}  // namespace loupe::gpu
