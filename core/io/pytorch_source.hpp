// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/pytorch_objects.hpp"
#include "core/io/reader.hpp"
#include "core/io/zip_archive.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace loupe {

/// Where the bytes of a storage lie.
struct TorchPlace {
    std::uint64_t begin = 0;            ///< in the file
    std::uint64_t bytes = 0;            ///< of the storage; of a deflated one when inflated
    std::optional<ZipMember> deflated;  ///< its bytes are compressed
    MaybeError problem;                 ///< it is not there
};

/// Tensors that were collected from one pickle, and where its storages lie.
struct TorchPart {
    TorchObjects objects;
    std::vector<TorchPlace> places;  ///< parallel to objects.storages
};

struct TorchFile {
    SourceInfo info;  ///< format, path, title, files, warnings of the container
    std::vector<TorchPart> parts;
    bool bigEndian = false;
};

/// Checks every tensor against its storage and makes the source. Bytes and parameters of tensors
/// that share a storage are counted once.
/// @errors none: what does not fit marks the tensor
[[nodiscard]] std::shared_ptr<const TensorSource> makeTorchSource(const ReadRequest& request,
                                                                  TorchFile file);

/// The five pickles and the storages of PyTorch before 1.6, and plain pickles, which are refused.
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openTorchLegacy(
    const ReadRequest& request);
/// The start of such a file?
[[nodiscard]] bool looksLikeTorchLegacy(std::string_view head);

/// A TorchScript archive: the tensors of constants.pkl and data.pkl; code is not looked at.
struct TorchArchive;
[[nodiscard]] Result<void> collectTorchScript(const TorchArchive& archive, TorchFile& file);

/// A zip archive that PyTorch wrote: its members below the top folder.
struct TorchArchive {
    std::shared_ptr<const MappedFile> file;
    std::vector<ZipMember> members;
    std::string top;  ///< "archive/"

    [[nodiscard]] const ZipMember* find(std::string_view name) const;
    /// A small member as text, at most 64 MiB. @errors Damaged, Unsupported
    [[nodiscard]] Result<std::string> text(const ZipMember& member) const;
    /// Reads pickle `name` ("data.pkl") whose storages lie in `folder` ("data/").
    [[nodiscard]] Result<void> collect(const ZipMember& pickle,
                                       std::string_view folder,
                                       const std::string& prefix,
                                       TorchFile& file) const;
};

}  // namespace loupe
