// SPDX-License-Identifier: Apache-2.0
// Inside core/experiment's self-test only: layers of packed checkpoint schemes, written by their
// definition.
#pragma once

#include "core/experiment/selftest_parts.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace loupe::selftest {

/// What a layer's file and configuration are, and what the weight at (out, in) must be.
struct PackedLayer {
    const char* name;          ///< of the line in the report
    const char* scheme;        ///< that takes it, as packed.def calls it
    const char* quantization;  ///< that the reader names
    std::vector<std::byte> file;
    std::string config;
    std::function<double(std::int64_t out, std::int64_t in)> expected;
    std::int64_t rows = 16;
    std::int64_t cols = 64;
    const char* path = "self-test.safetensors";
};

/// Every scheme of packed.def has at least one.
[[nodiscard]] std::vector<PackedLayer> packedLayers();
/// Those that selftest_packed_more.cpp writes.
void addMoreLayers(std::vector<PackedLayer>& layers);
[[nodiscard]] SelfTestItem testLayer(const PackedLayer& layer);

/// The bytes of a safetensors file.
class SafetensorsBytes {
public:
    template <class T>
    void add(const std::string& name,
             const char* dtype,
             const std::string& shape,
             const std::vector<T>& values) {
        addBytes(name, dtype, shape, std::as_bytes(std::span(values)));
    }
    [[nodiscard]] std::vector<std::byte> bytes() const;

private:
    void addBytes(const std::string& name,
                  const char* dtype,
                  const std::string& shape,
                  std::span<const std::byte> bytes);

    std::string header_;
    std::vector<std::byte> data_;
};

/// A number below `below`, the same every time.
[[nodiscard]] std::uint64_t draw(std::uint64_t seed, std::int64_t index, std::uint64_t below);
/// -4 to 1; the scales are powers of two, so that no product rounds.
[[nodiscard]] int powerAt(std::int64_t index);
[[nodiscard]] double scaleAt(std::int64_t index);
[[nodiscard]] std::uint16_t halfOf(double value);
[[nodiscard]] inline std::size_t at(std::int64_t index) {
    return static_cast<std::size_t>(index);
}

// A layer of 16 outputs and 64 inputs in groups of 32: code, zero point and scale.
inline constexpr std::int64_t kIn = 64;
inline constexpr std::int64_t kOut = 16;
inline constexpr std::int64_t kGroup = 32;
inline constexpr std::int64_t kGroups = kIn / kGroup;
[[nodiscard]] std::uint64_t codeAt(std::int64_t in, std::int64_t out);
[[nodiscard]] std::uint64_t zeroAt(std::int64_t group, std::int64_t out);
[[nodiscard]] double groupScale(std::int64_t group, std::int64_t out);
/// (code - zero) · scale
[[nodiscard]] double groupedValue(std::int64_t out, std::int64_t in);

}  // namespace loupe::selftest
