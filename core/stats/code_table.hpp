// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/formats/storage_type.hpp"
#include "core/stats/tensor_stats.hpp"

namespace loupe {

/// What every code of a stored type of at most 16 bits means, decoded once for each type.
struct CodeTable {
    std::vector<double> values;          ///< by code
    std::vector<float> floats;           ///< by code
    std::vector<std::uint16_t> ordered;  ///< codes of finite values in ascending order; -0 before +0
};

/// Lives for ever; thread-safe. type.bits <= 16.
[[nodiscard]] const CodeTable& codeTable(const StorageType& type);

/// Fills all that follows from counts: moments, extremes, zeros, NaN, Inf and `values`.
void statsFromCounts(const CodeTable& table, std::span<const std::uint64_t> counts, TensorStats& stats);

/// Sets mean, std, skewness and excess kurtosis from E[((x - pivot)·scale)^k], k = 1..4; min and max must be set.
/// A constant tensor has std 0 and NaN for the higher ones.
void setMoments(TensorStats& stats, double pivot, const std::array<double, 4>& about, double scale);

}  // namespace loupe
