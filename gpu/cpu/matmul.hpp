// SPDX-License-Identifier: Apache-2.0
// Y = X·Wᵀ on the CPU in one format after the other: the weights packed beforehand, as every
// library here can have them; what must be done to X at run time is done, and timed, in every run.
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

/// One product with its operands packed, ready to run again and again. Uses the instruction set
/// that was current when it was made; results do not depend on the number of threads.
class CpuMatmul {
public:
    CpuMatmul(const CpuMatmul&) = delete;
    CpuMatmul& operator=(const CpuMatmul&) = delete;
    virtual ~CpuMatmul() = default;

    /// Computes Y. @throws Cancelled
    virtual void run(const JobContext& ctx) = 0;

    [[nodiscard]] std::span<float> output() { return y_; }  ///< [m, n]
    /// The operands as this format holds them, decoded; empty: the problem's own.
    [[nodiscard]] const std::vector<float>& x() const { return x_; }
    [[nodiscard]] const std::vector<float>& w() const { return w_; }
    /// Bytes of packed weights with their scales.
    [[nodiscard]] double weightBytes() const { return weightBytes_; }
    [[nodiscard]] const std::string& kernel() const { return kernel_; }  ///< "cpu_f32_6x64"
    /// Largest relative error in the Frobenius norm: see matmul_formats.cpp.
    [[nodiscard]] double tolerance() const { return tolerance_; }

protected:
    explicit CpuMatmul(const MatmulShape& shape)
        : shape_(shape), y_(static_cast<std::size_t>(shape.m * shape.n)) {}

    MatmulShape shape_;
    std::vector<float> y_;
    std::vector<float> x_;
    std::vector<float> w_;
    double weightBytes_ = 0;
    double tolerance_ = 0;
    std::string kernel_;
};

/// A word of `loupe time matmul --formats`.
struct CpuFormat {
    std::string_view name;
    std::string_view title;
    std::string_view a;  ///< formats of activations, weights, accumulator, output
    std::string_view b;
    std::string_view accumulator;
    std::string_view output;
    double activationBytes = 4;   ///< of one activation as it comes
    std::string_view arithmetic;  ///< which peak counts: fp32, bf16, int8
    double bitsPerWeight = 32;    ///< with group 128 and 32-bit scales
    std::string (*refuses)(const MatmulShape& shape) = nullptr;  ///< empty: taken
    std::unique_ptr<CpuMatmul> (*make)(const MatmulProblem& problem,
                                       const JobContext& ctx) = nullptr;
};

[[nodiscard]] std::span<const CpuFormat> cpuFormats();
[[nodiscard]] const CpuFormat* findCpuFormat(std::string_view name);
/// The peak that counts on this CPU: without its instruction a format falls back on another.
[[nodiscard]] std::string_view cpuArithmetic(const CpuFormat& format);

}  // namespace loupe::gpu
