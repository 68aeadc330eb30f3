// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/scheme/bit_mask.hpp"

#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace loupe {

/// What a pruner drops: a share of every row or of the whole matrix, or all but N of every M
/// neighbours of a row.
struct Selection {
    double sparsity = 0.5;  ///< 0 <= sparsity < 1; without effect beside a pattern
    bool perRow = true;     ///< floor(cols·sparsity) of each row; else floor(rows·cols·sparsity)
    std::int64_t keep = 0;  ///< N of N:M; 0: no pattern
    std::int64_t block = 0;  ///< M of N:M
};

/// floor(count·sparsity), with the sparsity taken as the decimal that it was written as: 0.29 of
/// 100 is 29, though the double nearest to 0.29 is a little less.
[[nodiscard]] std::int64_t prunedCount(std::int64_t count, double sparsity);

/// A whole number that orders as the score does. 0 is below every score: pruned already.
[[nodiscard]] inline std::uint64_t scoreKey(double score) {
    return score > 0 ? std::bit_cast<std::uint64_t>(score) + 1 : 1;  // NaN counts as 0
}

/// Calls drop(i) for the `count` smallest keys, ties lower index first. Keys of 0 come first and
/// are counted, so that what is pruned already is part of the quota. O(n); `scratch` is reused.
void pruneSmallest(std::span<const std::uint64_t> keys,
                   std::int64_t count,
                   std::vector<std::uint64_t>& scratch,
                   const std::function<void(std::int64_t index)>& drop);

/// Writes the scores (>= 0) of rows [first, first + count), row-major. Called from several threads,
/// and more than once for a row where the whole matrix is one selection.
using ScoreRows =
    std::function<Result<void>(std::int64_t first, std::int64_t count, std::span<double> scores)>;

/// The mask that keeps the largest scores. What `earlier` (may be null) dropped stays dropped and
/// counts as pruned. Exact counts, ties by index, the same for any number of threads.
/// @errors those of `scores`
/// @cost   O(rows·cols); memory O(cols) and the mask; the whole matrix as one selection scores the
///         weights up to six times (a radix search for the threshold) in place of holding the
///         scores
[[nodiscard]] Result<std::shared_ptr<const BitMask>> selectMask(std::int64_t rows,
                                                                std::int64_t cols,
                                                                const BitMask* earlier,
                                                                const Selection& selection,
                                                                const ScoreRows& scores,
                                                                const JobContext& ctx);

}  // namespace loupe
