// SPDX-License-Identifier: Apache-2.0
// Zip archives as NumPy writes them (spec/formats.md C.3). The directory is read here, because
// stored members are mapped and need their place in the file; zlib inflates.
#include "core/io/zip_archive.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <zlib.h>

namespace loupe {

namespace {

constexpr std::uint32_t kEndMagic = 0x06054b50;
constexpr std::uint32_t kEnd64Magic = 0x06064b50;
constexpr std::uint32_t kEnd64LocatorMagic = 0x07064b50;
constexpr std::uint32_t kEntryMagic = 0x02014b50;
constexpr std::uint32_t kLocalMagic = 0x04034b50;
constexpr std::uint64_t kEndSize = 22;
constexpr std::uint64_t kLocatorSize = 20;
constexpr std::uint64_t kEnd64Size = 56;
constexpr std::uint64_t kEntrySize = 46;
constexpr std::uint64_t kLocalSize = 30;
constexpr std::uint64_t kMostDirectory = 64 << 20;
constexpr std::uint64_t kMostInflation = 1032;  // what deflate can reach

/// Little-endian numbers of a copied piece of the file.
class Bytes {
public:
    explicit Bytes(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
    [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
    [[nodiscard]] std::uint64_t number(std::uint64_t at, std::uint64_t width) const {
        std::uint64_t value = 0;
        for (std::uint64_t i = 0; i < width; ++i) {
            value |= static_cast<std::uint64_t>(bytes_[at + i]) << (8 * i);
        }
        return value;
    }
    [[nodiscard]] std::string text(std::uint64_t at, std::uint64_t count) const {
        return {reinterpret_cast<const char*>(bytes_.data() + at), count};
    }

private:
    std::vector<std::byte> bytes_;
};

Result<Bytes> readBytes(const MappedFile& file, std::uint64_t offset, std::uint64_t count) {
    std::vector<std::byte> bytes(count);
    if (Result<void> read = file.read(offset, bytes); !read) {
        return fail(read.error());
    }
    return Bytes(std::move(bytes));
}

tl::unexpected<Error> damaged(const MappedFile& file, std::uint64_t offset, std::string what) {
    return fail(ErrorCode::Damaged, "zip: " + std::move(what), filePosition(file.path(), offset));
}

struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t entries = 0;
    std::uint64_t end = 0;  ///< of everything that members may lie in
};

/// The ZIP64 end record at the place that the locator before the end record names.
Result<Directory> readEnd64(const MappedFile& file, std::uint64_t endOffset) {
    if (endOffset < kLocatorSize) {
        return damaged(file, endOffset, "expected a ZIP64 locator before the end, found none");
    }
    const std::uint64_t locatorOffset = endOffset - kLocatorSize;
    const Result<Bytes> locator = readBytes(file, locatorOffset, kLocatorSize);
    if (!locator) {
        return fail(locator.error());
    }
    if (locator->number(0, 4) != kEnd64LocatorMagic) {
        return damaged(file, locatorOffset, "expected a ZIP64 locator, found other bytes");
    }
    const std::uint64_t offset = locator->number(8, 8);
    if (locatorOffset < kEnd64Size || offset > locatorOffset - kEnd64Size) {
        return damaged(file,
                       locatorOffset + 8,
                       "expected the ZIP64 end record before its locator, found offset " +
                           std::to_string(offset));
    }
    const Result<Bytes> end = readBytes(file, offset, kEnd64Size);
    if (!end) {
        return fail(end.error());
    }
    if (end->number(0, 4) != kEnd64Magic) {
        return damaged(file, offset, "expected a ZIP64 end record, found other bytes");
    }
    return Directory{end->number(48, 8), end->number(40, 8), end->number(32, 8), offset};
}

/// Finds the end record: the last one whose comment reaches to the end of the file.
Result<Directory> findDirectory(const MappedFile& file) {
    constexpr std::uint64_t kMostComment = 65535;
    const std::uint64_t tailSize = std::min(file.size(), kEndSize + kMostComment);
    const Result<Bytes> tail = readBytes(file, file.size() - tailSize, tailSize);
    if (!tail) {
        return fail(tail.error());
    }
    for (std::uint64_t back = kEndSize; back <= tailSize; ++back) {
        const std::uint64_t at = tailSize - back;
        if (tail->number(at, 4) != kEndMagic || tail->number(at + 20, 2) != back - kEndSize) {
            continue;
        }
        const std::uint64_t offset = file.size() - back;
        Directory directory{
            tail->number(at + 16, 4), tail->number(at + 12, 4), tail->number(at + 10, 2), offset};
        const bool large = directory.offset == 0xFFFFFFFF || directory.size == 0xFFFFFFFF ||
                           directory.entries == 0xFFFF;
        if (!large && (tail->number(at + 4, 2) != 0 || tail->number(at + 6, 2) != 0)) {
            return fail(ErrorCode::Unsupported,
                        "zip: expected one file, found an archive split over several",
                        filePosition(file.path(), offset + 4));
        }
        if (large) {
            const Result<Directory> found = readEnd64(file, offset);
            if (!found) {
                return found;
            }
            directory = *found;
        }
        if (directory.size > directory.end || directory.offset > directory.end - directory.size) {
            return damaged(file,
                           offset + 12,
                           "expected a directory before its end record, found " +
                               std::to_string(directory.size) + " bytes at " +
                               std::to_string(directory.offset));
        }
        if (directory.size > kMostDirectory) {
            return damaged(file,
                           offset + 12,
                           "expected a directory of at most 64 MiB, found " +
                               std::to_string(directory.size) + " bytes");
        }
        return directory;
    }
    return damaged(file, file.size(), "expected an end record, found none: the file is cut off");
}

/// Replaces sizes that did not fit by those of the ZIP64 extra field. @returns the local header's
/// offset, or an error's text
Result<std::uint64_t> readExtra64(const MappedFile& file,
                                  const Bytes& directory,
                                  std::uint64_t at,
                                  ZipMember& member) {
    std::uint64_t local = directory.number(at + 42, 4);
    const std::array<std::uint64_t*, 3> fields{&member.size, &member.compressed, &local};
    const bool wanted = std::any_of(
        fields.begin(), fields.end(), [](const auto* field) { return *field == 0xFFFFFFFF; });
    if (!wanted) {
        return local;
    }
    const std::uint64_t begin = at + kEntrySize + directory.number(at + 28, 2);
    const std::uint64_t end = begin + directory.number(at + 30, 2);
    for (std::uint64_t field = begin; field + 4 <= end;) {
        const std::uint64_t size = directory.number(field + 2, 2);
        if (directory.number(field, 2) != 1 || field + 4 + size > end) {
            field += 4 + size;
            continue;
        }
        std::uint64_t value = field + 4;
        for (std::uint64_t* number : fields) {
            if (*number != 0xFFFFFFFF) {
                continue;
            }
            if (value + 8 > field + 4 + size) {
                break;
            }
            *number = directory.number(value, 8);
            value += 8;
        }
        return local;
    }
    return damaged(
        file,
        member.header,
        "member \"" + member.name + "\": expected a ZIP64 field with its sizes, found none");
}

/// Where the member's bytes begin, from its local header.
Result<void> locate(const MappedFile& file,
                    const Directory& directory,
                    std::uint64_t local,
                    ZipMember& member) {
    const std::string which = "member \"" + member.name + "\": ";
    if (local > directory.offset || directory.offset - local < kLocalSize) {
        return damaged(
            file,
            member.header + 42,
            which + "expected it before the directory, found offset " + std::to_string(local));
    }
    const Result<Bytes> header = readBytes(file, local, kLocalSize);
    if (!header) {
        return fail(header.error());
    }
    if (header->number(0, 4) != kLocalMagic) {
        return damaged(file, local, which + "expected a local header, found other bytes");
    }
    const std::uint64_t nameSize = header->number(26, 2);
    const std::uint64_t rest = directory.offset - local - kLocalSize;
    const std::uint64_t skipped = nameSize + header->number(28, 2);
    if (skipped > rest || member.compressed > rest - skipped) {
        return damaged(file,
                       local,
                       which + "expected at most " + std::to_string(rest) +
                           " bytes before the directory, found " +
                           std::to_string(member.compressed));
    }
    const Result<Bytes> name = readBytes(file, local + kLocalSize, nameSize);
    if (!name) {
        return fail(name.error());
    }
    if (name->text(0, nameSize) != member.name) {
        return damaged(file,
                       local + kLocalSize,
                       which + "expected the same name in its local header, found another");
    }
    if ((header->number(8, 2) != 0) != member.deflated) {
        return damaged(file,
                       local + 8,
                       which + "expected the same compression in its local header, found another");
    }
    member.begin = local + kLocalSize + skipped;
    return {};
}

Result<ZipMember> readEntry(const MappedFile& file,
                            const Directory& place,
                            const Bytes& directory,
                            std::uint64_t at) {
    ZipMember member;
    member.header = place.offset + at;
    if (at > directory.size() || directory.size() - at < kEntrySize ||
        directory.number(at, 4) != kEntryMagic) {
        return damaged(
            file, member.header, "expected an entry of the directory, found other bytes");
    }
    const std::uint64_t nameSize = directory.number(at + 28, 2);
    if (nameSize + directory.number(at + 30, 2) + directory.number(at + 32, 2) >
        directory.size() - at - kEntrySize) {
        return damaged(
            file, member.header + 28, "expected a name within the directory, found more");
    }
    member.name = directory.text(at + kEntrySize, nameSize);
    member.crc = static_cast<std::uint32_t>(directory.number(at + 16, 4));
    member.compressed = directory.number(at + 20, 4);
    member.size = directory.number(at + 24, 4);
    const std::uint64_t method = directory.number(at + 10, 2);
    const std::string which = "member \"" + member.name + "\": ";
    if ((directory.number(at + 8, 2) & 1U) != 0) {
        return fail(ErrorCode::Unsupported,
                    "zip: " + which + "expected a readable one, found it encrypted",
                    filePosition(file.path(), member.header + 8));
    }
    if (method != 0 && method != 8) {
        return fail(ErrorCode::Unsupported,
                    "zip: " + which + "expected it stored or deflated, found compression method " +
                        std::to_string(method),
                    filePosition(file.path(), member.header + 10));
    }
    member.deflated = method == 8;
    const Result<std::uint64_t> local = readExtra64(file, directory, at, member);
    if (!local) {
        return fail(local.error());
    }
    if (Result<void> located = locate(file, place, *local, member); !located) {
        return fail(located.error());
    }
    const bool possible = member.deflated ? member.size / kMostInflation <= member.compressed
                                          : member.size == member.compressed;
    if (!possible) {
        return damaged(file,
                       member.header + 24,
                       which + "expected a size that " + std::to_string(member.compressed) +
                           " bytes can hold, found " + std::to_string(member.size));
    }
    return member;
}

/// A raw deflate stream.
class Inflater {
public:
    Inflater() { ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
    ~Inflater() {
        if (ready_) {
            inflateEnd(&stream_);
        }
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    /// Fills `out`. @returns how many bytes came
    std::uint64_t fill(std::span<const std::byte> in, std::span<std::byte> out) {
        constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
        std::size_t taken = 0;
        std::size_t made = 0;
        while (ready_ && made < out.size()) {
            const std::size_t some = std::min(in.size() - taken, kMost);
            const std::size_t room = std::min(out.size() - made, kMost);
            stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data() + taken));
            stream_.avail_in = static_cast<uInt>(some);
            stream_.next_out = reinterpret_cast<Bytef*>(out.data() + made);
            stream_.avail_out = static_cast<uInt>(room);
            const int status = inflate(&stream_, Z_NO_FLUSH);
            taken += some - stream_.avail_in;
            made += room - stream_.avail_out;
            if (status != Z_OK) {
                ended_ = status == Z_STREAM_END;
                break;
            }
        }
        return made;
    }
    /// After everything: does the stream end here?
    [[nodiscard]] bool endsAt(std::span<const std::byte> in) {
        std::byte more{};
        const std::size_t used = stream_.total_in;
        return ended_ || fill(in.subspan(std::min(used, in.size())), {&more, 1}) == 0;
    }

private:
    z_stream stream_{};
    bool ready_ = false;
    bool ended_ = false;
};

bool checksumFits(std::span<const std::byte> bytes, std::uint32_t expected) {
    constexpr std::size_t kPiece = std::size_t{1} << 30;
    uLong sum = crc32(0, nullptr, 0);
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
        sum = crc32(sum,
                    reinterpret_cast<const Bytef*>(bytes.data() + at),
                    static_cast<uInt>(std::min(kPiece, bytes.size() - at)));
    }
    return sum == expected;
}

}  // namespace

Result<std::vector<ZipMember>> listZip(const MappedFile& file) {
    if (file.size() < kEndSize) {
        return damaged(file, 0, "expected at least 22 bytes, found " + std::to_string(file.size()));
    }
    const Result<Directory> place = findDirectory(file);
    if (!place) {
        return fail(place.error());
    }
    const Result<Bytes> directory = readBytes(file, place->offset, place->size);
    if (!directory) {
        return fail(directory.error());
    }
    std::vector<ZipMember> members;
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < place->entries; ++i) {
        Result<ZipMember> member = readEntry(file, *place, *directory, at);
        if (!member) {
            return fail(member.error());
        }
        at += kEntrySize + directory->number(at + 28, 2) + directory->number(at + 30, 2) +
              directory->number(at + 32, 2);
        members.push_back(std::move(*member));
    }
    return members;
}

Result<std::vector<std::byte>> extractZip(const MappedFile& file,
                                          const ZipMember& member,
                                          std::uint64_t count) {
    if (Result<void> same = file.checkUnchanged(); !same) {
        return fail(same.error());
    }
    const std::uint64_t wanted = std::min(count, member.size);
    std::vector<std::byte> bytes(wanted);
    const std::string which = "member \"" + member.name + "\": ";
    if (!member.deflated) {
        if (Result<void> read = file.read(member.begin, bytes); !read) {
            return fail(read.error());
        }
    } else {
        const auto stored = file.bytes().subspan(member.begin, member.compressed);
        Inflater inflater;
        const std::uint64_t made = inflater.fill(stored, bytes);
        if (made < wanted || (wanted == member.size && !inflater.endsAt(stored))) {
            return damaged(file,
                           member.begin,
                           which + "expected " + std::to_string(member.size) +
                               " bytes of deflated data, found " +
                               (made < wanted ? std::to_string(made) : "more"));
        }
    }
    if (wanted == member.size && !checksumFits(bytes, member.crc)) {
        return damaged(file, member.begin, which + "expected another checksum: its bytes changed");
    }
    return bytes;
}

}  // namespace loupe
