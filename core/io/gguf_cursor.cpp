// SPDX-License-Identifier: Apache-2.0
#include "core/io/gguf_cursor.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace loupe {

namespace {

constexpr std::uint64_t kWindow = std::uint64_t{128} << 10;
/// ggml refuses longer strings.
constexpr std::uint64_t kMostText = std::uint64_t{1} << 30;

std::uint64_t numberAt(const std::byte* from, std::uint64_t width, bool bigEndian) {
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < width; ++i) {
        const std::uint64_t place = bigEndian ? width - 1 - i : i;
        value |= static_cast<std::uint64_t>(from[i]) << (8 * place);
    }
    return value;
}

std::string beyondEnd(const char* what, std::uint64_t count, std::uint64_t left) {
    return std::string(what) + ": expected " + std::to_string(count) + " bytes, found " +
           std::to_string(left);
}

}  // namespace

GgufCursor::GgufCursor(const MappedFile& file)
    : file_(file),
      fileSize_(file.size()),
      window_(std::make_unique<std::byte[]>(std::min(kWindow, file.size()) + 1)) {}

void GgufCursor::wrong(std::uint64_t at, std::string what, ErrorCode code) {
    if (!error_) {
        error_ = Error{code, "GGUF: " + std::move(what), filePosition(file_.path(), at), {}};
    }
}

bool GgufCursor::fill() {
    const std::uint64_t from = position();
    const std::uint64_t count = std::min(kWindow, fileSize_ - from);
    if (Result<void> read = file_.read(from, {window_.get(), count}); !read) {
        error_ = read.error();
        return false;
    }
    base_ = from;
    have_ = count;
    at_ = 0;
    return true;
}

bool GgufCursor::need(std::uint64_t count, const char* what) {
    if (!ok()) {
        return false;
    }
    if (at_ <= have_ && count <= have_ - at_) {
        return true;
    }
    if (count > left()) {
        wrong(position(), beyondEnd(what, count, left()));
        return false;
    }
    return fill();
}

std::uint64_t GgufCursor::number(std::uint64_t width, const char* what) {
    if (!need(width, what)) {
        return 0;
    }
    const std::uint64_t value = numberAt(window_.get() + at_, width, bigEndian_);
    at_ += width;
    return value;
}

std::uint64_t GgufCursor::textLength(const char* what) {
    const std::uint64_t at = position();
    const std::uint64_t size = number(lengthBytes_, what);
    if (ok() && (size > left() || size > kMostText)) {
        wrong(at,
              std::string(what) + ": expected a length within the " + std::to_string(left()) +
                  " bytes that follow and 2^30, found " + std::to_string(size));
        return 0;
    }
    return size;
}

std::string GgufCursor::text(const char* what, std::uint64_t most) {
    const std::uint64_t size = textLength(what);
    if (!ok()) {
        return {};
    }
    std::string result(std::min(size, most), '\0');
    if (at_ <= have_ && result.size() <= have_ - at_) {
        std::memcpy(result.data(), window_.get() + at_, result.size());
    } else if (Result<void> read =
                   file_.read(position(), std::as_writable_bytes(std::span(result)));
               !read) {
        error_ = read.error();
        return {};
    }
    at_ += size;
    if (size > most) {
        result += "... (" + std::to_string(size) + " bytes)";
    }
    return result;
}

void GgufCursor::skipTexts(std::uint64_t count, const char* what) {
    for (std::uint64_t i = 0; i < count && ok(); ++i) {
        // A vocabulary has 100,000 strings: the common case is decided here, in the window.
        if (lengthBytes_ == 8 && !bigEndian_ && at_ + 8 <= have_) {
            std::uint64_t size = 0;
            std::memcpy(&size, window_.get() + at_, sizeof size);
            if (size <= have_ - at_ - 8) {
                at_ += 8 + size;
                continue;
            }
        }
        at_ += textLength(what);
    }
}

void GgufCursor::skip(std::uint64_t count, const char* what) {
    if (!ok()) {
        return;
    }
    if (count > left()) {
        wrong(position(), beyondEnd(what, count, left()));
        return;
    }
    at_ += count;
}

}  // namespace loupe
