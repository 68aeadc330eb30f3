// SPDX-License-Identifier: Apache-2.0
#include "core/io/gguf_header.hpp"

#include "core/base/text.hpp"
#include "core/io/layout.hpp"
#include "core/io/listing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace loupe {

namespace {

constexpr std::uint64_t kMostString = 16 << 20;
constexpr std::uint64_t kMostDimensions = 4;
/// So that the bits of any plain type, 64 at most, can be counted in 64 bits.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 57;
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;

/// Bytes of a value of each type; 0: strings and arrays.
constexpr std::array<std::uint64_t, 13> kWidths{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/// Reads numbers and strings one after the other; the first thing that is wrong stays.
class Cursor {
public:
    explicit Cursor(const MappedFile& file) : file_(file) {}

    [[nodiscard]] std::uint64_t position() const { return position_; }
    [[nodiscard]] std::uint64_t left() const { return file_.size() - position_; }
    [[nodiscard]] bool ok() const { return !error_.has_value(); }
    [[nodiscard]] const Error& error() const { return *error_; }

    void wrong(std::uint64_t at, std::string what, ErrorCode code = ErrorCode::Damaged) {
        if (!error_) {
            error_ = Error{code, "GGUF: " + std::move(what), filePosition(file_.path(), at), {}};
        }
    }

    std::uint64_t number(std::uint64_t width, const char* what) {
        std::array<std::byte, 8> bytes{};
        if (!take(std::span(bytes).first(width), what)) {
            return 0;
        }
        std::uint64_t value = 0;
        for (std::uint64_t i = 0; i < width; ++i) {
            value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
        }
        return value;
    }

    std::string text(const char* what) {
        const std::uint64_t at = position_;
        const std::uint64_t size = number(8, what);
        if (!ok()) {
            return {};
        }
        if (size > left() || size > kMostString) {
            wrong(at,
                  std::string(what) + ": expected a length within the " + std::to_string(left()) +
                      " bytes that follow, found " + std::to_string(size));
            return {};
        }
        std::string result(size, '\0');
        (void)take(std::as_writable_bytes(std::span(result)), what);
        return result;
    }

    void skip(std::uint64_t count, const char* what) {
        if (!ok()) {
            return;
        }
        if (count > left()) {
            wrong(position_,
                  std::string(what) + ": expected " + std::to_string(count) + " bytes, found " +
                      std::to_string(left()));
            return;
        }
        position_ += count;
    }

private:
    bool take(std::span<std::byte> out, const char* what) {
        if (!ok()) {
            return false;
        }
        if (out.size() > left()) {
            wrong(position_,
                  std::string(what) + ": expected " + std::to_string(out.size()) +
                      " bytes, found " + std::to_string(left()));
            return false;
        }
        if (Result<void> read = file_.read(position_, out); !read) {
            error_ = read.error();
            return false;
        }
        position_ += out.size();
        return true;
    }

    const MappedFile& file_;
    std::uint64_t position_ = 0;
    std::optional<Error> error_;
};

std::string scalarText(std::uint32_t type, std::uint64_t bits) {
    switch (type) {
        case 1:
            return std::to_string(static_cast<std::int8_t>(bits));
        case 3:
            return std::to_string(static_cast<std::int16_t>(bits));
        case 5:
            return std::to_string(static_cast<std::int32_t>(bits));
        case 11:
            return std::to_string(static_cast<std::int64_t>(bits));
        case 6:
            return shortest(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
        case 12:
            return shortest(std::bit_cast<double>(bits));
        case 7:
            return bits != 0 ? "true" : "false";
        default:
            return std::to_string(bits);
    }
}

std::string arrayText(Cursor& cursor) {
    constexpr std::uint64_t kShown = 8;
    const std::uint64_t at = cursor.position();
    const auto type = static_cast<std::uint32_t>(cursor.number(4, "type of an array"));
    const std::uint64_t count = cursor.number(8, "length of an array");
    if (!cursor.ok()) {
        return {};
    }
    if (type >= kWidths.size() || type == kArray) {
        cursor.wrong(at, "array: expected a type of single values, found " + std::to_string(type));
        return {};
    }
    const std::uint64_t least = type == kString ? 8 : kWidths[type];
    if (count > cursor.left() / least) {
        cursor.wrong(at + 4,
                     "array: expected a length within the " + std::to_string(cursor.left()) +
                         " bytes that follow, found " + std::to_string(count));
        return {};
    }
    std::string text("[");
    for (std::uint64_t i = 0; i < count && cursor.ok(); ++i) {
        if (i == kShown) {
            text += ", ... ";
            text += std::to_string(count);
            text += " values";
        }
        if (i >= kShown && type != kString) {
            cursor.skip((count - i) * least, "array");
            break;
        }
        const std::string value = type == kString
                                      ? cursor.text("string of an array")
                                      : scalarText(type, cursor.number(least, "value of an array"));
        if (i < kShown) {
            text += i > 0 ? ", " : "";
            text += value;
        }
    }
    text += ']';
    return text;
}

void readMetadata(Cursor& cursor, std::uint64_t count, GgufHeader& header) {
    for (std::uint64_t i = 0; i < count && cursor.ok(); ++i) {
        std::string key = cursor.text("key");
        const std::uint64_t at = cursor.position();
        const auto type = static_cast<std::uint32_t>(cursor.number(4, "type of a value"));
        if (cursor.ok() && type >= kWidths.size()) {
            cursor.wrong(
                at,
                "key \"" + key + "\": expected a type from 0 to 12, found " + std::to_string(type));
        }
        if (!cursor.ok()) {
            return;
        }
        std::string value = type == kArray ? arrayText(cursor)
                            : type == kString
                                ? cursor.text("value")
                                : scalarText(type, cursor.number(kWidths[type], "value"));
        if (key == "general.alignment" && cursor.ok()) {
            const std::int64_t given = parseInteger(value).value_or(0);
            if (given < 1 || given > (1 << 20) ||
                !std::has_single_bit(static_cast<std::uint64_t>(given))) {
                cursor.wrong(at, "general.alignment: expected a power of two, found " + value);
                return;
            }
            header.alignment = static_cast<std::uint64_t>(given);
        }
        header.metadata.emplace_back(std::move(key), std::move(value));
    }
}

/// ggml's plain types; its blocks are not read yet.
const StorageType* plainType(std::uint32_t type) {
    constexpr std::array<std::pair<std::uint32_t, std::string_view>, 8> kTypes{{{0, "fp32"},
                                                                                {1, "fp16"},
                                                                                {24, "int8"},
                                                                                {25, "int16"},
                                                                                {26, "int32"},
                                                                                {27, "int64"},
                                                                                {28, "fp64"},
                                                                                {30, "bf16"}}};
    for (const auto& [number, id] : kTypes) {
        if (number == type) {
            return findStorageType(id);
        }
    }
    return nullptr;
}

TensorInfo readTensor(Cursor& cursor, const MappedFile& file) {
    TensorInfo tensor;
    tensor.name = cursor.text("name of a tensor");
    const std::string which = "tensor \"" + tensor.name + "\": ";
    std::uint64_t at = cursor.position();
    const std::uint64_t dimensions = cursor.number(4, "number of dimensions");
    if (cursor.ok() && dimensions > kMostDimensions) {
        cursor.wrong(at,
                     which + "expected at most 4 dimensions, found " + std::to_string(dimensions));
    }
    at = cursor.position();
    for (std::uint64_t i = 0; i < dimensions && cursor.ok(); ++i) {
        // Innermost first in the file.
        const std::uint64_t dimension = cursor.number(8, "dimension");
        tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(dimension));
    }
    const std::uint64_t typeAt = cursor.position();
    const auto type = static_cast<std::uint32_t>(cursor.number(4, "type of a tensor"));
    tensor.offset = cursor.number(8, "offset of a tensor");
    if (!cursor.ok()) {
        return tensor;
    }
    const std::optional<std::uint64_t> count = elementCount(tensor.shape);
    if (!count || *count > kMostElements) {
        cursor.wrong(at, which + "expected at most 2^57 elements, found more");
        return tensor;
    }
    tensor.parameters = *count;
    tensor.type = plainType(type);
    if (tensor.type == nullptr) {
        tensor.dtypeName = "ggml type " + std::to_string(type);
        tensor.problem =
            Error{ErrorCode::Unsupported,
                  which + "expected a plain number format, found ggml type " + std::to_string(type),
                  filePosition(file.path(), typeAt),
                  {}};
        return tensor;
    }
    tensor.dtypeName = tensor.type->id;
    tensor.bytes = *count * static_cast<std::uint64_t>(tensor.type->bits) / 8;
    return tensor;
}

/// Offsets from the start of the file, checked against its size.
Result<void> placeTensors(const MappedFile& file, GgufHeader& header) {
    for (TensorInfo& tensor : header.tensors) {
        const std::uint64_t room =
            file.size() > header.dataStart ? file.size() - header.dataStart : 0;
        const std::uint64_t offset = *tensor.offset;
        if (offset % header.alignment != 0) {
            return fail(ErrorCode::Damaged,
                        "GGUF: tensor \"" + tensor.name +
                            "\": expected an offset that is a "
                            "multiple of " +
                            std::to_string(header.alignment) + ", found " + std::to_string(offset),
                        filePosition(file.path(), header.dataStart));
        }
        if (offset > room || tensor.bytes > room - offset) {
            return fail(ErrorCode::Damaged,
                        "GGUF: tensor \"" + tensor.name + "\": expected " +
                            std::to_string(tensor.bytes) + " bytes at " + std::to_string(offset) +
                            " of the data, found " + std::to_string(room) + " bytes of data",
                        filePosition(file.path(), header.dataStart));
        }
        tensor.offset = header.dataStart + offset;
    }
    return {};
}

}  // namespace

std::optional<std::string_view> GgufHeader::value(std::string_view key) const {
    const auto found = std::find_if(
        metadata.begin(), metadata.end(), [key](const auto& entry) { return entry.first == key; });
    return found == metadata.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

Result<GgufHeader> readGgufHeader(const MappedFile& file) {
    Cursor cursor(file);
    GgufHeader header;
    constexpr std::uint64_t kMagic = 0x46554747;
    if (cursor.number(4, "magic") != kMagic) {
        cursor.wrong(0, "expected the magic \"GGUF\", found other bytes");
    }
    header.version = static_cast<std::uint32_t>(cursor.number(4, "version"));
    if (cursor.ok() && header.version != 2 && header.version != 3) {
        const bool swapped = (header.version & 0xFFFFU) == 0;
        cursor.wrong(4,
                     swapped ? "expected little-endian numbers, found big-endian ones"
                             : "expected version 2 or 3, found " + std::to_string(header.version),
                     ErrorCode::Unsupported);
    }
    const std::uint64_t tensors = cursor.number(8, "number of tensors");
    const std::uint64_t pairs = cursor.number(8, "number of keys");
    constexpr std::uint64_t kLeastTensor = 24;
    constexpr std::uint64_t kLeastPair = 13;
    if (cursor.ok() &&
        (tensors > cursor.left() / kLeastTensor || pairs > cursor.left() / kLeastPair)) {
        cursor.wrong(8,
                     "expected as many tensors and keys as " + std::to_string(cursor.left()) +
                         " bytes can hold, found " + std::to_string(tensors) + " and " +
                         std::to_string(pairs));
    }
    readMetadata(cursor, pairs, header);
    for (std::uint64_t i = 0; i < tensors && cursor.ok(); ++i) {
        header.tensors.push_back(readTensor(cursor, file));
    }
    if (!cursor.ok()) {
        return fail(cursor.error());
    }
    if (const auto twice = firstDuplicate(header.tensors)) {
        return fail(
            ErrorCode::Damaged,
            "GGUF: expected every tensor once, found \"" + header.tensors[*twice].name + "\" twice",
            filePosition(file.path(), cursor.position()));
    }
    header.dataStart =
        (cursor.position() + header.alignment - 1) / header.alignment * header.alignment;
    if (Result<void> placed = placeTensors(file, header); !placed) {
        return fail(placed.error());
    }
    return header;
}

}  // namespace loupe
