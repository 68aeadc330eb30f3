// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/reader.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace loupe::fuzz {

/// The block that holds one weight, if its bytes lie in the file: decoded, and its element
/// explained, as they are and with every bit turned over.
inline void takeBlockApart(const TensorSource& source,
                           std::size_t index,
                           std::int64_t row,
                           std::int64_t col) {
    const auto view = source.block(index, row, col);
    if (!view) {
        return;
    }
    std::vector<std::byte> bytes = view->bytes;
    for (int turn = 0; turn < 2; ++turn) {
        if (view->decode(bytes).size() != view->cells.size()) {
            std::abort();
        }
        (void)view->explain(bytes, view->element);
        for (std::byte& byte : bytes) {
            byte = ~byte;
        }
    }
}

/// Reads the first and last row and takes the first and last block apart of everything in it.
inline void readSource(const TensorSource& source) {
    for (std::size_t i = 0; i < source.tensors().size() && i < 64; ++i) {
        const auto matrix = source.matrix(i);
        if (!matrix || (*matrix)->rows() == 0 || (*matrix)->cols() == 0 ||
            (*matrix)->cols() > (1 << 20)) {
            continue;
        }
        std::vector<float> row(static_cast<std::size_t>((*matrix)->cols()));
        for (const std::int64_t r : {std::int64_t{0}, (*matrix)->rows() - 1}) {
            if (!(*matrix)->read(r, 1, row.data())) {
                std::abort();  // what matrix() hands out can be read
            }
        }
        takeBlockApart(source, i, 0, 0);
        takeBlockApart(source, i, (*matrix)->rows() - 1, (*matrix)->cols() - 1);
    }
}

/// Reads everything that opens, as it is stored and as it is meant.
inline void openAndRead(const Result<std::shared_ptr<const TensorSource>>& source) {
    if (!source) {
        return;
    }
    readSource(**source);
    if (const auto stored = (*source)->stored()) {
        readSource(*stored);
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
