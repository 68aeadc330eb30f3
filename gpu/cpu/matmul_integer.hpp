// SPDX-License-Identifier: Apache-2.0
// Products of integer codes: int8 by int8 or int4, summed in int32.
#pragma once

#include "gpu/cpu/matmul.hpp"
#include "gpu/cpu/panels.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe::gpu {

/// Where the codes of the activations come from.
enum class ActivationScale : std::uint8_t {
    Tensor,   ///< given as codes with one scale
    Token,    ///< FP32, quantized in every run with a scale for each token
    Outliers  ///< the same, but inputs with a large |x| stay FP32 (LLM.int8())
};

class IntegerMatmul final : public CpuMatmul {
public:
    IntegerMatmul(const MatmulProblem& problem,
                  ActivationScale activations,
                  PanelWeights weights,
                  std::vector<float> held,
                  std::string kernel);
    void run(const JobContext& ctx) override;

private:
    void prepareStart();
    void quantizeToken(std::int64_t token, std::int8_t* codes, float* row);
    void quantizeAll(const JobContext& ctx);
    void findOutliers();
    void packTile(std::int64_t first, std::int64_t count, const std::int8_t* codes);
    void tilesOf(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens);
    /// Adds the products of outlier inputs of a panel to `sums` [tokens, lanes].
    void addOutliers(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens, float* sums);
    void holdActivations();

    const IntegerKernels& kernels_;
    const FloatKernels& floats_;
    const RowKernels& rows_;
    ActivationScale activations_;
    PanelWeights weights_;
    std::vector<float> xGiven_;
    std::vector<std::int8_t> xCodes_;  ///< Tensor: given
    std::vector<float> xScales_;       ///< of each token
    HugeBuffer xPacked_;               ///< tiles of tokens, [depth / step][rows][step] each
    float threshold_ = 0;
    std::vector<std::int64_t> outliers_;  ///< inputs, found in every run
    HugeBuffer xOutliers_;                ///< tiles of tokens, [outliers][rows] each
};

[[nodiscard]] std::unique_ptr<CpuMatmul> makeInt8(const MatmulProblem& problem,
                                                  const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeW8A8(const MatmulProblem& problem,
                                                  const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeW4A8(const MatmulProblem& problem,
                                                  const JobContext& ctx);
[[nodiscard]] std::unique_ptr<CpuMatmul> makeInt8Outliers(const MatmulProblem& problem,
                                                          const JobContext& ctx);

}  // namespace loupe::gpu
