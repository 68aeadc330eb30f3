// SPDX-License-Identifier: Apache-2.0
// Structured pruning: whole rows (output channels) or whole columns (input channels).
#include "core/base/text.hpp"
#include "core/prune/pruner.hpp"
#include "core/prune/selection.hpp"
#include "core/prune/trace_parts.hpp"

#include <algorithm>
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

/// Which channels go, and why.
struct Choice {
    bool columns = false;
    std::vector<double> scores;  ///< squares for l2 and activation: the root keeps the order
    std::vector<bool> dropped;
    std::shared_ptr<const BitMask> mask;
};

Result<Choice> choose(const StepInput& input, const Params& params, const JobContext& ctx) {
    std::vector<double> squares;
    if (params.is("score", "activation")) {
        Result<std::vector<double>> found = squaredInputNorms(input, ctx, "score=activation ");
        if (!found) {
            return fail(found.error());
        }
        squares = std::move(*found);
    }
    Choice choice;
    choice.columns = params.is("axis", "column");
    const Terms terms(params.is("score", "l1"), std::move(squares));
    Result<std::vector<double>> scores = channelScores(input, choice.columns, terms, ctx);
    if (!scores) {
        return fail(scores.error());
    }
    choice.scores = std::move(*scores);
    const std::vector<bool> empty = input.mask != nullptr
                                        ? emptyChannels(*input.mask, choice.columns)
                                        : std::vector<bool>(choice.scores.size());
    std::vector<std::uint64_t> keys(choice.scores.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i] = empty[i] ? 0 : scoreKey(choice.scores[i]);
    }
    choice.dropped.resize(keys.size());
    std::vector<std::uint64_t> scratch;
    pruneSmallest(
        keys,
        prunedCount(static_cast<std::int64_t>(keys.size()), params.real("sparsity")),
        scratch,
        [&](std::int64_t channel) { choice.dropped[static_cast<std::size_t>(channel)] = true; });
    choice.mask = maskOf(input, choice.columns, choice.dropped);
    return choice;
}

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    Result<Choice> choice = choose(input, params, ctx);
    if (!choice) {
        return fail(choice.error());
    }
    ctx.advance(static_cast<std::uint64_t>(input.weights->rows() * input.weights->cols()));
    return maskedOutput(input, std::move(choice->mask));
}

std::string_view formulaOf(const Params& params) {
    if (params.is("score", "l1")) {
        return "sum |w|";
    }
    return params.is("score", "l2") ? "sqrt(sum w^2)" : "sqrt(sum (w·||X_j||)^2)";
}

/// Scores as bars over the columns, or as one column beside the rows.
TracePanel scorePanel(const Choice& choice, const Matrix<double>& scores, const Params& params) {
    const std::string title = joined({"Scores of the channels: ", formulaOf(params)});
    if (choice.columns) {
        return trace_parts::bars("scores", title, trace_parts::share(scores));
    }
    TracePanel panel =
        trace_parts::panel("scores", title, PanelKind::Magnitude, trace_parts::share(scores));
    panel.subtitle = "one value per output channel";
    panel.colAxis = "score";
    return panel;
}

/// All scores at the end of the choosing: largest that went, smallest that stayed.
std::vector<TraceFigure> figuresOf(const Choice& choice, const Matrix<double>& scores) {
    double went = 0;
    double stayed = 0;
    double count = 0;
    bool any = false;
    for (std::size_t i = 0; i < choice.dropped.size(); ++i) {
        const double score = scores.data()[i];
        if (choice.dropped[i]) {
            went = std::max(went, score);
            count += 1;
        } else {
            stayed = any ? std::min(stayed, score) : score;
            any = true;
        }
    }
    return {{"Channels pruned", count, {}},
            {"Largest score that went", went, {}},
            {"Smallest score that stayed", stayed, {}}};
}

Result<std::shared_ptr<const Trace>> trace(const StepInput& input,
                                           const Params& params,
                                           const JobContext& ctx) {
    const Result<Choice> chosen = choose(input, params, ctx);
    if (!chosen) {
        return fail(chosen.error());
    }
    const Choice& choice = *chosen;
    Result<Matrix<double>> before = readWhole(*input.weights);
    Result<Matrix<double>> after = readWhole(*maskedOutput(input, choice.mask).weights);
    if (!before || !after) {
        return fail(!before ? before.error() : after.error());
    }
    const auto count = static_cast<std::int64_t>(choice.scores.size());
    Matrix<double> scores(choice.columns ? 1 : count, choice.columns ? count : 1);
    for (std::int64_t i = 0; i < count; ++i) {
        const double score = choice.scores[static_cast<std::size_t>(i)];
        scores.data()[i] = params.is("score", "l1") ? score : std::sqrt(score);
    }
    auto trace = std::make_shared<Trace>();
    trace->result = std::make_shared<Matrix<double>>(std::move(*after));
    const double limit = trace_parts::largest(*before);
    const auto add = [&](std::string title, std::string sentence, trace_parts::Shared weights) {
        trace->states.push_back({std::move(title), std::move(sentence), {}, {}, {}, {}, {}});
        trace->states.back().panels.push_back(
            trace_parts::panel("weights", "Weights", PanelKind::Signed, std::move(weights), limit));
    };
    const trace_parts::Shared original = trace_parts::share(*before);
    add("Weights", "What is stored before anything is pruned.", original);
    add("Scores",
        choice.columns ? "Each input channel has one score for all its weights."
                       : "Each output channel has one score for all its weights.",
        original);
    trace->states.back().panels.push_back(scorePanel(choice, scores, params));
    add("Result",
        "Whole channels go, smallest score first: here the shapes could really shrink, and each "
        "of them takes large weights along.",
        trace->result);
    TraceState& last = trace->states.back();
    last.panels.push_back(scorePanel(choice, scores, params));
    last.panels.push_back(trace_parts::panel(
        "mask", "Mask: 1 is kept", PanelKind::Mask, trace_parts::maskValues(*choice.mask)));
    trace_parts::addPruned(*choice.mask, {0, 0}, {before->rows(), before->cols()}, last.regions);
    last.figures = figuresOf(choice, scores);
    trace->summary = last.figures;
    trace->lesson =
        "Structured pruning drops whole channels: no index is stored and any hardware gains, but "
        "at the same sparsity it loses far more than single weights do. N:M patterns are often "
        "called structured too; they are semi-structured: no channel goes.";
    trace->explain = [original, scores, choice, formula = formulaOf(params)](std::size_t state,
                                                                             TraceCell cell) {
        std::vector<TraceNote> notes;
        const bool inside = cell.row >= 0 && cell.row < original->rows() && cell.col >= 0 &&
                            cell.col < original->cols();
        if (!inside) {
            return notes;
        }
        if (state == 0) {
            notes.push_back(
                {"Weight", "w", {}, trace_parts::number((*original)(cell.row, cell.col)), {}});
            return notes;
        }
        const std::int64_t channel = choice.columns ? cell.col : cell.row;
        notes.push_back(
            {choice.columns ? "Score of the input channel" : "Score of the output channel",
             std::string(formula),
             {},
             trace_parts::number(scores.data()[channel]),
             {}});
        if (state == 2) {
            const bool gone = choice.dropped[static_cast<std::size_t>(channel)];
            notes.push_back({"Choice",
                             "the smallest scores go",
                             {},
                             gone ? "the whole channel is pruned" : "kept",
                             {}});
        }
        return notes;
    };
    return std::shared_ptr<const Trace>(std::move(trace));
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
    .ladder = kLadder,
    .trace = trace};

}  // namespace loupe
