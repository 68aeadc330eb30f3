// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/io/listing.hpp"

#include <cstdint>
#include <string_view>

namespace loupe {

inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// Appends the tensors, metadata and warnings of one safetensors file to `listing`, validating the
/// whole header (spec/formats.md C.1). Each tensor's `file` is `fileIndex`.
///
/// The whole file is refused for what makes every offset doubtful: a header that is not what the
/// format says (length, UTF-8, JSON, types, duplicate names), data that overlap, leave holes or do
/// not reach to the end of the file. One tensor is marked for what concerns it alone: an unknown
/// dtype, a shape that does not fit its bytes, a range that leaves the file (a download cut short).
/// With a marked range the coverage of the buffer cannot be judged, and gaps become warnings.
/// @cost O(header bytes + n log n) where offsets are not ascending, else O(header bytes)
[[nodiscard]] Result<void> listSafetensors(const MappedFile& file, int fileIndex, Listing& listing);

/// The format's own word for a storage type: "BF16" for "bf16"; empty if it has none.
[[nodiscard]] std::string_view safetensorsDtype(std::string_view storageType);

}  // namespace loupe
