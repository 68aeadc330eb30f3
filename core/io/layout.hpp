// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace loupe {

/// What config.json says about the shapes of tensors.
struct ModelConfig {
    std::string text;          ///< the whole document, or empty
    std::string modelType;     ///< "llama", "gpt2"
    std::int64_t experts = 0;  ///< experts per layer; 0: none or unknown
};

/// Reads a config.json; unreadable or damaged ones give an empty configuration with a warning.
[[nodiscard]] ModelConfig readModelConfig(const std::filesystem::path& path,
                                          std::vector<std::string>& warnings);
[[nodiscard]] ModelConfig parseModelConfig(std::string text);

/// Product of the dimensions; empty where it is 2^63 or more, or a dimension is negative.
[[nodiscard]] std::optional<std::uint64_t> elementCount(const std::vector<std::int64_t>& shape);

/// Is the tensor a stack [experts, out, in]? By name (a component "experts", "_exps") or by the
/// configuration.
[[nodiscard]] bool isExpertStack(const TensorInfo& tensor, const ModelConfig& config);

/// Fills rows, cols and transposed of every tensor by contract 2: one dimension is one row, more
/// than two are [dim0, rest] or a stack of experts. Auto transposes what GPT-2's Conv1D stores [in,
/// out] (known by the configuration's model type, or, without one, by a c_attn of shape [n, 3n]);
/// InOut transposes all matrices and stacks.
void applyLayout(std::vector<TensorInfo>& tensors, Layout layout, const ModelConfig& config);

/// The rows of a tensor that is stored row-major (C order) as applyLayout() described it.
struct StoredElements;
[[nodiscard]] std::shared_ptr<const RowSource> layoutRows(const TensorInfo& tensor,
                                                          StoredElements elements);

}  // namespace loupe
