// SPDX-License-Identifier: Apache-2.0
#include "core/io/mapped_file.hpp"

#include "core/base/assert.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace loupe {

namespace {

std::string systemMessage(int code) {
    return std::generic_category().message(code);
}

}  // namespace

std::string filePosition(const std::filesystem::path& path, std::uint64_t offset) {
    return path.string() + ":" + std::to_string(offset);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        const int code = errno;
        return fail(code == ENOENT || code == ENOTDIR ? ErrorCode::NotFound : ErrorCode::Unreadable,
                    "cannot open the file: " + systemMessage(code),
                    path.string());
    }
    const std::shared_ptr<MappedFile> file(new MappedFile);
    file->path_ = path;
    file->descriptor_ = descriptor;
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) {
        return fail(ErrorCode::Unreadable,
                    "cannot ask for the file's size: " + systemMessage(errno),
                    path.string());
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(ErrorCode::Unreadable,
                    "expected a regular file, found a folder or device",
                    path.string());
    }
    if (status.st_size > 0) {
        const auto size = static_cast<std::size_t>(status.st_size);
        void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
        if (address == MAP_FAILED) {
            return fail(ErrorCode::Unreadable,
                        "cannot map the file into memory: " + systemMessage(errno),
                        path.string());
        }
        file->bytes_ = {static_cast<const std::byte*>(address), size};
    }
    return file;
}

std::shared_ptr<const MappedFile> MappedFile::fromBytes(std::vector<std::byte> bytes,
                                                        std::filesystem::path name) {
    const std::shared_ptr<MappedFile> file(new MappedFile);
    file->path_ = std::move(name);
    file->owned_ = std::move(bytes);
    file->bytes_ = file->owned_;
    return file;
}

MappedFile::~MappedFile() {
    if (descriptor_ >= 0) {
        if (!bytes_.empty()) {
            ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
        }
        ::close(descriptor_);
    }
}

Result<void> MappedFile::read(std::uint64_t offset, std::span<std::byte> out) const {
    LOUPE_ASSERT(offset <= size() && out.size() <= size() - offset, "the caller checks the range");
    if (descriptor_ < 0) {
        if (!out.empty()) {
            std::memcpy(out.data(), bytes_.data() + offset, out.size());
        }
        return {};
    }
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t got = ::pread(
            descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return fail(ErrorCode::Unreadable,
                        got == 0 ? "the file became shorter while it was read"
                                 : "cannot read: " + systemMessage(errno),
                        filePosition(path_, offset + done));
        }
        done += static_cast<std::size_t>(got);
    }
    return {};
}

Result<void> MappedFile::checkUnchanged() const {
    struct stat status {};
    if (descriptor_ < 0) {
        return {};
    }
    if (::fstat(descriptor_, &status) != 0) {
        return fail(ErrorCode::Unreadable,
                    "cannot ask for the file's size: " + systemMessage(errno),
                    path_.string());
    }
    if (status.st_size >= 0 && static_cast<std::uint64_t>(status.st_size) < size()) {
        return fail(ErrorCode::Damaged,
                    "the file was cut while it was open: expected " + std::to_string(size()) +
                        " bytes, found " + std::to_string(status.st_size),
                    path_.string(),
                    "open it again");
    }
    return {};
}

void MappedFile::release(std::uint64_t offset, std::uint64_t count) const {
    constexpr std::uint64_t kWindow = std::uint64_t{2} << 20;
    if (descriptor_ < 0 || offset >= size() || count == 0) {
        return;
    }
    const std::uint64_t begin = offset / kWindow * kWindow;
    const std::uint64_t last = offset + std::min(count, size() - offset);
    const std::uint64_t end = std::min((last + kWindow - 1) / kWindow * kWindow, size());
    if (end > begin) {
        ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
    }
}

}  // namespace loupe
