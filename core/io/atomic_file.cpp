// SPDX-License-Identifier: Apache-2.0
#include "core/io/atomic_file.hpp"

#include "core/base/assert.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace loupe {

namespace {

tl::unexpected<Error> cannot(const std::string& what, int code, const std::filesystem::path& path) {
    return fail(ErrorCode::Unreadable,
                "cannot " + what + ": " + std::generic_category().message(code),
                path.string());
}

}  // namespace

AtomicFile::~AtomicFile() {
    discard();
}

Result<void> AtomicFile::open(const std::filesystem::path& target) {
    LOUPE_ASSERT(descriptor_ < 0, "one file at a time");
    target_ = target;
    temporary_ = target.string() + ".XXXXXX";
    descriptor_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (descriptor_ < 0) {
        return cannot("write the file", errno, target);
    }
    // mkostemp makes the file private; a result is as readable as any other new file.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    static_cast<void>(::fchmod(descriptor_, 0666 & ~mask));
    return {};
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
    LOUPE_ASSERT(descriptor_ >= 0, "open() comes first");
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return cannot("write the file", errno, target_);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> AtomicFile::commit() {
    LOUPE_ASSERT(descriptor_ >= 0, "open() comes first");
    if (::fsync(descriptor_) != 0) {
        return cannot("write the file", errno, target_);
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
        return cannot("put the file in place", errno, target_);
    }
    ::close(descriptor_);
    descriptor_ = -1;
    return {};
}

void AtomicFile::discard() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
        ::unlink(temporary_.c_str());
        descriptor_ = -1;
    }
}

}  // namespace loupe
