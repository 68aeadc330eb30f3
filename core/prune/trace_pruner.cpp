// SPDX-License-Identifier: Apache-2.0
// The pruners that keep the largest scores, told state by state.
#include "core/base/assert.hpp"
#include "core/prune/packing.hpp"
#include "core/prune/pruner.hpp"
#include "core/prune/trace_parts.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/scheme/masked_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace loupe {

namespace {

using trace_parts::addPruned;
using trace_parts::bars;
using trace_parts::largest;
using trace_parts::maskValues;
using trace_parts::number;
using trace_parts::panel;
using trace_parts::region;
using trace_parts::share;
using trace_parts::Shared;

/// States that choose, at most: rows or groups of columns share one beyond that.
constexpr std::int64_t kMostChoices = 96;

/// Everything that the states and explanations are made of. Shared by the trace's closure.
struct Story {
    const ScorePruner* pruner = nullptr;
    Selection selection;
    bool wholeMatrix = false;
    Matrix<double> weights;
    Matrix<double> gradients;
    Matrix<double> scores;
    Matrix<double> ranks;  ///< 1 = smallest of its row, matrix or group; ties as they are chosen
    std::vector<double> factor;
    std::shared_ptr<const BitMask> mask;
    std::shared_ptr<const BitMask> byMagnitude;
    std::shared_ptr<const BitMask> earlier;
    double valueBits = 32;
    /// Rows or columns chosen before each state: [from, to) of the choice, or an empty range.
    std::vector<std::pair<std::int64_t, std::int64_t>> chosen;

    [[nodiscard]] std::int64_t rows() const { return weights.rows(); }
    [[nodiscard]] std::int64_t cols() const { return weights.cols(); }
    [[nodiscard]] bool prunedBefore(std::int64_t row, std::int64_t col) const {
        return earlier != nullptr && !earlier->kept(row, col);
    }
    [[nodiscard]] bool isMagnitude() const { return pruner->formula == "|w|"; }
    /// How many compete with a weight, and how many of them go.
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> contest(std::int64_t col) const;
};

std::pair<std::int64_t, std::int64_t> Story::contest(std::int64_t col) const {
    if (selection.keep > 0) {
        const std::int64_t first = col / selection.block * selection.block;
        const std::int64_t size = std::min(selection.block, cols() - first);
        return {size, size - std::min(selection.keep, size)};
    }
    const std::int64_t size = wholeMatrix ? weights.size() : cols();
    return {size, prunedCount(size, selection.sparsity)};
}

/// Ranks of the cells at `places` (row-major indices, ascending) among each other.
void rank(Story& story, std::vector<std::int64_t>& places) {
    const bool keepsLower = story.selection.keep > 0;
    const auto key = [&](std::int64_t place) {
        return story.prunedBefore(place / story.cols(), place % story.cols())
                   ? 0
                   : scoreKey(story.scores.data()[place]);
    };
    std::sort(places.begin(), places.end(), [&](std::int64_t a, std::int64_t b) {
        const std::uint64_t left = key(a);
        const std::uint64_t right = key(b);
        return left != right ? left < right : (keepsLower ? a > b : a < b);
    });
    double next = 1;
    for (const std::int64_t place : places) {
        story.ranks.data()[place] = next;
        next += 1;
    }
}

void rankAll(Story& story) {
    story.ranks = Matrix<double>(story.rows(), story.cols());
    std::vector<std::int64_t> places;
    if (story.wholeMatrix) {
        places.resize(static_cast<std::size_t>(story.weights.size()));
        std::iota(places.begin(), places.end(), std::int64_t{0});
        rank(story, places);
        return;
    }
    const std::int64_t width = story.selection.keep > 0 ? story.selection.block : story.cols();
    for (std::int64_t row = 0; row < story.rows(); ++row) {
        for (std::int64_t first = 0; first < story.cols(); first += width) {
            places.resize(static_cast<std::size_t>(std::min(width, story.cols() - first)));
            std::iota(places.begin(), places.end(), row * story.cols() + first);
            rank(story, places);
        }
    }
}

Result<std::shared_ptr<const BitMask>> maskOfMagnitude(const Story& story, const JobContext& ctx) {
    const ScoreRows scores =
        [&](std::int64_t first, std::int64_t count, std::span<double> out) -> Result<void> {
        const double* values = story.weights.row(first).data();
        std::transform(values, values + count * story.cols(), out.begin(), [](double w) {
            return std::fabs(w);
        });
        return {};
    };
    return selectMask(
        story.rows(), story.cols(), story.earlier.get(), story.selection, scores, ctx);
}

class Teller {
public:
    Teller(const ScorePruner& pruner, Story& story, Trace& trace)
        : pruner_(pruner), story_(story), trace_(trace) {}

    void tell() {
        Matrix<double> sizes(story_.rows(), story_.cols());
        Matrix<double> differs(story_.rows(), story_.cols());
        for (std::int64_t row = 0; row < story_.rows(); ++row) {
            for (std::int64_t col = 0; col < story_.cols(); ++col) {
                sizes(row, col) = std::fabs(story_.weights(row, col));
                differs(row, col) = (story_.mask->kept(row, col) ? 1 : 0) -
                                    (story_.byMagnitude->kept(row, col) ? 1 : 0);
            }
        }
        weights_ = share(story_.weights);
        scores_ = share(story_.scores);
        sizes_ = share(sizes);
        differs_ = share(differs);
        limit_ = largest(story_.weights);
        tellBeginning();
        tellChoices();
        tellEnd();
        addCurve();
        addSummary();
        trace_.lesson = std::string(pruner_.lesson);
    }

private:
    /// Panels of a state: weights with what is pruned so far, scores, and what belongs to them.
    TraceState& add(std::string title, std::string sentence, Shared weights, bool withScores) {
        TraceState state;
        state.title = std::move(title);
        state.sentence = std::move(sentence);
        state.panels.push_back(
            panel("weights", "Weights", PanelKind::Signed, std::move(weights), limit_));
        if (withScores) {
            state.panels.push_back(panel("scores",
                                         joined({"Scores ", pruner_.formula}),
                                         PanelKind::Magnitude,
                                         scores_,
                                         largest(*scores_)));
        }
        if (withScores && !story_.isMagnitude()) {
            state.panels.push_back(
                panel("magnitude", "Magnitudes |w|", PanelKind::Magnitude, sizes_, limit_));
        }
        if (pruner_.useGradients) {
            state.panels.push_back(
                panel("gradients", "Gradients dL/dw", PanelKind::Signed, share(story_.gradients)));
        }
        if (!story_.factor.empty()) {
            Matrix<double> factor(1, story_.cols());
            std::copy(story_.factor.begin(), story_.factor.end(), factor.data());
            state.panels.push_back(bars("factor", std::string(pruner_.factorTitle), share(factor)));
        }
        trace_.states.push_back(std::move(state));
        story_.chosen.emplace_back(0, 0);
        return trace_.states.back();
    }

    void tellBeginning() {
        add("Weights", "What is stored before anything is pruned.", weights_, false);
        add("Scores",
            joined({pruner_.idea,
                    story_.isMagnitude() ? "" : " Compare the scores with the magnitudes below."}),
            weights_,
            true);
    }

    void tellChoices() {
        if (story_.wholeMatrix) {
            tellChoice(0, story_.rows());
            return;
        }
        const std::int64_t width = story_.selection.keep > 0 ? story_.selection.block : 1;
        const std::int64_t whole = story_.selection.keep > 0 ? story_.cols() : story_.rows();
        const std::int64_t parts = (whole + width - 1) / width;
        const std::int64_t step = (parts + kMostChoices - 1) / kMostChoices * width;
        for (std::int64_t from = 0; from < whole; from += step) {
            tellChoice(from, std::min(from + step, whole));
        }
    }

    /// Rows [from, to), or columns where a pattern chooses.
    void tellChoice(std::int64_t from, std::int64_t to) {
        const bool byColumns = story_.selection.keep > 0;
        const TraceCell first = byColumns ? TraceCell{0, from} : TraceCell{from, 0};
        const TraceCell end =
            byColumns ? TraceCell{story_.rows(), to} : TraceCell{to, story_.cols()};
        threshold_ = 0;
        kept_ = 0;
        anyKept_ = false;
        for (std::int64_t row = first.row; row < end.row; ++row) {
            for (std::int64_t col = first.col; col < end.col; ++col) {
                choose(row, col);
            }
        }
        auto shown = std::make_shared<Matrix<double>>(story_.weights);
        auto mask = std::make_shared<Matrix<double>>(story_.rows(), story_.cols());
        for (std::int64_t row = 0; row < story_.rows(); ++row) {
            for (std::int64_t col = 0; col < story_.cols(); ++col) {
                const bool done = byColumns ? col < to : row < to;
                const bool gone =
                    (done && !story_.mask->kept(row, col)) || story_.prunedBefore(row, col);
                (*mask)(row, col) = gone ? 0 : 1;
                (*shown)(row, col) = gone ? 0 : story_.weights(row, col);
            }
        }
        TraceState& state = add(choiceTitle(from, to), choiceSentence(from), shown, true);
        story_.chosen.back() = {from, to};
        state.panels.insert(state.panels.begin() + 1,
                            panel("mask", "Mask: 1 is kept", PanelKind::Mask, mask));
        addMetadata(to, state);
        addPruned(*story_.mask, first, end, state.regions);
        state.regions.push_back(
            region("scores", RegionKind::Current, first, end.row - first.row, end.col - first.col));
        state.focus = focusOf(first, end);
        state.figures = {{"Pruned so far",
                          static_cast<double>(pruned_),
                          joined({"of ", number(story_.weights.size()), " weights"})},
                         {"Largest score that went", threshold_, {}},
                         {"Smallest score that stayed", kept_, {}}};
        if (!byColumns) {
            state.marker = static_cast<double>(story_.contest(0).second);
        }
    }

    /// The scores next to the threshold, of what was chosen last.
    void choose(std::int64_t row, std::int64_t col) {
        const double score = story_.scores(row, col);
        if (story_.mask->kept(row, col)) {
            kept_ = anyKept_ ? std::min(kept_, score) : score;
            anyKept_ = true;
        } else {
            threshold_ = std::max(threshold_, score);
            ++pruned_;
        }
    }

    [[nodiscard]] std::string choiceTitle(std::int64_t from, std::int64_t to) const {
        if (story_.wholeMatrix) {
            return "One threshold for the matrix";
        }
        const std::string what = story_.selection.keep > 0 ? "column" : "row";
        std::string title = what == "row" ? "Row " : "Column ";
        if (to - from == 1) {
            return title + number(from);
        }
        title.insert(title.size() - 1, "s");
        return joined({title, number(from), " to ", number(to - 1)});
    }

    [[nodiscard]] std::string choiceSentence(std::int64_t from) const {
        const auto [size, gone] = story_.contest(story_.selection.keep > 0 ? from : 0);
        if (story_.selection.keep > 0) {
            return joined({"In each row the ",
                           number(size - gone),
                           " largest of ",
                           number(size),
                           " neighbours stay: N:M counts what is kept; ",
                           "some codes count what is pruned."});
        }
        return joined({"The ",
                       number(gone),
                       " smallest of the ",
                       number(size),
                       story_.wholeMatrix ? " scores of the matrix go." : " scores of the row go.",
                       " Weights at a tie go from the left."});
    }

    [[nodiscard]] TraceCell focusOf(TraceCell from, TraceCell to) const {
        for (std::int64_t col = from.col; col < to.col; ++col) {
            if (!story_.mask->kept(from.row, col)) {
                return {from.row, col};
            }
        }
        return from;
    }

    /// The places of the kept weights within their groups, for the columns chosen so far.
    void addMetadata(std::int64_t to, TraceState& state) const {
        if (story_.selection.keep == 0) {
            return;
        }
        const Matrix<double> places =
            metadataPlaces(*story_.mask, {story_.selection.keep, story_.selection.block}, to);
        TracePanel metadata = panel("metadata",
                                    "Metadata: place of each kept weight in its group",
                                    PanelKind::Codes,
                                    share(places),
                                    static_cast<double>(story_.selection.block - 1));
        metadata.subtitle = "one column for each kept weight, groups from left to right";
        metadata.colAxis = "kept weight";
        state.panels.push_back(std::move(metadata));
    }

    void tellEnd() {
        TraceState& state = add(
            "Result",
            story_.isMagnitude() ? joined({"What is left. ", pruner_.caution})
                                 : "What is left, and where magnitude would have chosen otherwise.",
            trace_.result,
            true);
        state.panels.insert(
            state.panels.begin() + 1,
            panel("mask", "Mask: 1 is kept", PanelKind::Mask, maskValues(*story_.mask)));
        addMetadata(story_.cols(), state);
        if (!story_.isMagnitude()) {
            TracePanel panelOf = panel("differs",
                                       "Against magnitude: 1 kept here only, -1 kept there only",
                                       PanelKind::Codes,
                                       differs_,
                                       1);
            state.panels.push_back(std::move(panelOf));
            addDifferences(state);
        }
        state.focus = focusOf({0, 0}, {story_.rows(), story_.cols()});
    }

    static constexpr std::size_t kMostRegions = 512;
    void addDifferences(TraceState& state) const {
        for (std::int64_t row = 0; row < story_.rows(); ++row) {
            for (std::int64_t col = 0; col < story_.cols(); ++col) {
                if ((*differs_)(row, col) != 0 && state.regions.size() < kMostRegions) {
                    state.regions.push_back(
                        region("magnitude", RegionKind::Outlier, {row, col}, 1, 1));
                }
            }
        }
    }

    /// The sorted scores of the matrix, or of its first rows: the threshold stands at a rank.
    void addCurve() {
        if (story_.selection.keep > 0) {
            return;
        }
        constexpr std::int64_t kRows = 6;
        TraceCurve curve{
            "sorted", "Scores in order", "rank", std::string(pruner_.formula), {}, false};
        const std::int64_t lines = story_.wholeMatrix ? 1 : std::min(kRows, story_.rows());
        const std::int64_t length = story_.wholeMatrix ? story_.weights.size() : story_.cols();
        for (std::int64_t line = 0; line < lines; ++line) {
            TraceSeries series;
            series.name = story_.wholeMatrix ? "matrix" : joined({"row ", number(line)});
            const double* begin = story_.scores.data() + line * length;
            series.y.assign(begin, begin + length);
            std::sort(series.y.begin(), series.y.end());
            series.x.resize(series.y.size());
            std::iota(series.x.begin(), series.x.end(), 1.0);
            curve.series.push_back(std::move(series));
        }
        trace_.curves.push_back(std::move(curve));
    }

    void addSummary() {
        double energy = 0;
        double lost = 0;
        double differing = 0;
        for (std::int64_t i = 0; i < story_.weights.size(); ++i) {
            const double w = story_.weights.data()[i];
            energy += w * w;
            lost += story_.mask->kept(i / story_.cols(), i % story_.cols()) ? 0 : w * w;
            differing += (*differs_).data()[i] != 0 ? 1 : 0;
        }
        trace_.summary = {
            {"Weights pruned",
             static_cast<double>(story_.weights.size()) - static_cast<double>(story_.mask->count()),
             {}},
            {"Energy pruned", energy > 0 ? lost / energy : 0, "sum of w^2 pruned / sum of w^2"}};
        if (!story_.isMagnitude()) {
            trace_.summary.push_back({"Chosen otherwise than by magnitude", differing, "weights"});
        }
        trace_.states.back().figures = trace_.summary;
    }

    const ScorePruner& pruner_;
    Story& story_;
    Trace& trace_;
    Shared weights_;
    Shared scores_;
    Shared sizes_;
    Shared differs_;
    double limit_ = 0;
    double threshold_ = 0;
    double kept_ = 0;
    bool anyKept_ = false;
    std::int64_t pruned_ = 0;
};

TraceNote scoreNote(const Story& story, TraceCell cell) {
    const double weight = story.weights(cell.row, cell.col);
    const double gradient = story.gradients.empty() ? 0 : story.gradients(cell.row, cell.col);
    const double factor =
        story.factor.empty() ? 0 : story.factor[static_cast<std::size_t>(cell.col)];
    TraceNote note;
    note.title = "Score";
    note.formula = std::string(story.pruner->formula);
    note.substituted =
        story.pruner->worked != nullptr ? story.pruner->worked(weight, gradient, factor) : "";
    note.result = number(story.scores(cell.row, cell.col));
    note.note = std::string(story.pruner->caution);
    return note;
}

TraceNote choiceNote(const Story& story, TraceCell cell) {
    const auto [size, gone] = story.contest(cell.col);
    TraceNote note;
    note.title = story.selection.keep > 0 ? "In its group" : "In order";
    note.formula =
        story.selection.keep > 0
            ? joined({"the ", number(size - gone), " largest of ", number(size), " stay"})
            : joined({"ranks 1 to ", number(gone), " of ", number(size), " go"});
    note.substituted = joined({"rank ",
                               number(static_cast<std::int64_t>(story.ranks(cell.row, cell.col))),
                               " from the smallest"});
    note.result = story.mask->kept(cell.row, cell.col) ? "kept" : "pruned";
    if (story.prunedBefore(cell.row, cell.col)) {
        note.note = "pruned by an earlier step, and counted as pruned";
    } else if (!story.isMagnitude() && story.mask->kept(cell.row, cell.col) !=
                                           story.byMagnitude->kept(cell.row, cell.col)) {
        note.note = story.mask->kept(cell.row, cell.col) ? "magnitude would prune it"
                                                         : "magnitude would keep it";
    }
    return note;
}

/// What is stored of a group: kept values, and for each the bits of its place.
TraceNote metadataNote(const Story& story, TraceCell cell) {
    const std::int64_t m = story.selection.block;
    const std::int64_t first = cell.col / m * m;
    const std::int64_t size = std::min(m, story.cols() - first);
    std::string scores;
    std::string places;
    for (std::int64_t col = first; col < first + size; ++col) {
        scores.append(scores.empty() ? "" : ", ").append(number(story.scores(cell.row, col)));
        if (story.mask->kept(cell.row, col)) {
            places.append(places.empty() ? "" : " ").append(placeBits(col - first, m));
        }
    }
    const int bits = placeBitCount(m);
    const double kept = static_cast<double>(story.selection.keep) / static_cast<double>(m);
    TraceNote note;
    note.title = "Metadata of the group";
    note.formula = joined({number(std::int64_t{bits}), " bits for the place of each kept weight"});
    note.substituted = joined({"scores ", scores});
    note.result = places.empty() ? "none kept" : places;
    note.note = joined({"bits per weight: ",
                        number(story.valueBits),
                        " · ",
                        number(story.selection.keep),
                        "/",
                        number(m),
                        " + ",
                        number(std::int64_t{bits}),
                        " · ",
                        number(story.selection.keep),
                        "/",
                        number(m),
                        " = ",
                        number((story.valueBits + bits) * kept)});
    return note;
}

std::vector<TraceNote> notesOf(const Story& story, std::size_t state, TraceCell cell) {
    std::vector<TraceNote> notes;
    if (cell.row < 0 || cell.row >= story.rows() || cell.col < 0 || cell.col >= story.cols()) {
        return notes;
    }
    if (state == 0) {
        notes.push_back(
            {"Weight",
             "w",
             {},
             number(story.weights(cell.row, cell.col)),
             story.prunedBefore(cell.row, cell.col) ? "pruned by an earlier step" : ""});
        return notes;
    }
    notes.push_back(scoreNote(story, cell));
    if (state == 1) {
        return notes;
    }
    const auto [from, to] = story.chosen[state];
    const bool last = state + 1 == story.chosen.size();
    const bool byColumns = story.selection.keep > 0;
    const std::int64_t at = byColumns ? cell.col : cell.row;
    if (!last && at >= to) {
        notes.push_back({"Not yet chosen",
                         byColumns ? "groups are chosen from left to right"
                                   : "rows are chosen from top to bottom",
                         {},
                         {},
                         {}});
        return notes;
    }
    notes.push_back(choiceNote(story, cell));
    if (byColumns) {
        notes.push_back(metadataNote(story, cell));
    }
    return notes;
}

}  // namespace

Result<std::shared_ptr<const Trace>> tracePruner(const ScorePruner& pruner,
                                                 const StepInput& input,
                                                 const Params& params,
                                                 const JobContext& ctx) {
    const Result<StepOutput> output = pruneByScore(pruner, input, params, ctx);
    if (!output) {
        return fail(output.error());
    }
    Result<ScoreRule> rule = pruner.rule(input, params, ctx);
    Result<Matrix<double>> weights = readWhole(*input.weights);
    Result<Matrix<double>> after = readWhole(*output->weights);
    if (!rule || !weights || !after) {
        return fail(!rule ? rule.error() : (!weights ? weights.error() : after.error()));
    }
    auto story = std::make_shared<Story>();
    story->pruner = &pruner;
    story->selection = selectionOf(params);
    story->wholeMatrix = story->selection.keep == 0 && !story->selection.perRow;
    story->weights = std::move(*weights);
    story->earlier = input.mask;
    story->valueBits = output->cost.valueBits;
    story->factor = std::move(rule->inputFactor);
    if (pruner.useGradients) {
        Result<Matrix<double>> gradients = readWhole(*input.gradients);
        if (!gradients) {
            return fail(gradients.error());
        }
        story->gradients = std::move(*gradients);
    }
    const auto* masked = dynamic_cast<const MaskedMatrix*>(output->weights.get());
    LOUPE_ASSERT(masked != nullptr, "a pruner gives a MaskedMatrix");
    story->mask = masked->bits();
    story->scores = Matrix<double>(story->rows(), story->cols());
    rule->score({0,
                 story->rows(),
                 {story->weights.data(), static_cast<std::size_t>(story->weights.size())},
                 {story->gradients.data(), static_cast<std::size_t>(story->gradients.size())},
                 {story->scores.data(), static_cast<std::size_t>(story->scores.size())}});
    Result<std::shared_ptr<const BitMask>> magnitude = maskOfMagnitude(*story, ctx);
    if (!magnitude) {
        return fail(magnitude.error());
    }
    story->byMagnitude = std::move(*magnitude);
    rankAll(*story);
    auto trace = std::make_shared<Trace>();
    trace->result = std::make_shared<Matrix<double>>(std::move(*after));
    Teller(pruner, *story, *trace).tell();
    trace->explain = [story = std::shared_ptr<const Story>(story)](std::size_t state,
                                                                   TraceCell cell) {
        return notesOf(*story, state, cell);
    };
    return std::shared_ptr<const Trace>(std::move(trace));
}

}  // namespace loupe
