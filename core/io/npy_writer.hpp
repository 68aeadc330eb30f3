// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/io/safetensors_writer.hpp"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace loupe {

/// Writes one C-ordered array as .npy version 1.0, byte for byte as numpy.save does, through a
/// temporary file. `dtype` is a storage type's id that NumPy has: bool, int8 ... uint64, fp16,
/// fp32, fp64, complex64, complex128.
/// @errors Unreadable: cannot write; Unsupported: another dtype; those of the producer
[[nodiscard]] Result<void> writeNpy(const std::filesystem::path& path,
                                    std::string_view dtype,
                                    const std::vector<std::int64_t>& shape,
                                    const ByteProducer& produce);

}  // namespace loupe
