// SPDX-License-Identifier: Apache-2.0
// Checkpoints of several files: what their readers share.
#pragma once

#include "core/io/layout.hpp"
#include "core/io/listing.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace loupe {

/// A listing without tensors yet, of safetensors until a shard says otherwise.
[[nodiscard]] Listing startListing(const std::filesystem::path& path, std::string title);

/// Adds the tensors of one file of several: safetensors to the listing itself, others through a
/// source of their own. @errors of the file's reader
[[nodiscard]] Result<void> listFile(const std::shared_ptr<const MappedFile>& file,
                                    int fileIndex,
                                    const OpenOptions& options,
                                    const ModelConfig& config,
                                    Listing& listing);

/// Without an index names such as "model-00002-of-00005.bin" say how many shards there should be:
/// missing numbers, numbers beyond and several sets become warnings.
void tellMissingShards(const std::vector<std::filesystem::path>& paths, Listing& listing);
/// A warning for files that are named like shards of the listing and are none of it.
void tellUnnamedShards(const std::filesystem::path& folder, Listing& listing);

/// The checkpoint that an index describes. @errors of the index itself
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openIndexed(const MappedFile& index,
                                                                      Listing listing,
                                                                      const OpenOptions& options,
                                                                      const ModelConfig& config);

}  // namespace loupe
