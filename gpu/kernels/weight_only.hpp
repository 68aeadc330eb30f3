// SPDX-License-Identifier: Apache-2.0
// Operands that the weight-only families share: FP16 activations, 8-bit weights with a scale a row
// or 4-bit weights with a scale a group.
#pragma once

#include "gpu/kernels/kernel.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace loupe::gpu {

/// Weights by core's absmax quantizer: bits=8,per=row with FP32 scales; bits=4,per=group with
/// scales rounded to FP16, as they are stored.
struct WeightCodes {
    int bits = 8;
    std::int64_t groups = 1;                ///< scales a row
    std::vector<std::int8_t> codes;         ///< [n, k]
    std::vector<float> scales;              ///< [n, groups]
    std::vector<std::uint16_t> halfScales;  ///< the same as FP16 codes; empty for 8 bits
    std::vector<float> decoded;             ///< [n, k]
};
[[nodiscard]] WeightCodes weightCodes(const MatmulProblem& problem,
                                      int bits,
                                      const JobContext& ctx);

/// FP16 codes of X in rows of `padded` inputs, zeros past k.
[[nodiscard]] std::vector<std::uint16_t> paddedHalves(std::span<const std::uint16_t> codes,
                                                      std::int64_t rows,
                                                      std::int64_t cols,
                                                      std::int64_t padded);

/// log2 of the inputs that share a scale; 30 for one scale a row.
[[nodiscard]] int groupShift(const MatmulShape& shape, int bits);

/// Why weight-only kernels with at most `mostTokens` do not take this case; empty: they do.
[[nodiscard]] std::string refusesWeightOnly(const TimingRequest& request,
                                            int bits,
                                            std::int64_t mostTokens,
                                            std::int64_t leastGroup);

/// Codes and scales once, X in FP16, Y in FP32; the arithmetic is FP16's or FP32's.
[[nodiscard]] KernelCost weightOnlyCost(const TimingRequest& request,
                                        int bits,
                                        std::string_view arithmetic);

}  // namespace loupe::gpu
