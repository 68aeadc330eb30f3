// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/prune/selection.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

namespace pruner_params {

// Rows of the parameter tables that pruners share. Only constants: each step's file assembles its
// table.

inline constexpr std::string_view kScopes[] = {"row", "tensor", "global"};

inline constexpr ParamSpec kSparsity{
    .name = "sparsity",
    .type = ParamType::Real,
    .defaultText = "0.5",
    .min = 0,
    .max = 1,
    .label = "Sparsity",
    .help =
        "Share S of the weights to prune, 0 <= S < 1: exactly floor(count·S) of each row or of the "
        "tensor, smallest score first, ties lower index first.",
    .onlyWith = "!pattern"};
inline constexpr ParamSpec kPattern{
    .name = "pattern",
    .type = ParamType::Pattern,
    .defaultText = "",
    .label = "Pattern N:M",
    .help =
        "Keep the N largest scores of every M neighbours of a row; ties keep the lower index. In "
        "place of a sparsity."};
inline constexpr ParamSpec kScope{
    .name = "scope",
    .type = ParamType::Choice,
    .defaultText = "row",
    .choices = kScopes,
    .label = "Compare within",
    .help =
        "Where scores compete: in each row, in the tensor, or over all tensors of a selection "
        "(global: 'loupe prune --select GLOB'; with one tensor the same as tensor).",
    .onlyWith = "!pattern"};

}  // namespace pruner_params

/// Some rows at hand, all row-major [count, cols].
struct RowsToScore {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::span<const double> weights;
    std::span<const double> gradients;  ///< empty where the step has no use for them
    std::span<double> scores;           ///< to be filled, >= 0; NaN counts as 0
};

/// Called from several threads.
using ScoreFunction = std::function<void(const RowsToScore& rows)>;

/// A score with the data at hand.
struct ScoreRule {
    ScoreFunction score;
    std::vector<double> inputFactor{};  ///< by column: what |w| is weighed with; empty: nothing
};

/// A pruner that keeps the largest scores: how it scores, and how its trace tells it.
struct ScorePruner {
    Result<ScoreRule> (*rule)(const StepInput& input,
                              const Params& params,
                              const JobContext& ctx) = nullptr;
    bool useGradients = false;
    std::string_view formula;        ///< "|w|·||X_j||"
    std::string_view idea;           ///< why this score: a sentence
    std::string_view caution;        ///< what is often said wrongly about it; may be empty
    std::string_view lesson;         ///< what to take home
    std::string_view factorTitle{};  ///< of the bars of `inputFactor`
    /// The formula with a cell's numbers; null: nothing to fill in.
    std::string (*worked)(double weight, double gradient, double factor) = nullptr;
};

/// The pruner that a step is; null where it prunes by no score or is no pruner.
[[nodiscard]] const ScorePruner* findScorePruner(std::string_view step);

/// The scores of rows of `weights`; keeps them and what else it is given alive.
/// @errors Invalid: a weight or gradient that is not finite, naming row and column
[[nodiscard]] ScoreRows scoreRows(std::shared_ptr<const ScoreRule> rule,
                                  std::shared_ptr<const RowSource> weights,
                                  std::shared_ptr<const RowSource> gradients);

/// What `sparsity`, `pattern` and `scope` say.
[[nodiscard]] Selection selectionOf(const Params& params);

/// Refuses a sparsity of 1. @errors Usage
[[nodiscard]] Result<void> validateSparsity(const Params& params);

/// "Wanda 50 % per row", "Wanda 2:4".
[[nodiscard]] std::string prunerTitle(std::string_view name, const Params& params);

/// Prunes by score, as `sparsity`, `pattern` and `scope` say. An earlier mask is kept and counts
/// into the quota. Codes of a quantized matrix before stay as they are.
/// @errors Missing: gradients, with their option; Invalid: a weight or gradient that is not finite,
///         naming row and column
[[nodiscard]] Result<StepOutput> pruneByScore(const ScorePruner& pruner,
                                              const StepInput& input,
                                              const Params& params,
                                              const JobContext& ctx);

/// The same, told state by state: the scores beside the magnitudes, the choice row by row, group by
/// group or at once, and what magnitude would have chosen otherwise.
[[nodiscard]] Result<std::shared_ptr<const Trace>> tracePruner(const ScorePruner& pruner,
                                                               const StepInput& input,
                                                               const Params& params,
                                                               const JobContext& ctx);

/// The output for a mask, with what it costs: a bit for each weight, and values of kept weights.
[[nodiscard]] StepOutput maskedOutput(const StepInput& input, std::shared_ptr<const BitMask> mask);

/// ||X_j||^2 [in] over the calibration rows: the diagonal of X'X.
/// @errors Missing: no activations, `why` says who needs them ("" or "score=activation "); Invalid
[[nodiscard]] Result<std::vector<double>> squaredInputNorms(const StepInput& input,
                                                            const JobContext& ctx,
                                                            std::string_view why = {});

/// Adds rows [0, rows) of a matrix into one sum per column: sums(row) adds a row's terms. In fixed
/// parts, combined in order: the same for any number of threads.
[[nodiscard]] Result<std::vector<double>> columnSums(
    const RowSource& source,
    std::int64_t rows,
    std::string_view what,
    const std::function<
        void(std::int64_t row, std::span<const double> values, std::span<double> sums)>& add,
    const JobContext& ctx);

}  // namespace loupe
