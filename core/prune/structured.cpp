// SPDX-License-Identifier: Apache-2.0
// Structured pruning: whole rows (output channels) or whole columns (input channels).
#include "core/base/text.hpp"
#include "core/prune/pruner.hpp"
#include "core/prune/selection.hpp"

#include <cmath>

namespace loupe {

namespace {

constexpr std::string_view kAxes[] = {"row", "column"};
constexpr std::string_view kScores[] = {"l2", "l1", "activation"};

constexpr ParamSpec kParams[] = {
    {.name = "axis",
     .type = ParamType::Choice,
     .defaultText = "row",
     .choices = kAxes,
     .label = "Prune whole",
     .help = "row: output channels. column: input channels."},
    {.name = "sparsity",
     .type = ParamType::Real,
     .defaultText = "0.5",
     .min = 0,
     .max = 1,
     .label = "Sparsity",
     .help =
         "Share S of the channels to prune, 0 <= S < 1: exactly floor(channels·S), smallest score "
         "first, ties lower index first."},
    {.name = "score",
     .type = ParamType::Choice,
     .defaultText = "l2",
     .choices = kScores,
     .label = "Channel score",
     .help = "l2: sqrt(sum w^2) of the channel. l1: sum |w|. activation: sqrt(sum "
             "(|w|·||X_j||)^2), for "
             "a column ||W_j||·||X_j||."}};

/// What each weight adds to its channel's score; activation weighs inputs by ||X_j||^2.
class Terms {
public:
    Terms(bool absolute, std::vector<double> inputSquares)
        : absolute_(absolute), squares_(std::move(inputSquares)) {}
    [[nodiscard]] double of(double weight, std::size_t col) const {
        if (absolute_) {
            return std::fabs(weight);
        }
        return weight * weight * (squares_.empty() ? 1 : squares_[col]);
    }

private:
    bool absolute_;
    std::vector<double> squares_;
};

/// The sums of each row's terms, or each column's.
Result<std::vector<double>> channelScores(const StepInput& input,
                                          bool columns,
                                          const Terms& terms,
                                          const JobContext& ctx) {
    const RowSource& weights = *input.weights;
    std::vector<double> rowSums(static_cast<std::size_t>(weights.rows()), 0.0);
    const auto live = [&](std::int64_t row, std::size_t col) {
        return input.mask == nullptr || input.mask->kept(row, static_cast<std::int64_t>(col));
    };
    Result<std::vector<double>> columnScores = columnSums(
        weights,
        weights.rows(),
        {},
        [&](std::int64_t row, std::span<const double> values, std::span<double> sums) {
            double sum = 0;
            for (std::size_t col = 0; col < values.size(); ++col) {
                const double term = live(row, col) ? terms.of(values[col], col) : 0;
                sums[col] += term;
                sum += term;
            }
            rowSums[static_cast<std::size_t>(row)] = sum;
        },
        ctx);
    if (!columnScores || columns) {
        return columnScores;
    }
    return rowSums;
}

/// Channels that an earlier mask has emptied: pruned already.
std::vector<bool> emptyChannels(const BitMask& mask, bool columns) {
    std::vector<bool> empty(static_cast<std::size_t>(columns ? mask.cols() : mask.rows()), true);
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        for (std::int64_t col = 0; col < mask.cols(); ++col) {
            if (mask.kept(row, col)) {
                empty[static_cast<std::size_t>(columns ? col : row)] = false;
            }
        }
    }
    return empty;
}

std::shared_ptr<const BitMask> maskOf(const StepInput& input,
                                      bool columns,
                                      const std::vector<bool>& dropped) {
    auto mask = std::make_shared<BitMask>(input.weights->rows(), input.weights->cols(), true);
    for (std::int64_t row = 0; row < mask->rows(); ++row) {
        for (std::int64_t col = 0; col < mask->cols(); ++col) {
            if (dropped[static_cast<std::size_t>(columns ? col : row)] ||
                (input.mask != nullptr && !input.mask->kept(row, col))) {
                mask->set(row, col, false);
            }
        }
    }
    return mask;
}

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    std::vector<double> squares;
    if (params.is("score", "activation")) {
        Result<std::vector<double>> found = squaredInputNorms(input, ctx, "score=activation ");
        if (!found) {
            return fail(found.error());
        }
        squares = std::move(*found);
    }
    const bool columns = params.is("axis", "column");
    const Terms terms(params.is("score", "l1"), std::move(squares));
    const Result<std::vector<double>> scores = channelScores(input, columns, terms, ctx);
    if (!scores) {
        return fail(scores.error());
    }
    const std::vector<bool> empty = input.mask != nullptr ? emptyChannels(*input.mask, columns)
                                                          : std::vector<bool>(scores->size());
    std::vector<std::uint64_t> keys(scores->size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i] = empty[i] ? 0 : scoreKey((*scores)[i]);  // the root would not change the order
    }
    std::vector<bool> dropped(keys.size());
    std::vector<std::uint64_t> scratch;
    pruneSmallest(keys,
                  prunedCount(static_cast<std::int64_t>(keys.size()), params.real("sparsity")),
                  scratch,
                  [&](std::int64_t channel) { dropped[static_cast<std::size_t>(channel)] = true; });
    ctx.advance(static_cast<std::uint64_t>(input.weights->rows() * input.weights->cols()));
    return maskedOutput(input, maskOf(input, columns, dropped));
}

constexpr std::string_view kLadder[] = {"structured"};

}  // namespace

extern const StepDefinition kStep_structured;
const StepDefinition kStep_structured{
    .id = "structured",
    .title = "Structured pruning",
    .summary =
        "Prunes whole output or input channels: shapes could really shrink, at a large loss "
        "without training afterwards.",
    .source =
        "Li et al. 2017, Pruning Filters for Efficient ConvNets (arXiv:1608.08710), section 3",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .shortTitle =
        [](const Params& params) {
            return prunerTitle("Structured", params) + " of " + std::string(params.text("axis")) +
                   "s, " + std::string(params.text("score"));
        },
    .family = StepFamily::Pruning,
    .ladder = kLadder};

}  // namespace loupe
