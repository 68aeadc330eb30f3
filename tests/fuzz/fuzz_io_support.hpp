// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/reader.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace loupe::fuzz {

/// Opens the bytes by content, or as `name` suggests, and reads the first and last row of
/// everything that opens.
inline void openAndRead(const Result<std::shared_ptr<const TensorSource>>& source) {
    if (!source) {
        return;
    }
    for (std::size_t i = 0; i < (*source)->tensors().size() && i < 64; ++i) {
        const auto matrix = (*source)->matrix(i);
        if (!matrix || (*matrix)->rows() == 0 || (*matrix)->cols() > (1 << 20)) {
            continue;
        }
        std::vector<float> row(static_cast<std::size_t>((*matrix)->cols()));
        for (const std::int64_t r : {std::int64_t{0}, (*matrix)->rows() - 1}) {
            if (!(*matrix)->read(r, 1, row.data())) {
                std::abort();  // what matrix() hands out can be read
            }
        }
    }
}

inline std::shared_ptr<const MappedFile> fileOf(const std::uint8_t* data,
                                                std::size_t size,
                                                const char* name) {
    std::vector<std::byte> bytes(size);
    if (size > 0) {
        std::memcpy(bytes.data(), data, size);
    }
    return MappedFile::fromBytes(std::move(bytes), name);
}

}  // namespace loupe::fuzz
