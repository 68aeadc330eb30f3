// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/blocks/packers.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::test {

/// A quantizer under its contract name.
struct NamedPacker {
    std::string_view id;
    blocks::Pack blocks::Packers::*member;
    int elements;
    int bytes;
};
[[nodiscard]] const std::vector<NamedPacker>& namedPackers();

/// All whole blocks of `values`.
[[nodiscard]] std::vector<std::byte> packed(blocks::Pack pack,
                                            const NamedPacker& format,
                                            const std::vector<float>& values);

/// ((37·i mod 256) - 128) / 64, i = 0, 1, ...
[[nodiscard]] std::vector<float> rampValues(int count);

/// Inputs of tests/oracles/ggml_pack.py by the same draws.
[[nodiscard]] const std::vector<std::string>& packInputKinds();
[[nodiscard]] std::vector<float> packInput(const std::string& kind, int count, std::uint32_t seed);
/// The script's own.
[[nodiscard]] std::vector<float> packInput(const std::string& kind);

/// Sums of four draws times 0.05 of the xorshift that begins with 12345.
[[nodiscard]] std::vector<float> sumsOfDraws(int count);

[[nodiscard]] std::string hexOf(const std::byte* bytes, std::size_t count);
[[nodiscard]] std::string hashOf(const std::vector<std::byte>& bytes);
[[nodiscard]] std::string hashOf(const std::vector<float>& values);

}  // namespace loupe::test
