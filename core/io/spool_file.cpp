// SPDX-License-Identifier: Apache-2.0
#include "core/io/spool_file.hpp"

#include "core/base/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace loupe {

namespace {

tl::unexpected<Error> cannot(const std::string& what, int code, const std::filesystem::path& path) {
    return fail(ErrorCode::Unreadable,
                "cannot " + what + ": " + std::generic_category().message(code),
                path.string());
}

}  // namespace

SpoolFile::~SpoolFile() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

Result<void> SpoolFile::open(const std::filesystem::path& beside) {
    LOUPE_ASSERT(descriptor_ < 0, "one file at a time");
    target_ = beside;
    temporary_ = beside.string() + ".XXXXXX";
    descriptor_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (descriptor_ < 0) {
        return cannot("write beside the file", errno, target_);
    }
    // Without a name it is gone with the last descriptor, however this process ends.
    ::unlink(temporary_.c_str());
    return {};
}

Result<void> SpoolFile::write(std::span<const std::byte> bytes) {
    LOUPE_ASSERT(descriptor_ >= 0, "open() comes first");
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return cannot("write beside the file", errno, target_);
        }
        size_ += static_cast<std::uint64_t>(written);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> SpoolFile::read(
    std::uint64_t offset,
    std::uint64_t count,
    const std::function<Result<void>(std::span<const std::byte>)>& sink) const {
    LOUPE_ASSERT(offset + count <= size_, "only what was written can be read");
    constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
    std::vector<std::byte> piece(static_cast<std::size_t>(std::min(count, kPiece)));
    while (count > 0) {
        const ssize_t got = ::pread(descriptor_,
                                    piece.data(),
                                    static_cast<std::size_t>(std::min(count, kPiece)),
                                    static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return cannot("read beside the file", got < 0 ? errno : EIO, target_);
        }
        if (Result<void> done = sink(std::span(piece).first(static_cast<std::size_t>(got)));
            !done) {
            return done;
        }
        offset += static_cast<std::uint64_t>(got);
        count -= static_cast<std::uint64_t>(got);
    }
    return {};
}

}  // namespace loupe
