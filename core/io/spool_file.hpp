// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace loupe {

/// Bytes that wait on the disk for their place in another file: written one after the other, read
/// again by position. The file lies beside the one that they are for (the same disk, so that there
/// is room for both or for neither) under a temporary name, and goes with the object.
class SpoolFile {
public:
    SpoolFile() = default;
    SpoolFile(const SpoolFile&) = delete;
    SpoolFile& operator=(const SpoolFile&) = delete;
    ~SpoolFile();

    /// @errors Unreadable: the folder is missing or not writable
    [[nodiscard]] Result<void> open(const std::filesystem::path& beside);
    /// @errors Unreadable: disk full
    [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Hands [offset, offset + count) over in pieces of up to 1 MiB.
    /// @errors Unreadable; those of the sink
    [[nodiscard]] Result<void> read(
        std::uint64_t offset,
        std::uint64_t count,
        const std::function<Result<void>(std::span<const std::byte>)>& sink) const;

private:
    std::filesystem::path target_;
    std::string temporary_;
    std::uint64_t size_ = 0;
    int descriptor_ = -1;
};

}  // namespace loupe
