// SPDX-License-Identifier: Apache-2.0
// Protocol buffers as bytes on a wire: fields of messages, one after the other.
#pragma once

#include "core/base/result.hpp"
#include "core/io/mapped_file.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace loupe {

enum class ProtoWire : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

/// A field of a message. Of Bytes, [begin, end) are its contents; else `value` is the number.
struct ProtoField {
    std::uint32_t number = 0;
    ProtoWire wire = ProtoWire::Varint;
    std::uint64_t value = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t at = 0;  ///< of its tag, for messages

    [[nodiscard]] bool isBytes(std::uint32_t wanted) const {
        return number == wanted && wire == ProtoWire::Bytes;
    }
    [[nodiscard]] bool isVarint(std::uint32_t wanted) const {
        return number == wanted && wire == ProtoWire::Varint;
    }
    [[nodiscard]] std::uint64_t size() const { return end - begin; }
};

/// Reads a file through a window of 64 KiB: large contents are skipped without being touched.
class ProtoFile {
public:
    explicit ProtoFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

    [[nodiscard]] const std::shared_ptr<const MappedFile>& file() const noexcept { return file_; }
    /// The byte at `offset`, which must lie in the file. 0 after an error of the system: see
    /// error().
    [[nodiscard]] std::uint8_t byte(std::uint64_t offset);
    /// Up to `most` bytes of [begin, end).
    [[nodiscard]] Result<std::string> text(std::uint64_t begin,
                                           std::uint64_t end,
                                           std::uint64_t most);
    /// Reads a varint at `offset`, which it moves on. @returns false where it is cut off at `end`
    /// or longer than ten bytes
    [[nodiscard]] bool varint(std::uint64_t& offset, std::uint64_t end, std::uint64_t& value);
    /// What the system refused, if anything.
    [[nodiscard]] Result<void> error() const;

private:
    std::shared_ptr<const MappedFile> file_;
    std::vector<std::uint8_t> window_;
    std::uint64_t windowStart_ = 0;
    Result<void> error_;
};

/// The fields of the message in [begin, end) of a file.
class ProtoMessage {
public:
    ProtoMessage(ProtoFile& file, std::uint64_t begin, std::uint64_t end)
        : file_(file), position_(begin), end_(end) {}

    /// The next field. @returns false at the message's end
    /// @errors Damaged: a field that does not fit its message, an unknown wire type
    [[nodiscard]] Result<bool> next(ProtoField& field);

private:
    ProtoFile& file_;
    std::uint64_t position_;
    std::uint64_t end_;
};

}  // namespace loupe
