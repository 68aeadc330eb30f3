// SPDX-License-Identifier: Apache-2.0
#include "core/io/protobuf.hpp"

#include "core/base/assert.hpp"

#include <algorithm>

namespace loupe {

namespace {

constexpr std::uint64_t kWindow = std::uint64_t{64} * 1024;

}  // namespace

std::uint8_t ProtoFile::byte(std::uint64_t offset) {
    LOUPE_ASSERT(offset < file_->size(), "the caller checks the range");
    if (offset < windowStart_ || offset - windowStart_ >= window_.size()) {
        windowStart_ = offset;
        window_.resize(std::min(kWindow, file_->size() - offset));
        if (Result<void> read = file_->read(offset, std::as_writable_bytes(std::span(window_)));
            !read) {
            if (error_) {
                error_ = read;
            }
            std::fill(window_.begin(), window_.end(), std::uint8_t{0});
        }
    }
    return window_[offset - windowStart_];
}

Result<std::string> ProtoFile::text(std::uint64_t begin, std::uint64_t end, std::uint64_t most) {
    std::string text(std::min(end - begin, most), '\0');
    if (Result<void> read = file_->read(begin, std::as_writable_bytes(std::span(text))); !read) {
        return fail(read.error());
    }
    return text;
}

bool ProtoFile::varint(std::uint64_t& offset, std::uint64_t end, std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 70 && offset < end; shift += 7) {
        const std::uint64_t part = byte(offset++);
        value |= shift < 64 ? (part & 0x7FU) << shift : 0;
        if (part < 0x80) {
            return true;
        }
    }
    return false;
}

Result<void> ProtoFile::error() const {
    return error_;
}

Result<bool> ProtoMessage::next(ProtoField& field) {
    if (position_ >= end_) {
        return false;
    }
    const auto damaged = [&](const std::string& what) {
        return fail(
            ErrorCode::Damaged, "protobuf: " + what, filePosition(file_.file()->path(), field.at));
    };
    field.at = position_;
    std::uint64_t tag = 0;
    if (!file_.varint(position_, end_, tag)) {
        return damaged("expected a field, found a number that does not end");
    }
    constexpr std::uint64_t kMostTag = 0xFFFFFFFF;
    if (tag > kMostTag || tag >> 3U == 0) {
        return damaged("expected a field's number, found " + std::to_string(tag >> 3U));
    }
    field.number = static_cast<std::uint32_t>(tag >> 3U);
    field.wire = static_cast<ProtoWire>(tag & 7U);
    switch (field.wire) {
        case ProtoWire::Varint:
            if (!file_.varint(position_, end_, field.value)) {
                return damaged("expected a number in field " + std::to_string(field.number) +
                               ", found one that does not end");
            }
            return true;
        case ProtoWire::Bytes: {
            std::uint64_t length = 0;
            if (!file_.varint(position_, end_, length) || length > end_ - position_) {
                return damaged("field " + std::to_string(field.number) + ": expected at most " +
                               std::to_string(end_ - std::min(end_, position_)) +
                               " bytes, found a length of " + std::to_string(length));
            }
            field.begin = position_;
            field.end = position_ + length;
            position_ = field.end;
            return true;
        }
        case ProtoWire::Fixed64:
        case ProtoWire::Fixed32: {
            const std::uint64_t width = field.wire == ProtoWire::Fixed64 ? 8 : 4;
            if (width > end_ - position_) {
                return damaged("field " + std::to_string(field.number) + ": expected " +
                               std::to_string(width) + " bytes, found " +
                               std::to_string(end_ - position_));
            }
            field.begin = position_;
            field.end = position_ + width;
            field.value = 0;
            for (std::uint64_t i = 0; i < width; ++i) {
                field.value |= std::uint64_t{file_.byte(position_ + i)} << (8 * i);
            }
            position_ = field.end;
            return true;
        }
        default:
            return damaged("field " + std::to_string(field.number) +
                           ": expected a wire type that is known, found " +
                           std::to_string(tag & 7U));
    }
}

}  // namespace loupe
