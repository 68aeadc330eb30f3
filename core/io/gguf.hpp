// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/reader.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace loupe {

/// "PREFIX-00002-of-00003.gguf" taken apart.
struct GgufPartName {
    std::string prefix;
    int number = 0;  ///< from 1
    int count = 0;
};
[[nodiscard]] std::optional<GgufPartName> parseGgufPartName(const std::string& fileName);
[[nodiscard]] std::string ggufPartName(const std::string& prefix, int number, int count);

/// Opens the model of a folder that these GGUF files lie in: one file, or the parts of one split
/// file.
/// @errors Unsupported: several models, all named; those of the files
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openGgufFolder(
    std::vector<std::filesystem::path> files, const OpenOptions& options, ModelConfig config);

/// Of a GGUF model: which of its metadata values are text; the others are numbers, true and false,
/// and arrays, written as JSON. Empty of other sources, and where the file has changed since.
[[nodiscard]] std::vector<bool> ggufTextValues(const SourceInfo& info);

}  // namespace loupe
