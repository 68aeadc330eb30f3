// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/uniform_kernels.hpp"

namespace loupe {

/// Do the float sums of one row hold its squares? False where squares left the range of FP32, or
/// may have: the row must then be measured by exactErrors().
[[nodiscard]] bool squaresFit(const KernelRow& row, bool bf16, const KernelTotals& totals);

/// The error sums of one row, differences and squares in double, in place of those in `totals`;
/// counts and codes there stay. Adds the squares to each column's sum where colSquared is given.
/// @cost some ten times that of the kernels: for weights far from 1
void exactErrors(const KernelRow& row, bool bf16, KernelTotals* totals, double* colSquared);

}  // namespace loupe
