// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// What a GGUF file says before its data (spec/formats.md B.1, versions 2 and 3, little-endian).
struct GgufHeader {
    std::uint32_t version = 0;
    /// Keys and their values as text: strings as they are, arrays as "[8 values]" or, of strings,
    /// the first few.
    std::vector<std::pair<std::string, std::string>> metadata;
    std::uint64_t alignment = 32;
    std::uint64_t dataStart = 0;
    /// Names, types, shapes (outermost first), offsets from the file's start; rows and cols are not
    /// filled in. A type that cannot be read yet is the tensor's problem.
    std::vector<TensorInfo> tensors;

    [[nodiscard]] std::optional<std::string_view> value(std::string_view key) const;
};

/// @errors Damaged, Unsupported: naming file, offset, what was expected and found
/// @cost   O(header); nothing is allocated that the file's size does not bound
[[nodiscard]] Result<GgufHeader> readGgufHeader(const MappedFile& file);

}  // namespace loupe
