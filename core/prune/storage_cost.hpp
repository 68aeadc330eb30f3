// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/prune/packing.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace loupe {

/// Bits per original weight of a layout for b-bit values of which a share `density` is kept
/// (spec/algorithms.md 6.6): dense b; bitmask b·d + 1; CSR (b + p)·d + 32/n; N:M (b + places)·N/M.
/// @param cols  n, inputs of a row: 0 leaves out the 32/n of the row ends
[[nodiscard]] double storageBits(SparseLayout layout,
                                 double valueBits,
                                 double density,
                                 std::int64_t cols = 0,
                                 const SparsePattern& pattern = {});

/// The sparsity above which a layout is smaller than the dense matrix: bitmask 1/b, CSR p/(b + p)
/// (and the row ends). Above 1: never. Empty for the dense layout and for N:M, whose sparsity is
/// fixed.
[[nodiscard]] std::optional<double> breakEvenSparsity(SparseLayout layout,
                                                      double valueBits,
                                                      std::int64_t cols = 0);

/// One way to store a pruned matrix.
struct StorageEntry {
    std::string name;  ///< "dense", "bitmask", "csr16", "csr32", "2:4", "4:8"
    SparseLayout layout = SparseLayout::Dense;
    SparsePattern pattern{};
    bool fits = true;   ///< false: 16-bit indices do not reach, or the mask breaks the pattern
    std::string why{};  ///< where it does not fit: "row 0, columns 4 to 7 keep 3"
    double bitsPerWeight = 0;
    double ratio = 1;  ///< over the dense matrix of the same values
    std::optional<double> breakEven{};
};

/// What storing a matrix under its mask costs.
struct StorageTable {
    double valueBits = 32;
    double density = 1;    ///< kept / all, counted
    double scaleBits = 0;  ///< per weight, beside every layout: scales and zero points
    std::uint64_t kept = 0;
    std::vector<StorageEntry> entries;
};

/// The table for a mask as it is: its real density, its rows, whether it follows 2:4 or 4:8.
[[nodiscard]] StorageTable storageTable(const BitMask& mask,
                                        double valueBits,
                                        double scaleBits = 0);

/// The same for a scheme's result; empty where it has no mask. Kept weights cost their codes' bits,
/// or `storedBits` where there are none.
[[nodiscard]] Result<std::optional<StorageTable>> storageTable(const QuantizedMatrix& weights,
                                                               int storedBits,
                                                               const JobContext& ctx);

}  // namespace loupe
