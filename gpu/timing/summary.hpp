// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gpu/timing/record.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace loupe::gpu {

/// The record that the others of one run are compared with: the first kernel of ours in FP32 that
/// was timed, else the first that was timed; records.size() where none was.
[[nodiscard]] std::size_t comparisonBase(std::span<const RunRecord> records);

/// "2.1x faster", "1.3x slower", "no difference" (the quartile ranges overlap: see compareTimes),
/// "1" for the base itself, "-" where either was not timed.
[[nodiscard]] std::string comparisonText(const RunRecord& record, const RunRecord& base);

/// Records of one shape as a Markdown table: median and quartiles, what that is against FP32, which
/// part of the floor, what the format costs in accuracy. Says in words where records come from more
/// than one machine and compares none of those. Empty without records.
[[nodiscard]] std::string summaryTable(std::span<const RunRecord> records);

}  // namespace loupe::gpu
