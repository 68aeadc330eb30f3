// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace loupe {

/// "FILE:OFFSET", the `where` of an Error.
[[nodiscard]] std::string filePosition(const std::filesystem::path& path, std::uint64_t offset);

/// A whole file mapped read-only, or bytes in memory that pass for one (tests, fuzzers, made-up
/// tensors).
///
/// A file that another program truncates while it is mapped would end this process with SIGBUS at
/// the next touch of a lost page. Readers therefore call checkUnchanged() before every batch of
/// rows, which turns the usual case (a checkpoint overwritten while it is open) into an Error; the
/// window between the check and the touch remains. Headers are never parsed from the mapping but
/// from a copy (read()), so that a file that changes under a parser cannot lead it astray.
class MappedFile {
public:
    /// @errors NotFound, Unreadable (not a regular file, no permission, mapping refused)
    [[nodiscard]] static Result<std::shared_ptr<const MappedFile>> open(
        const std::filesystem::path& path);
    [[nodiscard]] static std::shared_ptr<const MappedFile> fromBytes(std::vector<std::byte> bytes,
                                                                     std::filesystem::path name);

    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

    /// Copies [offset, offset + out.size()) by reading, not through the mapping. The range must lie
    /// in the file.
    /// @errors Unreadable
    [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;
    /// @errors Damaged: the file is shorter now than when it was opened
    [[nodiscard]] Result<void> checkUnchanged() const;
    /// Gives the pages of [offset, offset + count) back to the system; they are read again when
    /// touched. Borders go outward to multiples of 2 MiB: one fault may map as large a folio of the
    /// page cache, with pages of neighbours that were released before.
    void release(std::uint64_t offset, std::uint64_t count) const;

private:
    MappedFile() = default;

    std::filesystem::path path_;
    std::span<const std::byte> bytes_;
    std::vector<std::byte> owned_;
    int descriptor_ = -1;
};

}  // namespace loupe
