// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace loupe {

/// The block formats that `cast` rounds to: the OCP MX types and NVFP4.
[[nodiscard]] std::span<const std::string_view> blockCastFormats();

/// Weights rounded to such a format, computed on demand from the source and a byte for each block.
/// Blocks run along the inputs of a row; the last one of a row is padded with zeros.
///
/// MX: scale = 2^(⌊log2 max|w|⌋ − emax), the exponent taken from the bits of max|w|, at least
/// 2^−127; elements are the nearest values of w / scale, ties to even, clamped to the largest.
/// NVFP4 as in NVIDIA ModelOpt: the tensor's scale s2 = max|w| / (6·448), a block's s = E4M3(max|w|
/// / (6·s2)), elements E2M1(w / (s·s2)); a block whose s would round to 0 gets the smallest scale,
/// 2^−9.
///
/// @errors Invalid: a NaN or infinite weight (row and column), a weight of FP64 beyond E8M0's
/// scales
/// @cost   two passes over the weights
[[nodiscard]] Result<StepOutput> castToBlocks(const StepInput& input,
                                              std::string_view format,
                                              const JobContext& ctx);

}  // namespace loupe
