// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/safetensors_writer.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// Writes a GGUF file (version 3, little-endian, data aligned to 32 bytes) in one pass and bounded
/// memory: keys, names, types and shapes first, bytes when write() asks for them.
class GgufWriter {
public:
    void text(std::string key, std::string_view value);
    void number(std::string key, std::uint32_t value);

    /// Announces a tensor. `type` is ggml's number; `shape` outermost first, turned round in the
    /// file; a scalar is written with one dimension of 1. Bytes lie in the file in the order of the
    /// calls.
    void add(std::string name,
             std::uint32_t type,
             std::vector<std::int64_t> shape,
             ByteProducer produce);

    /// Writes everything to a temporary file that takes the place of `path` when it is complete.
    /// @errors Unreadable: cannot write; Unsupported: a name of 64 bytes or more, more than four
    /// dimensions, a type that is not known, rows that are no whole blocks; those of the producers
    [[nodiscard]] Result<void> write(const std::filesystem::path& path) const;

private:
    struct Tensor {
        std::string name;
        std::uint32_t type = 0;
        std::vector<std::int64_t> shape;
        ByteProducer produce;
    };
    std::string pairs_;  ///< as the file holds them
    std::uint64_t pairCount_ = 0;
    std::vector<Tensor> tensors_;
};

}  // namespace loupe
