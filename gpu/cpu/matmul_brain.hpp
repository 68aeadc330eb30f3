// SPDX-License-Identifier: Apache-2.0
// Products of bf16 activations with bf16, int8 or int4 weights by VDPBF16PS.
#pragma once

#include "gpu/cpu/matmul.hpp"
#include "gpu/cpu/panels.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe::gpu {

class BrainMatmul final : public CpuMatmul {
public:
    /// @param kernels those of this CPU: not null
    BrainMatmul(const MatmulProblem& problem,
                const BrainKernels& kernels,
                PanelWeights weights,
                std::vector<float> held,
                std::string kernel);
    void run(const JobContext& ctx) override;

private:
    void packAll(const JobContext& ctx);
    void tilesOf(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens);

    const BrainKernels& kernels_;
    PanelWeights weights_;
    std::vector<std::uint16_t> xBits_;
    HugeBuffer xPacked_;  ///< tiles of tokens, [depth / 2][rows][2] each
};

/// Where the CPU has VDPBF16PS; else the same formats in FP32 arithmetic.
[[nodiscard]] std::unique_ptr<CpuMatmul> makeBFloat16(const MatmulProblem& problem,
                                                      const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeW8A16(const MatmulProblem& problem,
                                                   const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeW4A16(const MatmulProblem& problem,
                                                   const JobContext& ctx);

}  // namespace loupe::gpu
