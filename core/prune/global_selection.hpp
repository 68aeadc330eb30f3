// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/prune/score_keys.hpp"
#include "core/prune/selection.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace loupe {

/// One matrix of a selection whose weights compete with those of all others.
struct SelectionMember {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    /// Its scores, opened anew for each pass: nothing of a matrix stays in memory between them.
    std::function<Result<ScoreRows>()> open;
};

/// One threshold for each member: the same key, and a share of the ties at it.
using GlobalThresholds = std::vector<KeyThreshold>;

/// What scope=global means: of all weights of all members exactly floor(count·sparsity) go,
/// smallest score first, ties lower member first, then lower index (row-major). Each member's own
/// sparsity follows from that.
/// @errors those of the scores
/// @cost   four or five passes over all scores; memory O(cols) and the histograms
[[nodiscard]] Result<GlobalThresholds> globalThresholds(const std::vector<SelectionMember>& members,
                                                        double sparsity,
                                                        const JobContext& ctx);

/// The mask of one member. @cost one or two passes over its scores
[[nodiscard]] Result<std::shared_ptr<const BitMask>> maskAt(const SelectionMember& member,
                                                            const KeyThreshold& threshold,
                                                            const JobContext& ctx);

}  // namespace loupe
