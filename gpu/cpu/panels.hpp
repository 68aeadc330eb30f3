// SPDX-License-Identifier: Apache-2.0
// How weights and activations lie in memory for the kernels of matmul_kernels.hpp.
#pragma once

#include "core/base/job.hpp"
#include "gpu/cpu/huge_buffer.hpp"
#include "gpu/cpu/matmul_kernels.hpp"
#include "gpu/timing/case.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace loupe::gpu {

/// Inputs are padded with zeros to a multiple of this.
inline constexpr std::int64_t kDepthUnit = 32;

[[nodiscard]] constexpr std::int64_t roundUp(std::int64_t value, std::int64_t unit) {
    return (value + unit - 1) / unit * unit;
}

/// A matrix cut into panels of `lanes` outputs and blocks of `blockDepth` inputs.
struct PanelGrid {
    std::int64_t outputs = 0;
    std::int64_t inputs = 0;
    std::int64_t lanes = 0;
    std::int64_t blockDepth = 0;
    [[nodiscard]] std::int64_t depth() const { return roundUp(inputs, kDepthUnit); }
    [[nodiscard]] std::int64_t panels() const { return (outputs + lanes - 1) / lanes; }
    [[nodiscard]] std::int64_t blocks() const { return (depth() + blockDepth - 1) / blockDepth; }
    [[nodiscard]] std::int64_t blockInputs(std::int64_t block) const {
        const std::int64_t left = depth() - block * blockDepth;
        return left < blockDepth ? left : blockDepth;
    }
};

/// Weights as a kernel reads them.
struct PanelWeights {
    PanelGrid grid;
    PanelCode code = PanelCode::Float32;
    HugeBuffer data;
    std::vector<std::size_t> offsets;  ///< of each block of each panel, and the end
    /// [panels][blocks or 1][lanes]; empty: no scales.
    HugeBuffer scales;
    bool scalePerBlock = false;
    HugeBuffer start;  ///< [panels][blocks][lanes] int32; empty: none

    [[nodiscard]] const std::byte* block(std::int64_t panel, std::int64_t block) const {
        return data.data() + offsets[static_cast<std::size_t>(panel * grid.blocks() + block)];
    }
    [[nodiscard]] const float* scale(std::int64_t panel, std::int64_t block) const;
    [[nodiscard]] const std::int32_t* startOf(std::int64_t panel, std::int64_t block) const;
    [[nodiscard]] double bytes() const;
};

/// Codes of weights with a scale for each row, or for each group of inputs of a row.
struct CodedWeights {
    std::vector<std::int8_t> codes;  ///< [n, k]
    std::vector<float> scales;       ///< [n, groups]
    std::int64_t group = 0;          ///< inputs that share a scale
};

/// The contract's `absmax`, range `restricted`: scale = max|w| / most in FP32 (1 for zeros), codes
/// round(w / scale), ties to even.
[[nodiscard]] CodedWeights quantizeWeights(std::span<const float> w,
                                           std::int64_t rows,
                                           std::int64_t cols,
                                           std::int64_t group,
                                           int most,
                                           const JobContext& ctx);
/// scale·code in FP32.
[[nodiscard]] std::vector<float> decodeWeights(const CodedWeights& coded,
                                               std::int64_t rows,
                                               std::int64_t cols,
                                               const JobContext& ctx);

/// How codes lie in a block.
enum class CodeLayout : std::uint8_t {
    Single,  ///< FP32 kernels: Int8 [depth][lanes], Int4 8 inputs in 32 bits
    Pairs,   ///< bf16 kernels: Int8 [depth / 2][lanes][2], Int4 even inputs low, odd ones high
    Steps    ///< integer kernels: Int8 [depth / step][lanes][step], Int4 as `unpack` wants it
};
/// Packs FP32, bf16, fp16 (rounded before), 2:4 or bitmask weights.
[[nodiscard]] PanelWeights packFloats(std::span<const float> w,
                                      PanelCode code,
                                      CodeLayout layout,
                                      const PanelGrid& grid,
                                      int vector,
                                      const JobContext& ctx);
/// Packs codes with their scales; with a scale for each group a block must be one group.
[[nodiscard]] PanelWeights packCodes(const CodedWeights& coded,
                                     PanelCode code,
                                     CodeLayout layout,
                                     const PanelGrid& grid,
                                     const JobContext& ctx);
/// Puts the scales of `coded` beside the panels.
void packScales(PanelWeights& panels, const CodedWeights& coded);

/// X [rows, depth] as [depth][count] for the tokens [first, first + count).
void packTokens(
    const float* x, std::int64_t stride, std::int64_t count, std::int64_t depth, float* out);

}  // namespace loupe::gpu
