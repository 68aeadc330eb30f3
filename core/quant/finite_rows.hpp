// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace loupe {

/// Looks for the first NaN or infinity in rows of `cols` values, `firstRow` being the number of the
/// first of them. T is float or double.
/// @param what  what the values are, in front of the message: "activations: "; weights: nothing
/// @errors Invalid: "<what>NaN at row R, column C: a scheme needs finite values"
template <class T>
[[nodiscard]] Result<void> checkFinite(std::span<const T> values,
                                       std::int64_t cols,
                                       std::int64_t firstRow,
                                       std::string_view what = {});

/// Reads rows [first, first + count) into `out` (resized) and refuses what is not finite.
/// @errors those of the source; Invalid as checkFinite
template <class T>
[[nodiscard]] Result<void> readFinite(const RowSource& source,
                                      std::int64_t first,
                                      std::int64_t count,
                                      std::vector<T>& out,
                                      std::string_view what = {});

/// One pass over a whole matrix for its sake, in its own precision. @errors as readFinite
[[nodiscard]] Result<void> checkFiniteRows(const RowSource& source,
                                           const JobContext& ctx,
                                           std::string_view what = {});

}  // namespace loupe
