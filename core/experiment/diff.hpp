// SPDX-License-Identifier: Apache-2.0
// Two checkpoints, tensor by tensor: any container against any other.
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"
#include "core/stats/error_metrics.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace loupe {

/// What a converter did to a tensor beside storing it in another type, and what is undone before
/// values are compared. Known by rule, from names and metadata: never by trying what fits better.
struct LayoutChange {
    /// Heads whose rows llama.cpp's converter interleaves (the rotary pairs of q and k); 0: none.
    /// Row h·d + 2i + s of the GGUF tensor is row h·d + s·d/2 + i of the original, d rows a head.
    std::int64_t permutedHeads = 0;
    double added = 0;         ///< to every value: Gemma's norms are stored as 1 + w in GGUF
    bool transposed = false;  ///< [in, out] against [out, in]
    bool stacked = false;     ///< experts one by one against a stack of them
    [[nodiscard]] bool any() const {
        return permutedHeads != 0 || added != 0 || transposed || stacked;
    }
    /// "q/k rows of 8 heads put back in order"; empty: nothing.
    [[nodiscard]] std::string text() const;
    friend bool operator==(const LayoutChange&, const LayoutChange&) = default;
};

/// Tensors of A and B that are the same weights.
struct DiffPair {
    std::vector<std::size_t> a;  ///< several: experts in order, one after the other
    std::vector<std::size_t> b;
    std::string nameA;
    std::string nameB;
    LayoutChange change;
    /// The changes were made to B (A is the original), else to A.
    bool changeIsInB = true;
};

struct ShapeMismatch {
    std::string tensorA, tensorB;
    std::vector<std::int64_t> shapeA, shapeB;  ///< as matrices [out, in]
};

/// Who belongs to whom, from headers alone.
struct DiffPlan {
    std::vector<DiffPair> pairs;  ///< in A's order
    std::vector<std::string> onlyA;
    std::vector<std::string> onlyB;
    std::vector<ShapeMismatch> mismatches;
};

/// Pairs tensors by name: equal names; names that are equal without wrappers; names that the table
/// of name_map.hpp maps, where one side is GGUF.
[[nodiscard]] DiffPlan planDiff(const TensorSource& a, const TensorSource& b);

/// Both sides of a pair in B's layout, for pictures of their difference: b's rows are B's own.
struct AlignedPair {
    std::shared_ptr<const RowSource> a;
    std::shared_ptr<const RowSource> b;
};
/// @errors of the sources
[[nodiscard]] Result<AlignedPair> alignPair(const TensorSource& a,
                                            const TensorSource& b,
                                            const DiffPair& pair);

/// Where B's values come from, as far as it can be shown.
enum class Provenance : std::uint8_t {
    None,        ///< nothing is claimed
    SameBytes,   ///< the same type and the same bytes
    SameValues,  ///< the same values in another type
    Rounded,     ///< rounding A to nearest in B's type gives B's very codes
    Partly,      ///< the same for a share of B's blocks (of plain types: values)
};

struct DiffRow {
    std::string tensorA;
    std::string tensorB;
    std::string dtypeA;
    std::string dtypeB;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    bool identical = false;  ///< every value is the same, bit for bit (any NaN equals any other)
    ErrorMetrics metrics;    ///< meaningless beside an error
    LayoutChange change;
    Provenance provenance = Provenance::None;
    /// Of B's blocks, or of values for plain types, those that rounding A to nearest gives; empty
    /// where B's type has no rounding to try.
    std::optional<double> equalShare;
    std::string guess;           ///< a measured pattern and what it looks like; empty: none
    std::optional<Error> error;  ///< why there are no metrics
    double seconds = 0;

    /// "round-to-nearest q4_0", "97.3 % of blocks are round-to-nearest q4_0", "same bytes"; empty:
    /// nothing is claimed.
    [[nodiscard]] std::string provenanceText() const;
};

/// Compares one pair.
/// @cost one pass over both, and B's reference quantizer on A; memory of some rows
[[nodiscard]] DiffRow diffPair(const TensorSource& a,
                               const TensorSource& b,
                               const DiffPair& pair,
                               const JobContext& ctx = {});

using DiffSeen = std::function<void(const DiffRow& row)>;
/// Every pair of the plan in order; progress counts stored bytes of B.
void runDiff(const TensorSource& a,
             const TensorSource& b,
             const DiffPlan& plan,
             const DiffSeen& seen,
             const JobContext& ctx = {});

/// Worst first: errors, then by relative error, falling; identical ones last.
void rankDiff(std::span<DiffRow> rows);

/// What the gate of `loupe diff --tolerance` finds: unmatched tensors, rows without figures that
/// are not identical, relative errors above it. Empty: met.
[[nodiscard]] std::vector<std::string> beyondTolerance(const DiffPlan& plan,
                                                       std::span<const DiffRow> rows,
                                                       double tolerance);

}  // namespace loupe
