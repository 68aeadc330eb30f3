// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace loupe {

/// Writes beside the target under a temporary name; commit() makes the file appear under its own
/// name, complete and synced. Without commit() nothing is left behind. A new file gets the usual
/// permissions (umask); an existing one is replaced.
class AtomicFile {
public:
    AtomicFile() = default;
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile();

    /// @errors Unreadable: the folder is missing or not writable
    [[nodiscard]] Result<void> open(const std::filesystem::path& target);
    /// @errors Unreadable: disk full
    [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
    [[nodiscard]] Result<void> write(const std::string& text) {
        return write(std::as_bytes(std::span(text)));
    }
    [[nodiscard]] Result<void> commit();

private:
    void discard();

    std::filesystem::path target_;
    std::string temporary_;
    int descriptor_ = -1;
};

}  // namespace loupe
