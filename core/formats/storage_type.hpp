// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/formats/number_format.hpp"

namespace loupe {

/// How a container stores elements: a number format, or one of the few types that only containers have.
struct StorageType {
    std::string_view id;  ///< contract name: "bf16", "bool", "int64", "uint64", "complex64"
    int bits = 0;         ///< per element; below 8: packed, low bits first
    const NumberFormat* format = nullptr;  ///< null for bool, int64, uint64, complex64, complex128
    [[nodiscard]] bool isComplex() const { return id.substr(0, 7) == "complex"; }
    friend bool operator==(const StorageType& a, const StorageType& b) { return a.id == b.id; }
};

/// nullptr if there is none of that name. Includes every scalar format that can be stored.
[[nodiscard]] const StorageType* findStorageType(std::string_view id);

/// Decodes `count` elements from element `first` of `bytes` (little-endian, no alignment assumed) to float / double.
/// bool gives 0 or 1; complex gives the absolute value; int64/uint64/fp64 round to nearest. Vectorised for fp32, bf16,
/// fp16 and 8-bit types.
void decodeElements(const StorageType& type, std::span<const std::byte> bytes, std::int64_t first, std::int64_t count, float* out);
void decodeElements(const StorageType& type, std::span<const std::byte> bytes, std::int64_t first, std::int64_t count, double* out);

/// The raw code of one element (up to 64 bits).
[[nodiscard]] std::uint64_t elementCode(const StorageType& type, std::span<const std::byte> bytes, std::int64_t index);

}  // namespace loupe
