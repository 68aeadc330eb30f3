// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/io/mapped_file.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace loupe {

/// One file of a zip archive.
struct ZipMember {
    std::string name;
    bool deflated = false;         ///< else stored as it is
    std::uint64_t begin = 0;       ///< of its bytes in the archive
    std::uint64_t compressed = 0;  ///< bytes in the archive
    std::uint64_t size = 0;        ///< bytes when inflated
    std::uint32_t crc = 0;
    std::uint64_t header = 0;  ///< of its entry in the central directory, for messages
};

/// The members by the central directory, ZIP64 included; each checked against its local header and
/// against the file's size. A size that no deflate stream of that length can have is an error:
/// nothing later allocates more than 1032 bytes for each byte of the file.
/// @errors Damaged, Unsupported (encrypted, split over files, other compression): naming the offset
[[nodiscard]] Result<std::vector<ZipMember>> listZip(const MappedFile& file);

/// The first `count` bytes of a member. All of them: its checksum is compared as well.
/// @errors Damaged
[[nodiscard]] Result<std::vector<std::byte>> extractZip(const MappedFile& file,
                                                        const ZipMember& member,
                                                        std::uint64_t count);

}  // namespace loupe
