// SPDX-License-Identifier: Apache-2.0
// Parts that the plans of all kernels share.
#pragma once

#include "gpu/kernels/kernel.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace loupe::gpu {

/// Values rounded to FP16: their codes, and what the codes mean.
struct HalfValues {
    std::vector<std::uint16_t> codes;
    std::vector<float> decoded;
};
[[nodiscard]] HalfValues toHalfValues(std::span<const float> values);

/// An input whose bytes are those of `values`.
template <class T>
[[nodiscard]] Buffer inputBuffer(std::string name, ElementType type, const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span<const T>(values));
    return {std::move(name),
            BufferRole::Input,
            type,
            bytes.size(),
            std::vector<std::byte>(bytes.begin(), bytes.end())};
}
/// FP32 memory of the output.
[[nodiscard]] Buffer outputBuffer(std::string name, std::int64_t elements);
/// Memory that kernels write for kernels; its index in the plan.
int addScratch(LaunchPlan& plan, std::string name, ElementType type, std::int64_t bytes);

/// An FP32 buffer that kernels write; its index in the plan.
int addFloats(LaunchPlan& plan, std::string name, BufferRole role, std::int64_t elements);

[[nodiscard]] constexpr unsigned blocksFor(std::int64_t size, std::int64_t tile) {
    return static_cast<unsigned>((size + tile - 1) / tile);
}

}  // namespace loupe::gpu
