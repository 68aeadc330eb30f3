// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// Takes the next bytes of a tensor or a file. @errors those of the disk: stop and pass them on
using ByteSink = std::function<Result<void>(std::span<const std::byte>)>;
/// Hands over a tensor's bytes in order, in pieces of any size. May throw Cancelled: nothing is
/// left behind then.
using ByteProducer = std::function<Result<void>(const ByteSink& sink)>;

/// Writes a .safetensors file in one pass and bounded memory: names, types and shapes first, bytes
/// when write() asks for them.
///
///     SafetensorsWriter writer;
///     writer.add("w", "fp32", {rows, cols}, [&](const ByteSink& sink) { return
///     sink(std::as_bytes(std::span(values))); }); return writer.write("out.safetensors");
class SafetensorsWriter {
public:
    /// A string of the file's `__metadata__`.
    void metadata(std::string key, std::string value);

    /// Announces a tensor. `dtype` is a storage type's id ("fp32", "int8", "bool", "fp8_e4m3");
    /// elements are little-endian in C order and must be as many as `shape` says. Data lie in the
    /// file by falling size of an element, then by name, so that every tensor is aligned.
    void add(std::string name,
             std::string_view dtype,
             std::vector<std::int64_t> shape,
             ByteProducer produce);

    /// Writes everything to a temporary file that takes the place of `path` when it is complete and
    /// synced.
    /// @errors Unreadable: cannot write; Unsupported: a dtype that the format does not have; those
    /// of the producers
    [[nodiscard]] Result<void> write(const std::filesystem::path& path) const;

private:
    struct Tensor {
        std::string name;
        std::string dtype;
        std::vector<std::int64_t> shape;
        ByteProducer produce;
    };
    std::vector<std::pair<std::string, std::string>> metadata_;
    std::vector<Tensor> tensors_;
};

}  // namespace loupe
