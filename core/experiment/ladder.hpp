// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/figures.hpp"
#include "core/stats/tensor_stats.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

/// One scheme of the Format Ladder: every scheme of the registry on one tensor, compared.
struct LadderEntry {
    std::string scheme;  ///< canonical
    std::string title;   ///< "Absmax int4, group 128"
    StepFamily family = StepFamily::Uniform;
    bool isSolver = false;  ///< may take seconds
};

/// An entry that cannot run on this tensor, and the sentence that says why.
struct LadderSkip {
    LadderEntry entry;
    std::string reason;
    /// > 0: it could run, but takes about so long: it runs where it is asked for by name.
    double expectedSeconds = 0;
};

struct LadderPlan {
    std::vector<LadderEntry> entries;  ///< in the order in which they should run: cheap before dear
    std::vector<LadderSkip> skipped;
};

/// Small pictures of one entry, exact over every weight.
struct LadderPictures {
    /// The weights over the range of the grid. `inSteps`: divided by their group's scale and moved
    /// by its zero point, so that groups with different scales share one picture and the levels are
    /// the codes.
    bool inSteps = false;
    Histogram before;
    Histogram after;          ///< the same bins
    std::uint64_t below = 0;  ///< weights left of the picture, outside of the grid
    std::uint64_t above = 0;
    std::vector<double> levels;  ///< of the grid, ascending, in the histogram's unit; may be empty
    Histogram errors;            ///< w^ - w, from -(largest error) to +(largest error)
};

/// What one entry does to the tensor.
struct LadderRow {
    LadderEntry entry;
    Figures figures;
    LadderPictures pictures;
    /// Code and how often, ascending; empty without codes.
    std::vector<std::pair<std::int64_t, std::uint64_t>> codeUsage;
    std::pair<std::int64_t, std::int64_t> codeRange{0, -1};  ///< inclusive
    bool isPareto = false;  ///< no other row has as few bits and a smaller error
};

/// What a ladder starts from.
struct LadderReference {
    double absmax = 0;
    bool hasNegative = false;
};

/// Solvers that are expected to take longer do not run unless they are asked for.
inline constexpr double kLadderPatience = 60;

/// About how many seconds a scheme's solvers take on two cores, from their operation counts and
/// measured rates; 0 for what takes no noticeable time. Rough: right within a factor of three.
[[nodiscard]] double expectedSeconds(const Scheme& scheme, const SchemeInput& input);
/// "3 minutes", "2 hours": for people.
[[nodiscard]] std::string roughDuration(double seconds);

/// Every scheme that the steps name for comparisons, and a cast to every format, each scaled per
/// row. Without looking at the weights: what a step refuses only when it runs is found out then.
/// Those beyond kLadderPatience are among the skipped, with what they are expected to take.
[[nodiscard]] LadderPlan planLadder(const SchemeInput& input);
/// The plan for given schemes. @errors Usage as parseScheme
[[nodiscard]] Result<LadderPlan> planLadder(const SchemeInput& input,
                                            std::span<const std::string> schemes);

/// Reads the weights once. @errors Invalid: NaN or infinite weights naming row and column
[[nodiscard]] Result<LadderReference> ladderReference(const RowSource& weights,
                                                      const JobContext& ctx = {});

/// Applies one scheme and keeps figures and pictures, not the weights.
/// @errors as applyScheme; Invalid where an unsigned format meets negative weights
/// @cost   applyScheme and one more pass over weights and result; memory O(rows + cols) beside it
[[nodiscard]] Result<LadderRow> measureLadderRow(const LadderEntry& entry,
                                                 const SchemeInput& input,
                                                 const LadderReference& reference,
                                                 const JobContext& ctx = {});

struct LadderResult {
    std::vector<LadderRow> rows;      ///< in the order in which they were measured
    std::vector<LadderSkip> skipped;  ///< of the plan, then those that failed
};

/// Called after each entry, on the thread that runs the ladder.
struct LadderObserver {
    std::function<void(const LadderEntry& entry)> onStart{};  ///< before it is measured
    std::function<void(const LadderRow& row)> onRow{};
    std::function<void(const LadderSkip& skip)> onSkip{};
};

/// Units of progress of one entry.
constexpr std::uint64_t kLadderUnits = 1000;

/// Measures the entries one after the other. An entry that fails is skipped with its error as the
/// reason.
/// @errors as ladderReference
[[nodiscard]] Result<LadderResult> runLadder(const LadderPlan& plan,
                                             const SchemeInput& input,
                                             const LadderObserver& observer = {},
                                             const JobContext& ctx = {});

/// Marks the rows on the front of bits against this error.
void markPareto(std::span<LadderRow> rows, const FigureDefinition& error);

/// "uniform", "codebook", "low_bit", "activations", "hessian", "rotation", "pruning".
[[nodiscard]] std::string_view familyId(StepFamily family);
/// For people: "Uniform grid", ...
[[nodiscard]] std::string_view familyTitle(StepFamily family);

}  // namespace loupe
