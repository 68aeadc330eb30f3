// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/number_format.hpp"
#include "core/quant/block_kernels.hpp"
#include "core/scheme/step.hpp"

#include <string>
#include <string_view>

namespace loupe {

/// Blockwise codebook quantization of the row-major flattened matrix: code = nearest level to
/// w / absmax of its block, w^ = scale · level. With `double=true` the absmaxes are quantized too:
/// their mean subtracted, 8-bit dynamic map, blocks of 256. Dettmers et al. 2023, section 3.
/// @errors Invalid: NaN or infinite weights, naming row and column
[[nodiscard]] Result<StepOutput> applyBlockwise(const StepInput& input,
                                                const Params& params,
                                                std::string_view format,
                                                const JobContext& ctx);
/// A format of sixteen levels for the kernels.
[[nodiscard]] BlockLevels blockLevels(const NumberFormat& format);
/// The same told state by state.
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceBlockwise(const StepInput& input,
                                                                  const Params& params,
                                                                  std::string_view format,
                                                                  const JobContext& ctx);
[[nodiscard]] std::string blockwiseTitle(std::string_view name, const Params& params);
/// block, double.
[[nodiscard]] std::span<const ParamSpec> blockwiseParams();

}  // namespace loupe
