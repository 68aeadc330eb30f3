// SPDX-License-Identifier: Apache-2.0
// Small and sparse checkpoints for tests, written as the file format says.
#pragma once

#include "core/io/safetensors_writer.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace loupe::test {

/// One FP32 tensor to be written.
struct FloatTensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

inline void writeCheckpoint(const std::filesystem::path& path,
                            const std::vector<FloatTensor>& tensors) {
    SafetensorsWriter writer;
    for (const FloatTensor& tensor : tensors) {
        writer.add(tensor.name, "fp32", tensor.shape, [&tensor](const ByteSink& sink) {
            return sink(std::as_bytes(std::span(tensor.values)));
        });
    }
    const Result<void> written = writer.write(path);
    REQUIRE(written.has_value());
}

/// `tensors` BF16 matrices [rows, cols] of zeros in a file that occupies no disk.
/// False where the file system has no sparse files.
inline bool writeSparse(const std::filesystem::path& path,
                        int tensors,
                        std::int64_t rows,
                        std::int64_t cols) {
    std::ostringstream entries;
    entries << "{";
    std::int64_t at = 0;
    for (int i = 0; i < tensors; ++i) {
        const std::int64_t end = at + rows * cols * 2;
        entries << (i == 0 ? "" : ",") << "\"layer." << i
                << ".weight\":{\"dtype\":\"BF16\",\"shape\":[" << rows << "," << cols
                << "],\"data_offsets\":[" << at << "," << end << "]}";
        at = end;
    }
    entries << "}";
    const std::string header = entries.str();
    const auto length = std::bit_cast<std::array<char, 8>>(std::uint64_t{header.size()});
    {
        std::ofstream file(path, std::ios::binary);
        file.write(length.data(), length.size());
        file << header;
    }
    std::error_code problem;
    std::filesystem::resize_file(
        path, length.size() + header.size() + static_cast<std::uintmax_t>(at), problem);
    return !problem;
}

}  // namespace loupe::test
