// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/reader.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace loupe::test {

using Opened = Result<std::shared_ptr<const TensorSource>>;

inline std::vector<std::byte> bytesOf(const std::string& text) {
    std::vector<std::byte> bytes(text.size());
    if (!text.empty()) {
        std::memcpy(bytes.data(), text.data(), text.size());
    }
    return bytes;
}

inline std::string readFile(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void writeFile(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

/// Opens bytes as if they lay in a file of that name.
inline Opened openBytes(const std::string& text,
                        const std::string& name,
                        const OpenOptions& options = {},
                        const ModelConfig& config = {}) {
    return openFile({MappedFile::fromBytes(bytesOf(text), name), options, config});
}

inline std::string lengthField(std::uint64_t value) {
    const auto bytes = std::bit_cast<std::array<char, 8>>(value);
    return {bytes.data(), bytes.size()};
}

/// A safetensors file: header as given, then `dataBytes` bytes 0, 1, 2, ...
inline std::string safetensorsFile(const std::string& header, std::size_t dataBytes) {
    std::string file = lengthField(header.size()) + header;
    for (std::size_t i = 0; i < dataBytes; ++i) {
        file += static_cast<char>(i);
    }
    return file;
}

/// One tensor of a header. Pieces are appended one by one: g++ 12 sees overflows in long sums of
/// strings that are not there.
[[gnu::noinline]] inline std::string entry(const std::string& name,
                                           const std::string& dtype,
                                           const std::string& shape,
                                           std::uint64_t begin,
                                           std::uint64_t end) {
    std::string text = "\"";
    for (const std::string& piece : {name,
                                     std::string("\":{\"dtype\":\""),
                                     dtype,
                                     std::string("\",\"shape\":"),
                                     shape,
                                     std::string(",\"data_offsets\":["),
                                     std::to_string(begin),
                                     std::string(","),
                                     std::to_string(end),
                                     std::string("]}")}) {
        text += piece;
    }
    return text;
}

/// A header of these entries.
[[gnu::noinline]] inline std::string objectOf(const std::vector<std::string>& entries) {
    std::string text = "{";
    for (const std::string& item : entries) {
        text += text.size() > 1 ? "," : "";
        text += item;
    }
    text += "}";
    return text;
}

inline std::vector<double> readAll(const RowSource& rows) {
    std::vector<double> values(static_cast<std::size_t>(rows.rows() * rows.cols()));
    REQUIRE(rows.read(0, rows.rows(), values.data()).has_value());
    return values;
}

inline std::shared_ptr<const RowSource> matrixOf(const TensorSource& source,
                                                 std::string_view name) {
    const auto index = source.find(name);
    REQUIRE(index.has_value());
    auto matrix = source.matrix(*index);
    REQUIRE(matrix.has_value());
    return *matrix;
}

}  // namespace loupe::test
