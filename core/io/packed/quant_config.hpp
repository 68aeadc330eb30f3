// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace loupe::packed {

/// One of compressed-tensors' config groups.
struct ConfigGroup {
    std::optional<std::int64_t> bits;
    std::optional<std::int64_t> groupSize;
    std::vector<std::int64_t> block;
    std::string type;      ///< "int", "float"
    std::string strategy;  ///< "tensor", "channel", "group", "block", "tensor_group"
    std::string format;
    std::optional<bool> symmetric;
};

/// What a checkpoint says of its own quantization. Everything may be missing.
struct QuantConfig {
    std::string origin;     ///< "config.json", "quantize_config.json"; empty: nothing was found
    std::string method;     ///< "gptq", "awq", "bitsandbytes", "compressed-tensors", "fp8", ...
    std::string format;     ///< GPTQ's checkpoint_format, AWQ's version, compressed-tensors' format
    std::string algorithm;  ///< ModelOpt's quant_algo
    std::optional<std::int64_t> bits;
    std::optional<std::int64_t> groupSize;
    std::optional<bool> symmetric;  ///< also AWQ's zero_point, turned round
    std::optional<bool> actOrder;
    bool marlin = false;
    std::vector<std::int64_t> block;  ///< weight_block_size
    std::vector<ConfigGroup> groups;
    struct Module {
        std::optional<std::int64_t> bits;
        std::optional<std::int64_t> groupSize;
    };
    std::map<std::string, Module, std::less<>> modules;  ///< MLX: layers that differ, by name
};

/// From config.json's text, also from a nested text or language configuration, and else from the
/// files that quantizers leave beside it. A damaged one is a warning.
[[nodiscard]] QuantConfig readQuantConfig(const std::string& config,
                                          const std::filesystem::path& folder,
                                          std::vector<std::string>& warnings);

}  // namespace loupe::packed
