// SPDX-License-Identifier: Apache-2.0
// A whole checkpoint, tensor by tensor: statistics and flags, and what schemes would do to it.
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/io/tensor_source.hpp"
#include "core/scheme/scheme.hpp"
#include "core/stats/tensor_flags.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// A figure of a row of a scan: a column of its table, a map of the Atlas, a gate.
struct ScanMetric {
    std::string_view id;        ///< "sqnr_db", as in JSON and on the command line
    std::string_view title;     ///< for people: "SQNR"
    std::string_view unit;      ///< "dB"; empty: none
    std::string_view help;      ///< one sentence with the formula
    bool ofScheme = false;      ///< of a scheme's error; else of the tensor as it is
    bool lowerIsBetter = true;  ///< meaningless for plain statistics
    bool logarithmic = false;   ///< spans decades
};

/// Statistics first, then errors.
[[nodiscard]] std::span<const ScanMetric> allScanMetrics();
/// nullptr if there is none of that id.
[[nodiscard]] const ScanMetric* findScanMetric(std::string_view id);

/// One tensor as it is, or under one scheme.
struct ScanRow {
    std::size_t task = 0;  ///< place in the whole scan, whatever part of it this is
    std::string tensor;
    std::string scheme;  ///< canonical; empty: the tensor as it is
    std::string dtype;   ///< "bf16", "q4_k"
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    double bitsPerWeight = 0;  ///< of the scheme, or as stored
    std::uint64_t zeros = 0;
    /// By id, in the order of allScanMetrics(); NaN: has no value here. Empty beside an error.
    std::vector<std::pair<std::string_view, double>> metrics;
    std::vector<RaisedFlag> flags;  ///< of the tensor as it is
    std::string contentHash;        ///< see TensorMarks; empty under a scheme
    std::optional<Error> error;     ///< why there are no figures
    double seconds = 0;

    /// Empty where the row has no such figure, or it has no value.
    [[nodiscard]] std::optional<double> metric(std::string_view id) const;
};

/// What to scan.
struct ScanRequest {
    std::vector<std::string> globs{"*"};  ///< tensors; any of them
    bool statistics = true;               ///< a row for each tensor as it is
    std::vector<Scheme> schemes;          ///< and one for each scheme and matrix
    int part = 1;                         ///< 1 ... parts
    int parts = 1;
    /// How a tensor is opened for a scheme; empty: its weights alone.
    std::function<Result<SchemeInput>(const TensorSource& source, std::size_t index)> open{};
};

/// One row to be.
struct ScanTask {
    std::size_t task = 0;    ///< place in the whole scan
    std::size_t tensor = 0;  ///< index into the source's tensors
    int scheme = -1;         ///< index into ScanRequest::schemes; -1: the tensor as it is
};

/// What a part of a scan has to do, in order: by tensor, then scheme. Every tensor belongs to one
/// part: the largest first, each to the part with the fewest bytes so far, so that parts are as
/// equal as whole tensors allow. From the header alone; the same on every machine.
struct ScanPlan {
    std::vector<ScanTask> tasks;  ///< of this part
    std::size_t allTasks = 0;     ///< of all parts
    std::uint64_t bytes = 0;      ///< stored, of this part's tensors
    std::uint64_t allBytes = 0;
};

/// @errors Usage: part and parts; Unsupported: a step with scope=global, which needs all tensors at
///         once; NotFound: no tensor is selected
[[nodiscard]] Result<ScanPlan> planScan(const TensorSource& source, const ScanRequest& request);

/// Called for each row as it is finished, in the order of the plan, on the calling thread.
using ScanSeen = std::function<void(const ScanRow& row)>;

/// Runs the plan. `done` (or empty): rows of the same plan that are known already, by task; they
/// are not computed again and not passed to `seen`, but count as earlier tensors for Duplicate.
/// What goes wrong with a tensor is in its row. Progress counts stored bytes, once for each row.
/// @cost memory as of one tensor, whatever the checkpoint: O(rows + cols) and the scheme's scales,
///       all weights for solvers and pruners; pages of a mapped file are given back on the way
void runScan(const TensorSource& source,
             const ScanRequest& request,
             const ScanPlan& plan,
             std::span<const ScanRow> done,
             const ScanSeen& seen,
             const JobContext& ctx = {});

/// The row of one task, without Duplicate: for callers that choose an order of their own.
[[nodiscard]] ScanRow scanTask(const TensorSource& source,
                               const ScanRequest& request,
                               const ScanTask& task,
                               const JobContext& ctx = {});

/// Raises Duplicate anew over rows of a scan, in any order: the first by task of several equal
/// tensors is not marked, nor are constant ones.
void markDuplicates(std::span<ScanRow> rows);

}  // namespace loupe
