// SPDX-License-Identifier: Apache-2.0
// The header of GGUF files (ggml, docs/gguf.md and src/gguf.cpp). What ggml's own reader refuses is
// an error here too where the header contradicts itself; where the data can still be read it is a
// warning, and where one tensor alone is affected, that tensor's problem.
#include "core/io/gguf_header.hpp"

#include "core/base/text.hpp"
#include "core/blocks/byte_order.hpp"
#include "core/io/gguf_cursor.hpp"
#include "core/io/gguf_values.hpp"
#include "core/io/layout.hpp"
#include "core/io/listing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <unordered_set>

namespace loupe {

namespace {

constexpr std::uint64_t kMostKey = 65535;
constexpr std::uint64_t kMostName = std::uint64_t{1} << 16;
/// ggml keeps a tensor's name in 64 bytes with a zero at the end.
constexpr std::size_t kGgmlName = 64;
constexpr std::uint64_t kMostDimensions = 4;
/// So that the bits of any plain type, 64 at most, can be counted in 64 bits.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 57;
constexpr std::uint64_t kMostAlignment = std::uint64_t{1} << 30;

struct PlainType {
    std::uint32_t number;
    std::string_view id;
};
constexpr std::array<PlainType, 8> kPlainTypes{{{0, "fp32"},
                                                {1, "fp16"},
                                                {24, "int8"},
                                                {25, "int16"},
                                                {26, "int32"},
                                                {27, "int64"},
                                                {28, "fp64"},
                                                {30, "bf16"}}};

/// Types that ggml gave up; their numbers are not used again.
constexpr std::array<std::pair<std::uint32_t, std::string_view>, 8> kRemoved{{{4, "Q4_2"},
                                                                              {5, "Q4_3"},
                                                                              {31, "Q4_0_4_4"},
                                                                              {32, "Q4_0_4_8"},
                                                                              {33, "Q4_0_8_8"},
                                                                              {36, "IQ4_NL_4_4"},
                                                                              {37, "IQ4_NL_4_8"},
                                                                              {38, "IQ4_NL_8_8"}}};

std::string typeName(std::uint32_t type) {
    std::string name = "ggml type " + std::to_string(type);
    const auto found = std::find_if(kRemoved.begin(), kRemoved.end(), [type](const auto& entry) {
        return entry.first == type;
    });
    if (found != kRemoved.end()) {
        name += " (" + std::string(found->second) + ", which ggml no longer has)";
    }
    return name;
}

void readStart(GgufCursor& cursor, GgufHeader& header) {
    constexpr std::uint64_t kMagic = 0x46554747;
    constexpr std::uint64_t kReversed = 0x47475546;
    const std::uint64_t magic = cursor.number(4, "magic");
    if (cursor.ok() && magic != kMagic) {
        cursor.wrong(
            0,
            magic == kReversed
                ? "expected the magic \"GGUF\", found \"FUGG\": its bytes were turned round"
                : "expected the magic \"GGUF\", found other bytes");
    }
    auto version = static_cast<std::uint32_t>(cursor.number(4, "version"));
    if ((version & 0xFFFFU) == 0 && version != 0) {
        header.bigEndian = true;
        cursor.setBigEndian();
        version = version >> 24U | (version >> 8U & 0xFF00U);
    }
    if (cursor.ok() && (version < 1 || version > 3)) {
        cursor.wrong(4,
                     "expected version 1, 2 or 3, found " + std::to_string(version),
                     ErrorCode::Unsupported);
    }
    header.version = version;
    if (version == 1) {
        cursor.setLengthBytes(4);
    }
}

void readAlignment(GgufCursor& cursor, std::uint64_t at, GgufHeader& header) {
    const std::string& text = header.metadata.back().second;
    const auto given = static_cast<std::uint64_t>(parseInteger(text).value_or(0));
    if (header.types.back() != GgufType::Uint32 || given > kMostAlignment ||
        !std::has_single_bit(given)) {
        cursor.wrong(
            at,
            "general.alignment: expected a power of two of 32 bits without a sign, found " + text);
        return;
    }
    header.alignment = given;
    if (given % 8 != 0) {
        header.warnings.push_back("general.alignment is " + text +
                                  "; GGUF asks for a multiple of 8");
    }
}

void readMetadata(GgufCursor& cursor, std::uint64_t count, GgufHeader& header) {
    std::unordered_set<std::string> seen;
    for (std::uint64_t i = 0; i < count && cursor.ok(); ++i) {
        const std::uint64_t keyAt = cursor.position();
        std::string key = cursor.text("key", kMostKey);
        if (cursor.ok() && (key.empty() || key.size() > kMostKey)) {
            cursor.wrong(keyAt,
                         key.empty() ? "key: expected 1 byte or more, found 0"
                                     : "key: expected at most 65535 bytes, found more");
        }
        if (cursor.ok() && !seen.insert(key).second) {
            cursor.wrong(keyAt, "expected every key once, found \"" + key + "\" twice");
        }
        const std::uint64_t at = cursor.position();
        const auto type = static_cast<std::uint32_t>(cursor.number(4, "type of a value"));
        if (cursor.ok() && type >= kGgufTypes) {
            cursor.wrong(
                at,
                "key \"" + key + "\": expected a type from 0 to 12, found " + std::to_string(type));
        }
        if (!cursor.ok()) {
            return;
        }
        header.types.push_back(static_cast<GgufType>(type));
        header.metadata.emplace_back(key, readGgufValue(cursor, header.types.back()));
        if (cursor.ok() && key == "general.alignment") {
            readAlignment(cursor, at, header);
        }
    }
}

/// What the type says of a tensor whose shape is known: its bytes, or its problem.
void setType(TensorInfo& tensor,
             std::uint32_t number,
             std::uint64_t typeAt,
             const GgufCursor& cursor,
             const MappedFile& file) {
    const auto problem = [&](std::string what) {
        tensor.problem = Error{ErrorCode::Unsupported,
                               "tensor \"" + tensor.name + "\": " + std::move(what),
                               filePosition(file.path(), typeAt),
                               {}};
    };
    const auto [plain, block] = ggufTensorType(number);
    if (plain != nullptr) {
        tensor.type = plain;
        tensor.dtypeName = plain->id;
        tensor.bytes = tensor.parameters * static_cast<std::uint64_t>(plain->bits) / 8;
        return;
    }
    if (block == nullptr) {
        tensor.dtypeName = "ggml type " + std::to_string(number);
        problem("expected a type that is known here, found " + typeName(number));
        return;
    }
    tensor.dtypeName = block->id;
    const auto elements = static_cast<std::uint64_t>(block->elements);
    const std::uint64_t row =
        tensor.shape.empty() ? 1 : static_cast<std::uint64_t>(tensor.shape.back());
    if (row % elements != 0) {
        problem("expected rows of a multiple of " + std::to_string(elements) + " elements for " +
                tensor.dtypeName + ", found " + std::to_string(row));
        return;
    }
    tensor.block = block;
    tensor.bytes = tensor.parameters / elements * static_cast<std::uint64_t>(block->bytes);
    if (cursor.bigEndian() && !knowsByteOrder(*block)) {
        problem("expected a type whose big-endian form is known, found " + tensor.dtypeName);
    }
}

TensorInfo readTensor(GgufCursor& cursor, const MappedFile& file) {
    TensorInfo tensor;
    const std::uint64_t nameAt = cursor.position();
    tensor.name = cursor.text("name of a tensor", kMostName);
    if (cursor.ok() && tensor.name.empty()) {
        cursor.wrong(nameAt, "name of a tensor: expected 1 byte or more, found 0");
    }
    const auto which = [&tensor] { return "tensor \"" + tensor.name + "\": "; };
    std::uint64_t at = cursor.position();
    const std::uint64_t dimensions = cursor.number(4, "number of dimensions");
    if (cursor.ok() && dimensions > kMostDimensions) {
        cursor.wrong(
            at, which() + "expected at most 4 dimensions, found " + std::to_string(dimensions));
    }
    at = cursor.position();
    for (std::uint64_t i = 0; i < dimensions && cursor.ok(); ++i) {
        // Innermost first in the file.
        tensor.shape.push_back(static_cast<std::int64_t>(cursor.length("dimension")));
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    const std::uint64_t typeAt = cursor.position();
    const auto type = static_cast<std::uint32_t>(cursor.number(4, "type of a tensor"));
    tensor.offset = cursor.number(8, "offset of a tensor");
    if (!cursor.ok()) {
        return tensor;
    }
    const std::optional<std::uint64_t> count = elementCount(tensor.shape);
    if (!count || *count > kMostElements) {
        cursor.wrong(at, which() + "expected at most 2^57 elements, found more");
        return tensor;
    }
    tensor.parameters = *count;
    setType(tensor, type, typeAt, cursor, file);
    return tensor;
}

/// Offsets from the start of the file, checked against its size and against each other. `infoAt`:
/// where each tensor is described.
Result<void> placeTensors(const MappedFile& file,
                          const std::vector<std::uint64_t>& infoAt,
                          GgufHeader& header) {
    const std::uint64_t room = file.size() > header.dataStart ? file.size() - header.dataStart : 0;
    const std::uint64_t mask = header.alignment - 1;
    std::optional<std::uint64_t> next = 0;  // empty behind a tensor of unknown size
    std::string displaced;
    std::size_t displacedCount = 0;
    for (std::size_t i = 0; i < header.tensors.size(); ++i) {
        TensorInfo& tensor = header.tensors[i];
        const std::uint64_t offset = *tensor.offset;
        const std::string where = filePosition(file.path(), infoAt[i]);
        if ((offset & mask) != 0) {
            return fail(ErrorCode::Damaged,
                        "GGUF: tensor \"" + tensor.name +
                            "\": expected an offset that is a multiple of " +
                            std::to_string(header.alignment) + ", found " + std::to_string(offset),
                        where);
        }
        if (offset > room || tensor.bytes > room - offset) {
            return fail(ErrorCode::Damaged,
                        "GGUF: tensor \"" + tensor.name + "\": expected " +
                            std::to_string(tensor.bytes) + " bytes at " + std::to_string(offset) +
                            " of the data, found " + std::to_string(room) + " bytes of data",
                        where);
        }
        if (next && *next != offset) {
            displaced = displacedCount++ == 0
                            ? "tensor " + tensor.name + " begins at " + std::to_string(offset) +
                                  " of the data, not at " + std::to_string(*next)
                            : displaced;
        }
        const bool sized = tensor.type != nullptr || tensor.block != nullptr;
        next = sized ? std::optional((offset + tensor.bytes + mask) & ~mask) : std::nullopt;
        tensor.offset = header.dataStart + offset;
    }
    if (displacedCount > 0) {
        header.warnings.push_back(
            displaced +
            (displacedCount > 1 ? " (and " + std::to_string(displacedCount - 1) + " tensors more)"
                                : "") +
            ": ggml reads only tensors that follow each other without holes");
    }
    if (next && room > *next) {
        header.warnings.push_back(std::to_string(room - *next) +
                                  " bytes after the last tensor belong to none");
    }
    return {};
}

void readCounts(GgufCursor& cursor, std::uint64_t& tensors, std::uint64_t& pairs) {
    const std::uint64_t at = cursor.position();
    tensors = cursor.length("number of tensors");
    pairs = cursor.length("number of keys");
    const std::uint64_t width = cursor.lengthBytes();
    const std::uint64_t leastTensor = width + 4 + 4 + 8;
    const std::uint64_t leastPair = width + 4 + 1;
    if (cursor.ok() &&
        (tensors > cursor.left() / leastTensor || pairs > cursor.left() / leastPair)) {
        cursor.wrong(at,
                     "expected as many tensors and keys as " + std::to_string(cursor.left()) +
                         " bytes can hold, found " + std::to_string(tensors) + " and " +
                         std::to_string(pairs));
    }
}

void warnOfNames(GgufHeader& header) {
    const auto isLong = [](const TensorInfo& tensor) { return tensor.name.size() >= kGgmlName; };
    const auto count = std::count_if(header.tensors.begin(), header.tensors.end(), isLong);
    if (count > 0) {
        const auto first = std::find_if(header.tensors.begin(), header.tensors.end(), isLong);
        header.warnings.push_back(
            std::to_string(count) +
            " names have 64 bytes or more, which ggml does not read: " + first->name);
    }
}

}  // namespace

std::optional<std::string_view> GgufHeader::value(std::string_view key) const {
    const auto found = std::find_if(
        metadata.begin(), metadata.end(), [key](const auto& entry) { return entry.first == key; });
    return found == metadata.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<std::int64_t> GgufHeader::integer(std::string_view key) const {
    const auto text = value(key);
    return text ? parseInteger(*text) : std::nullopt;
}

GgufTensorType ggufTensorType(std::uint32_t number) {
    for (const PlainType& plain : kPlainTypes) {
        if (plain.number == number) {
            return {findStorageType(plain.id), nullptr};
        }
    }
    return {nullptr, findGgmlBlock(number)};
}

std::optional<std::uint32_t> ggufNumberOf(std::string_view plainType) {
    const auto found =
        std::find_if(kPlainTypes.begin(), kPlainTypes.end(), [plainType](const PlainType& plain) {
            return plain.id == plainType;
        });
    return found == kPlainTypes.end() ? std::nullopt : std::optional(found->number);
}

Result<GgufHeader> readGgufHeader(const MappedFile& file) {
    GgufCursor cursor(file);
    GgufHeader header;
    readStart(cursor, header);
    std::uint64_t tensors = 0;
    std::uint64_t pairs = 0;
    readCounts(cursor, tensors, pairs);
    readMetadata(cursor, pairs, header);
    std::vector<std::uint64_t> infoAt;
    for (std::uint64_t i = 0; i < tensors && cursor.ok(); ++i) {
        infoAt.push_back(cursor.position());
        header.tensors.push_back(readTensor(cursor, file));
    }
    if (!cursor.ok()) {
        return fail(cursor.error());
    }
    if (const auto twice = firstDuplicate(header.tensors)) {
        return fail(
            ErrorCode::Damaged,
            "GGUF: expected every tensor once, found \"" + header.tensors[*twice].name + "\" twice",
            filePosition(file.path(), infoAt[*twice]));
    }
    warnOfNames(header);
    const std::uint64_t mask = header.alignment - 1;
    header.dataStart = (cursor.position() + mask) & ~mask;
    if (Result<void> placed = placeTensors(file, infoAt, header); !placed) {
        return fail(placed.error());
    }
    return header;
}

}  // namespace loupe
