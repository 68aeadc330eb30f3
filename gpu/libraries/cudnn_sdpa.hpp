// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gpu/cuda/library_case.hpp"

#include <memory>
#include <string>

namespace loupe::gpu::cuda {

/// cuDNN's attention, through its graph API, loaded at run time.
class CudnnAttention {
public:
    virtual ~CudnnAttention() = default;
    CudnnAttention() = default;
    CudnnAttention(const CudnnAttention&) = delete;
    CudnnAttention& operator=(const CudnnAttention&) = delete;

    /// Unsupported: built without the header, library not found or older than 9.13.1, which has no
    /// single attention operation, no handle.
    [[nodiscard]] static Result<std::unique_ptr<CudnnAttention>> open(Context& context);
    [[nodiscard]] virtual std::string version() const = 0;
    /// In fp16: without a mask cuDNN's single operation, causal a graph that it knows.
    /// Unsupported, with cuDNN's reason: shapes without an engine.
    [[nodiscard]] virtual Result<LibraryCase> attention(const AttentionProblem& problem) = 0;
};

/// How many engines cuDNN has for this attention on a device that is described as its own JSON has
/// it: whether the descriptions are right, where there is no GPU. It asks for a libcuda.so.1 all the
/// same. Unsupported, with cuDNN's reason: none.
[[nodiscard]] Result<int> cudnnEngines(const AttentionShape& shape, const std::string& device);

}  // namespace loupe::gpu::cuda
