// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gpu/cuda/library_case.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace loupe::gpu::cuda {

/// NVIDIA's matrix product, loaded at run time. Y = X·Wᵀ row-major is Yᵀ = W·Xᵀ column-major: the
/// library's TN form without a transposition.
class CublasLt {
public:
    virtual ~CublasLt() = default;
    CublasLt() = default;
    CublasLt(const CublasLt&) = delete;
    CublasLt& operator=(const CublasLt&) = delete;

    /// Unsupported: built without the header, library not found, no handle.
    [[nodiscard]] static Result<std::unique_ptr<CublasLt>> open(Context& context);
    [[nodiscard]] virtual std::string version() const = 0;
    /// The product in one of fp32 (TF32 off), fp16, bf16, int8 (to int32), fp8_e4m3 (one scale a
    /// matrix). Unsupported where the library has no algorithm for it.
    [[nodiscard]] virtual Result<LibraryCase> matmul(std::string_view arithmetic,
                                                     const MatmulProblem& problem) = 0;
};

/// The arithmetic that stands beside a format: w4a16's peer is fp16. Empty: none.
[[nodiscard]] std::string_view peerArithmetic(std::string_view word);

}  // namespace loupe::gpu::cuda
