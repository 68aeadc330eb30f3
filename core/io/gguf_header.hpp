// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// The types of GGUF's metadata values, by their number in the file.
enum class GgufType : std::uint8_t {
    Uint8,
    Int8,
    Uint16,
    Int16,
    Uint32,
    Int32,
    Float32,
    Bool,
    String,
    Array,
    Uint64,
    Int64,
    Float64,
};

/// What a GGUF file says before its data (versions 1 to 3, either byte order).
struct GgufHeader {
    std::uint32_t version = 0;
    bool bigEndian = false;
    /// Keys and their values as text: strings and numbers as they are; arrays as JSON, of more than
    /// 64 items as {"length":N,"first":[the first 64]}, so that a vocabulary costs nothing.
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<GgufType> types;  ///< of the values, in the same order
    std::uint64_t alignment = 32;
    std::uint64_t dataStart = 0;
    /// Names, types, shapes (outermost first), offsets from the file's start; rows and cols are not
    /// filled in. A type that is not known, or rows that are no whole blocks: the tensor's problem.
    std::vector<TensorInfo> tensors;
    /// What can be read although ggml refuses it: names of 64 bytes and more, holes between
    /// tensors, tensors out of order.
    std::vector<std::string> warnings;

    [[nodiscard]] std::optional<std::string_view> value(std::string_view key) const;
    /// The value of a key as a whole number, where it is one.
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
};

/// @errors Damaged, Unsupported: naming file, offset, what was expected and found
/// @cost   O(header) time (a vocabulary's strings are passed over), O(tensors) memory; nothing is
///         allocated that the file's size does not bound
[[nodiscard]] Result<GgufHeader> readGgufHeader(const MappedFile& file);

/// A type of tensors by its number in the file: one of the two, or neither where it is not known.
struct GgufTensorType {
    const StorageType* plain = nullptr;
    const BlockLayout* block = nullptr;
};
[[nodiscard]] GgufTensorType ggufTensorType(std::uint32_t number);
/// The number of a plain type; empty where GGUF has none of it.
[[nodiscard]] std::optional<std::uint32_t> ggufNumberOf(std::string_view plainType);

}  // namespace loupe
