// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/layout.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace loupe {

enum class Confidence : std::uint8_t { No, Maybe, Yes };

/// What a reader may look at to tell whether a file is its own.
struct Candidate {
    std::span<const std::byte> head;  ///< the first 4096 bytes at most
    std::uint64_t size = 0;           ///< of the whole file
    std::string
        extension;  ///< lower case with its dot; counts only where the content decides nothing
};

/// Everything a reader needs to list tensors.
struct ReadRequest {
    std::shared_ptr<const MappedFile> file;
    OpenOptions options;
    ModelConfig config;  ///< of the config.json beside the file, if there is one
};

/// One file format. Registered in readers.def.
struct Reader {
    std::string_view id;         ///< SourceInfo::format: "safetensors"
    std::string_view extension;  ///< ".safetensors"
    Confidence (*probe)(const Candidate& candidate) = nullptr;
    Result<std::shared_ptr<const TensorSource>> (*open)(const ReadRequest& request) = nullptr;
};

[[nodiscard]] std::span<const Reader* const> allReaders();
/// The reader that is surest about this file; the extension decides only where none is sure. Null:
/// none. `sure` (or null) becomes true where the content says so.
[[nodiscard]] const Reader* chooseReader(const MappedFile& file, bool* sure = nullptr);
/// Opens one file by content, from a mapping or from bytes in memory.
/// @errors Unsupported: no reader knows it (the text names formats that we recognise but do not
/// read); those of the reader
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openFile(const ReadRequest& request);

/// A sharded checkpoint by its `*.index.json`. @errors of the index itself; a missing shard marks
/// its tensors
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openShardedIndex(
    const std::shared_ptr<const MappedFile>& index, const OpenOptions& options);
/// A folder with config.json and an index or *.safetensors files.
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openModelFolder(
    const std::filesystem::path& folder, const OpenOptions& options);
/// Does the text begin like an index (a JSON object with a weight_map)?
[[nodiscard]] bool looksLikeShardedIndex(std::string_view head);

}  // namespace loupe
