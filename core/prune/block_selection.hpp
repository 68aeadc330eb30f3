// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace loupe {

/// Whole numbers that order as scores (>= 0) do: the bits of the score.
inline constexpr std::int64_t kPrunedKey = -1;  ///< below every score: goes first
inline constexpr std::int64_t kNoKey = std::numeric_limits<std::int64_t>::max();  ///< not counted

/// What goes: keys below `key`, and `equal` of the `total` that have it.
struct BlockThreshold {
    std::int64_t key = std::numeric_limits<std::int64_t>::min();
    std::int64_t equal = 0;
    std::int64_t total = 0;
};

/// The threshold of the `count` smallest keys of all parts together, found by counting, the parts
/// in parallel. With a count of 0 nothing goes.
[[nodiscard]] BlockThreshold blockThreshold(const std::vector<std::span<const std::int64_t>>& parts,
                                            std::int64_t count,
                                            const JobContext& ctx);

}  // namespace loupe
