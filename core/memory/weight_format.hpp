// SPDX-License-Identifier: Apache-2.0
// What a weight costs in memory, by format: codes, and the scales and zero points that they need.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace loupe {

/// One way to store weights: `codeBits` a weight, and `sideBits` for every `group` of them.
struct WeightFormat {
    std::string_view id;       ///< "int4_g128"
    std::string_view title;    ///< "INT4, groups of 128"
    std::string_view summary;  ///< what the side bits are, and who packs like this
    std::string_view source;
    double codeBits = 0;
    double sideBits = 0;     ///< per group: scales, zero points, masks
    std::int64_t group = 0;  ///< weights; 0: no side bits; kWholeRow: one group a row
    double tensorBits = 0;   ///< once per tensor: the second scale of NVFP4
};
constexpr std::int64_t kWholeRow = -1;

/// In the order of weight_formats.def.
[[nodiscard]] std::span<const WeightFormat> allWeightFormats();
[[nodiscard]] const WeightFormat* findWeightFormat(std::string_view id);

/// Bits of codes and of everything beside them.
struct WeightBits {
    double codes = 0;
    double sides = 0;
    [[nodiscard]] double total() const { return codes + sides; }
};

/// Bits a weight, side bits included, in rows of `columns` (whole groups; the last of a row may be
/// shorter and costs as much). Without the length of a row: of whole groups; empty where the format
/// has one group a row. What is stored once per tensor is left out.
[[nodiscard]] std::optional<double> bitsPerWeight(const WeightFormat& format,
                                                  std::optional<std::int64_t> columns = {});
/// Exact: of a tensor [rows, columns], its shorter groups and what is stored once included.
[[nodiscard]] WeightBits bitsOf(const WeightFormat& format,
                                std::int64_t rows,
                                std::int64_t columns);

}  // namespace loupe
