// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/job.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <memory>

namespace loupe::app {

/// How many weights an estimate reads of a large tensor, about.
constexpr std::int64_t kSampledWeights = 64 * 1024;

/// As quickly read whole as sampled.
[[nodiscard]] bool isSmall(const TensorInfo& tensor);

/// Is an estimate from some rows much quicker than reading the tensor? Not where it is small, has
/// a single row, or is compressed: there the last row costs as much as all of them.
[[nodiscard]] bool isWorthSampling(const TensorInfo& tensor);

/// About kSampledWeights weights as whole rows, at least 8 of them: one from each of equal
/// stretches of the matrix, at a place that depends on the matrix' size alone, so that the same
/// file always gives the same estimate. Of a matrix that is stored transposed 16 neighbours each.
/// @cost as reading those rows; memory for their values
[[nodiscard]] Result<std::shared_ptr<const RowSource>> sampleRows(const RowSource& matrix,
                                                                  bool transposed,
                                                                  const JobContext& ctx = {});

}  // namespace loupe::app
