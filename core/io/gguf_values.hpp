// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/gguf_cursor.hpp"
#include "core/io/gguf_header.hpp"

#include <string>

namespace loupe {

/// Reads a value of GGUF's metadata as text: see GgufHeader::metadata. What is wrong stays in the
/// cursor.
[[nodiscard]] std::string readGgufValue(GgufCursor& cursor, GgufType type);

/// Bytes of a single value; 0 for strings and arrays.
[[nodiscard]] std::uint64_t ggufValueBytes(GgufType type);

inline constexpr std::uint32_t kGgufTypes = 13;

}  // namespace loupe
