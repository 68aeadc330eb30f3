// SPDX-License-Identifier: Apache-2.0
// FP32 attention on the CPU: standard (all scores in memory), FlashAttention's Algorithm 1
// literally, and the order of FlashAttention-2.
#pragma once

#include "core/base/job.hpp"
#include "gpu/kernels/kernel.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

/// Keys that are looked at together: a block of K and V of this many rows stays in the second-level
/// cache.
inline constexpr std::int64_t kKeyBlock = 256;

class CpuAttention {
public:
    CpuAttention(const CpuAttention&) = delete;
    CpuAttention& operator=(const CpuAttention&) = delete;
    virtual ~CpuAttention() = default;
    /// Computes O from Q, K and V as they come. @throws Cancelled
    virtual void run(const JobContext& ctx) = 0;
    [[nodiscard]] std::span<float> output() { return out_; }  ///< [batch, heads, queries, dim]
    [[nodiscard]] const std::string& kernel() const { return kernel_; }
    /// Largest relative error in the Frobenius norm, see attention.cpp.
    [[nodiscard]] double tolerance() const;
    /// Bytes of memory beside operands and output.
    [[nodiscard]] double workBytes() const { return workBytes_; }

protected:
    explicit CpuAttention(const AttentionProblem& problem)
        : problem_(problem), shape_(problem.shape), out_(problem.q.size()) {}

    const AttentionProblem& problem_;
    AttentionShape shape_;
    std::vector<float> out_;
    std::string kernel_;
    double workBytes_ = 0;
};

/// A word of `loupe time attention --kernels`.
struct CpuAttentionKind {
    std::string_view name;
    std::string_view title;
    std::string_view source;
    /// @param problem must outlive the result
    std::unique_ptr<CpuAttention> (*make)(const AttentionProblem& problem) = nullptr;
};

[[nodiscard]] std::span<const CpuAttentionKind> cpuAttentionKinds();
[[nodiscard]] const CpuAttentionKind* findCpuAttention(std::string_view name);

}  // namespace loupe::gpu
