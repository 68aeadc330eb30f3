// SPDX-License-Identifier: Apache-2.0
// Products in FP32 arithmetic: weights in any PanelCode, activations FP32 or 16 bits.
#pragma once

#include "gpu/cpu/matmul.hpp"
#include "gpu/cpu/panels.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe::gpu {

enum class ActivationCode : std::uint8_t { Float32, BFloat16, Float16 };

/// x rounded to the format, and its 16-bit codes.
struct RoundedActivations {
    std::vector<float> values;
    std::vector<std::uint16_t> bits;
};
[[nodiscard]] RoundedActivations roundActivations(std::span<const float> x, ActivationCode code);

class FloatMatmul final : public CpuMatmul {
public:
    /// `weights` as the kernel reads them; `held` what they decode to (empty: the problem's own).
    FloatMatmul(const MatmulProblem& problem,
                ActivationCode activations,
                PanelWeights weights,
                std::vector<float> held,
                std::string kernel);
    void run(const JobContext& ctx) override;

private:
    void widenTokens(const JobContext& ctx);
    void runDirect(const JobContext& ctx);
    void runTiles(const JobContext& ctx);
    void tilesOf(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens);
    /// One row of C to Y, cut off at the last output.
    void store(std::int64_t token, std::int64_t panel, const float* c);

    const FloatKernels& kernels_;
    const RowKernels& rows_;
    ActivationCode activations_;
    PanelWeights weights_;
    std::vector<float> xGiven_;         ///< FP32 activations
    std::vector<std::uint16_t> xBits_;  ///< 16-bit ones
    HugeBuffer xRows_;                  ///< [m, depth], zeros behind k
    HugeBuffer xPacked_;                ///< tiles of tokens, [depth][rows] each
};

[[nodiscard]] std::unique_ptr<CpuMatmul> makeFloat32(const MatmulProblem& problem,
                                                     const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeWidenedBFloat16(const MatmulProblem& problem,
                                                             const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeFloat16(const MatmulProblem& problem,
                                                     const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeWeightOnly8(const MatmulProblem& problem,
                                                         const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeWeightOnly4(const MatmulProblem& problem,
                                                         const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeSparse24(const MatmulProblem& problem,
                                                      const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeSparseHalf(const MatmulProblem& problem,
                                                        const JobContext& ctx);

/// What FP32 sums of k products of independent terms may be off, see matmul_float.cpp.
[[nodiscard]] double floatTolerance(std::int64_t k);

}  // namespace loupe::gpu
