// SPDX-License-Identifier: Apache-2.0
// What pruners share: data in, scores to masks, masks to outputs.
#include "core/prune/pruner.hpp"

#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/prune/selection.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/scheme/masked_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace loupe {

namespace {

constexpr std::int64_t kParts = 16;

}  // namespace

extern const ScorePruner kPruner_gradient;
extern const ScorePruner kPruner_magnitude;
extern const ScorePruner kPruner_obd;
extern const ScorePruner kPruner_random;
extern const ScorePruner kPruner_wanda;

const ScorePruner* findScorePruner(std::string_view step) {
    constexpr std::pair<std::string_view, const ScorePruner*> kPruners[] = {
        {"gradient", &kPruner_gradient},
        {"magnitude", &kPruner_magnitude},
        {"obd", &kPruner_obd},
        {"random", &kPruner_random},
        {"wanda", &kPruner_wanda}};
    const auto found = std::find_if(std::begin(kPruners),
                                    std::end(kPruners),
                                    [&](const auto& pruner) { return pruner.first == step; });
    return found != std::end(kPruners) ? found->second : nullptr;
}

ScoreRows scoreRows(std::shared_ptr<const ScoreRule> rule,
                    std::shared_ptr<const RowSource> weights,
                    std::shared_ptr<const RowSource> gradients) {
    return [rule = std::move(rule), weights = std::move(weights), gradients = std::move(gradients)](
               std::int64_t first, std::int64_t count, std::span<double> out) -> Result<void> {
        std::vector<double> values;
        std::vector<double> slopes;
        if (Result<void> done = readFinite(*weights, first, count, values); !done) {
            return done;
        }
        if (gradients != nullptr) {
            Result<void> done = readFinite(*gradients, first, count, slopes, "gradients: ");
            if (!done) {
                return done;
            }
        }
        rule->score({first, count, values, slopes, out});
        return {};
    };
}

Selection selectionOf(const Params& params) {
    Selection selection;
    selection.sparsity = params.real("sparsity");
    selection.perRow = params.is("scope", "row");  // a step without scopes: not read
    if (params.has("pattern")) {
        const std::vector<std::string_view> parts = split(params.text("pattern"), ':');
        selection.keep = parseInteger(parts[0]).value_or(0);
        selection.block = parseInteger(parts[1]).value_or(1);
    }
    return selection;
}

Result<void> validateSparsity(const Params& params) {
    if (params.real("sparsity") >= 1) {
        return fail(ErrorCode::Usage,
                    "key 'sparsity' takes a number from 0 up to but not including 1, not '" +
                        std::string(params.text("sparsity")) +
                        "': a sparsity of 1 would prune every weight");
    }
    return {};
}

std::string prunerTitle(std::string_view name, const Params& params) {
    std::string text(name);
    if (params.has("pattern")) {
        return text.append(" ").append(params.text("pattern"));
    }
    // Ten digits: 100·0.55 is not exactly 55.
    const double percent = std::nearbyint(params.real("sparsity") * 1e10) / 1e8;
    text.append(" ").append(shortest(percent)).append(" %");
    if (params.is("scope", "global")) {
        text += " over the selection";
    } else if (params.has("scope")) {
        text.append(" per ").append(params.text("scope"));
    }
    return text;
}

StepOutput maskedOutput(const StepInput& input, std::shared_ptr<const BitMask> mask) {
    StepOutput output;
    output.cost = input.cost;
    const std::int64_t weights = mask->rows() * mask->cols();
    output.cost.kept =
        weights > 0 ? static_cast<double>(mask->count()) / static_cast<double>(weights) : 1;
    output.cost.maskBits = 1;
    // Masks do not nest: a later one holds what an earlier one dropped.
    std::shared_ptr<const RowSource> base = input.weights;
    const auto* masked = dynamic_cast<const MaskedMatrix*>(base.get());
    if (masked != nullptr && masked->bits() == input.mask) {
        base = masked->base();
    }
    output.weights = std::make_shared<MaskedMatrix>(std::move(base), std::move(mask));
    return output;
}

Result<StepOutput> pruneByScore(const ScorePruner& pruner,
                                const StepInput& input,
                                const Params& params,
                                const JobContext& ctx) {
    const RowSource& weights = *input.weights;
    if (pruner.useGradients && input.gradients == nullptr) {
        return fail(ErrorCode::Missing, "needs --gradients FILE[:TENSOR]");
    }
    if (pruner.useGradients &&
        (input.gradients->rows() != weights.rows() || input.gradients->cols() != weights.cols())) {
        return fail(ErrorCode::Invalid, "gradients do not have the weight's shape");
    }
    Result<ScoreRule> rule = pruner.rule(input, params, ctx);
    if (!rule) {
        return fail(rule.error());
    }
    const ScoreRows scores = scoreRows(std::make_shared<const ScoreRule>(std::move(*rule)),
                                       input.weights,
                                       pruner.useGradients ? input.gradients : nullptr);
    Result<std::shared_ptr<const BitMask>> mask = selectMask(
        weights.rows(), weights.cols(), input.mask.get(), selectionOf(params), scores, ctx);
    if (!mask) {
        return fail(mask.error());
    }
    ctx.advance(static_cast<std::uint64_t>(weights.rows() * weights.cols()));
    return maskedOutput(input, std::move(*mask));
}

Result<std::vector<double>> columnSums(
    const RowSource& source,
    std::int64_t rows,
    std::string_view what,
    const std::function<
        void(std::int64_t row, std::span<const double> values, std::span<double> sums)>& add,
    const JobContext& ctx) {
    const auto cols = static_cast<std::size_t>(source.cols());
    std::vector<std::vector<double>> parts(static_cast<std::size_t>(kParts));
    FirstError errors;
    const std::int64_t size = std::max<std::int64_t>((rows + kParts - 1) / kParts, 1);
    parallelFor(rows, size, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
        std::vector<double>& sums = parts[static_cast<std::size_t>(part)];
        sums.assign(cols, 0.0);
        std::vector<double> values;
        const std::int64_t few = rowsPerChunk(source.cols(), 16384);
        for (std::int64_t first = begin; first < end; first += few) {
            ctx.checkpoint();
            const std::int64_t count = std::min(few, end - first);
            if (Result<void> done = readFinite(source, first, count, values, what); !done) {
                errors.report(part, done.error());
                return;
            }
            for (std::int64_t row = 0; row < count; ++row) {
                add(first + row, {values.data() + row * source.cols(), cols}, sums);
            }
        }
    });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    std::vector<double> total(cols, 0.0);
    for (const std::vector<double>& sums : parts) {
        for (std::size_t col = 0; col < sums.size(); ++col) {
            total[col] += sums[col];
        }
    }
    return total;
}

Result<std::vector<double>> squaredInputNorms(const StepInput& input,
                                              const JobContext& ctx,
                                              std::string_view why) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing, std::string(why) + "needs --activations FILE[:TENSOR]");
    }
    const RowSource& activations = *input.activations;
    if (activations.cols() != input.weights->cols()) {
        return fail(ErrorCode::Invalid,
                    "activations have " + std::to_string(activations.cols()) +
                        " columns, the weight has " + std::to_string(input.weights->cols()) +
                        " inputs");
    }
    const std::int64_t rows = input.calibrationRows > 0
                                  ? std::min(input.calibrationRows, activations.rows())
                                  : activations.rows();
    return columnSums(
        activations,
        rows,
        "activations: ",
        [](std::int64_t, std::span<const double> values, std::span<double> sums) {
            for (std::size_t col = 0; col < values.size(); ++col) {
                sums[col] += values[col] * values[col];
            }
        },
        ctx);
}

}  // namespace loupe
