// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/io/mapped_file.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace loupe {

/// Reads the numbers and strings of a GGUF header one after the other, through a window of 128 KiB:
/// a header of 10 MB costs no memory. The first thing that is wrong stays; what is read after it is
/// zero.
class GgufCursor {
public:
    explicit GgufCursor(const MappedFile& file);

    [[nodiscard]] std::uint64_t position() const { return base_ + at_; }
    [[nodiscard]] std::uint64_t left() const { return fileSize_ - position(); }
    [[nodiscard]] bool ok() const { return !error_.has_value(); }
    [[nodiscard]] const Error& error() const { return *error_; }
    /// "GGUF: WHAT" at an offset of the file, unless something was wrong before.
    void wrong(std::uint64_t at, std::string what, ErrorCode code = ErrorCode::Damaged);

    /// Numbers from here on are big-endian.
    void setBigEndian() { bigEndian_ = true; }
    [[nodiscard]] bool bigEndian() const { return bigEndian_; }
    /// Lengths and counts from here on have so many bytes: 4 in version 1, 8 since.
    void setLengthBytes(std::uint64_t bytes) { lengthBytes_ = bytes; }
    [[nodiscard]] std::uint64_t lengthBytes() const { return lengthBytes_; }

    /// An unsigned number of 1, 2, 4 or 8 bytes.
    std::uint64_t number(std::uint64_t width, const char* what);
    std::uint64_t length(const char* what) { return number(lengthBytes_, what); }
    /// A length and so many bytes. Of more than `most` bytes only the first are kept, and how many
    /// there are is said.
    std::string text(const char* what, std::uint64_t most);
    /// Passes over `count` strings.
    void skipTexts(std::uint64_t count, const char* what);
    void skip(std::uint64_t count, const char* what);

private:
    /// Makes the next `count` bytes (at most 8) lie in the window.
    bool need(std::uint64_t count, const char* what);
    bool fill();
    /// The length of a string that fits into the file.
    std::uint64_t textLength(const char* what);

    const MappedFile& file_;
    std::uint64_t fileSize_;
    std::unique_ptr<std::byte[]> window_;
    std::uint64_t base_ = 0;  ///< of the window, in the file
    std::uint64_t have_ = 0;  ///< bytes of the window that were read
    std::uint64_t at_ = 0;    ///< in the window; behind `have_` where it must be filled first
    std::uint64_t lengthBytes_ = 8;
    bool bigEndian_ = false;
    std::optional<Error> error_;
};

}  // namespace loupe
