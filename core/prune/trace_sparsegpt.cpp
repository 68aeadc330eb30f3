// SPDX-License-Identifier: Apache-2.0
// SparseGPT told state by state: the mask of a block, then column after column and the errors that
// each pushes to its right.
#include "core/prune/sparsegpt.hpp"
#include "core/prune/trace_parts.hpp"

#include <cmath>

namespace loupe {

namespace {

using trace_parts::addPruned;
using trace_parts::bars;
using trace_parts::factorText;
using trace_parts::largest;
using trace_parts::maskValues;
using trace_parts::number;
using trace_parts::panel;
using trace_parts::plus;
using trace_parts::region;
using trace_parts::share;
using trace_parts::Shared;

constexpr std::int64_t kMostColumnStates = 160;
constexpr std::int64_t kMostMaskStates = 80;
constexpr std::int64_t kMostShownHessian = 128;

enum class Kind : std::uint8_t { Dense, Mask, Columns, BlockEnd, Result };

/// What a state is about: columns [first, end).
struct Moment {
    Kind kind = Kind::Dense;
    std::int64_t first = 0;
    std::int64_t end = 0;
    Shared weights;
};

struct Story {
    SparseGptSpec spec;
    Matrix<double> original;
    Matrix<double> factor;
    Matrix<double> scores;  ///< when the mask of the column was chosen
    Matrix<double> errors;
    Matrix<double> result;
    std::shared_ptr<const BitMask> mask;
    std::shared_ptr<const StepOutput> output;  ///< codes and grids of the joint step
    std::vector<Moment> moments;

    [[nodiscard]] std::int64_t rows() const { return original.rows(); }
    [[nodiscard]] std::int64_t cols() const { return original.cols(); }
    [[nodiscard]] bool hasPattern() const { return spec.selection.keep > 0; }
    /// One past the columns that column `col` reaches at once.
    [[nodiscard]] std::int64_t blockEnd(std::int64_t col) const {
        const std::int64_t m = hasPattern() ? spec.selection.block : 1;
        const std::int64_t width = (std::max<std::int64_t>(spec.block, 1) + m - 1) / m * m;
        return std::min((col / width + 1) * width, cols());
    }
    /// [inv(H)]_jj of all columns, where U_jj² is that of those from j on.
    [[nodiscard]] double inverseDiagonal(std::int64_t col) const {
        double sum = 0;
        for (std::int64_t k = 0; k <= col; ++k) {
            sum += factor(k, col) * factor(k, col);
        }
        return sum;
    }
};

template <class T>
class Recorder final : public SparseGptRecorder<T> {
public:
    Recorder(const SparseGptRun<T>& run, Story& story, Trace& trace)
        : run_(run), story_(story), trace_(trace) {}

    void maskChosen(std::int64_t first, std::int64_t end, const SparseGptState<T>& s) override {
        begin(s);
        for (std::int64_t row = 0; row < story_.rows(); ++row) {
            for (std::int64_t col = first; col < end; ++col) {
                story_.scores(row, col) = sparseGptScore(s.weights(row, col), s.factor(col, col));
            }
        }
        scores_ = share(story_.scores);
        mask_ = maskValues(s.mask);
        const std::int64_t groups = (story_.cols() + end - first - 1) / (end - first);
        const std::int64_t step = (groups + kMostMaskStates - 1) / kMostMaskStates;
        if (first / (end - first) % step == 0) {
            addMask(first, end, s);
        }
    }

    void columnDone(std::int64_t col,
                    const std::vector<T>& errors,
                    const SparseGptState<T>& s) override {
        begin(s);
        for (std::size_t row = 0; row < errors.size(); ++row) {
            story_.errors(static_cast<std::int64_t>(row), col) = static_cast<double>(errors[row]);
        }
        const std::int64_t step = (story_.cols() + kMostColumnStates - 1) / kMostColumnStates;
        loss_ = 0;
        for (const double part : s.losses) {
            loss_ += part;
        }
        curve_.x.push_back(static_cast<double>(col + 1));
        curve_.y.push_back(loss_);
        if ((col + 1) % step == 0 || col + 1 == story_.blockEnd(col)) {
            addColumns(done_, col + 1, s);
            done_ = col + 1;
        }
    }

    void blockDone(std::int64_t first, std::int64_t end, const SparseGptState<T>& s) override {
        if (end == story_.cols()) {
            return;
        }
        TraceState& state = add(Kind::BlockEnd,
                                first,
                                end,
                                "Right of the block",
                                joined({"The errors of columns ",
                                        number(first),
                                        " to ",
                                        number(end - 1),
                                        " reach all columns right of the block in one product."}),
                                s);
        state.regions.push_back(
            region("weights", RegionKind::Current, {0, end}, story_.rows(), story_.cols() - end));
        state.focus = {0, end};
        state.marker = static_cast<double>(end);
    }

    /// The last state, and the curve.
    void finish(const Matrix<double>& result) {
        const BitMask& mask = *story_.mask;
        mask_ = maskValues(mask);
        Matrix<T> values(result.rows(), result.cols());
        std::transform(result.data(), result.data() + result.size(), values.data(), [](double x) {
            return static_cast<T>(x);
        });
        const std::vector<double> losses{loss_};
        TraceState& state = add(Kind::Result,
                                0,
                                story_.cols(),
                                "Result",
                                "Pruned weights are exactly 0; what is left has moved to make up "
                                "for them.",
                                {values, run_.factor.upper, mask, losses});
        state.panels[0].values = trace_.result;
        story_.moments.back().weights = trace_.result;
        state.marker = static_cast<double>(story_.cols());
        trace_.curves.push_back(
            {"loss", "Loss so far", "columns done", "1/2 sum of e^2", {curve_}, false});
        double most = 0;
        for (const TraceState& each : trace_.states) {
            for (const TracePanel& p : each.panels) {
                most = p.id == "moved" ? std::max(most, largest(*p.values)) : most;
            }
        }
        for (TraceState& each : trace_.states) {
            for (TracePanel& p : each.panels) {
                p.limit = p.id == "moved" ? most : p.limit;
            }
        }
    }

private:
    /// The first thing told is the dense layer.
    void begin(const SparseGptState<T>& s) {
        if (!trace_.states.empty()) {
            return;
        }
        story_.original = *share(run_.problem.weights);
        story_.factor = *share(run_.factor.upper);
        story_.scores = Matrix<double>(story_.rows(), story_.cols());
        story_.errors = Matrix<double>(story_.rows(), story_.cols());
        story_.spec = run_.spec;
        mask_ = maskValues(s.mask);
        TraceState& state = add(Kind::Dense,
                                0,
                                0,
                                "Dense weights",
                                "H = 2X'X of the calibration rows, damped, tells what a change of "
                                "weights does to the output; U with inv(H) = U'U tells how to make "
                                "up for it (X'X would give the same).",
                                s);
        if (story_.cols() <= kMostShownHessian) {
            TracePanel hessian =
                panel("hessian", "H = 2X'X", PanelKind::Signed, share(run_.problem.hessian));
            hessian.rowAxis = "input channel";
            hessian.subtitle = "rows and columns are input channels; before the damping";
            state.panels.push_back(std::move(hessian));
        }
        addDiagonal(state);
        state.marker = 0;
    }

    TraceState& add(Kind kind,
                    std::int64_t first,
                    std::int64_t end,
                    std::string title,
                    std::string sentence,
                    const SparseGptState<T>& s) {
        TraceState state;
        state.title = std::move(title);
        state.sentence = std::move(sentence);
        const Shared weights = share(s.weights);
        auto moved = std::make_shared<Matrix<double>>(story_.rows(), story_.cols());
        for (std::int64_t i = 0; i < moved->size(); ++i) {
            const bool gone = mask_->data()[i] == 0 && weights->data()[i] == 0;
            moved->data()[i] = gone ? 0 : weights->data()[i] - story_.original.data()[i];
        }
        state.panels.push_back(
            panel("weights", "Weights", PanelKind::Signed, weights, largest(story_.original)));
        state.panels.push_back(
            panel("moved", "Moved so far (kept weights)", PanelKind::Signed, moved));
        state.panels.push_back(panel("mask", "Mask: 1 is kept", PanelKind::Mask, mask_));
        if (scores_ != nullptr) {
            state.panels.push_back(
                panel("scores", "Scores w^2/U_jj^2", PanelKind::Magnitude, scores_));
        }
        state.figures = {{"Loss so far", loss_, "1/2 sum of e^2 over the columns done"},
                         {"Weights chosen to go",
                          static_cast<double>(s.mask.rows() * s.mask.cols()) -
                              static_cast<double>(s.mask.count()),
                          {}}};
        story_.moments.push_back({kind, first, end, weights});
        trace_.states.push_back(std::move(state));
        return trace_.states.back();
    }

    void addDiagonal(TraceState& state) const {
        Matrix<double> diagonal(1, story_.cols());
        for (std::int64_t col = 0; col < story_.cols(); ++col) {
            diagonal(0, col) = story_.factor(col, col) * story_.factor(col, col);
        }
        state.panels.push_back(
            bars("diagonal", "U_jj^2: variance left to column j", share(diagonal)));
    }

    void addMask(std::int64_t first, std::int64_t end, const SparseGptState<T>& s) {
        const Selection& selection = story_.spec.selection;
        const std::int64_t count = story_.rows() * (end - first);
        const std::string sentence =
            story_.hasPattern()
                ? joined({"In each row the ",
                          number(std::min(selection.keep, end - first)),
                          " largest scores of these ",
                          number(end - first),
                          " columns stay, judged by the weights as the columns before have left "
                          "them."})
                : joined({"Over all rows the ",
                          number(prunedCount(count, selection.sparsity)),
                          " smallest of the block's ",
                          number(count),
                          " scores go: rows may lose different numbers of weights."});
        TraceState& state =
            add(Kind::Mask,
                first,
                end,
                joined({"Mask of columns ", number(first), " to ", number(end - 1)}),
                sentence,
                s);
        addDiagonal(state);
        state.regions.push_back(
            region("scores", RegionKind::Current, {0, first}, story_.rows(), end - first));
        addPruned(s.mask, {0, first}, {story_.rows(), end}, state.regions);
        state.focus = firstPruned(s.mask, first, end);
        state.marker = static_cast<double>(first);
    }

    void addColumns(std::int64_t first, std::int64_t end, const SparseGptState<T>& s) {
        std::int64_t gone = 0;
        for (std::int64_t row = 0; row < story_.rows(); ++row) {
            for (std::int64_t col = first; col < end; ++col) {
                gone += s.mask.kept(row, col) ? 0 : 1;
            }
        }
        const std::string title =
            end - first == 1 ? joined({"Column ", number(first)})
                             : joined({"Columns ", number(first), " to ", number(end - 1)});
        TraceState& state =
            add(Kind::Columns,
                first,
                end,
                title,
                joined({number(gone),
                        " of ",
                        number(story_.rows() * (end - first)),
                        run_.grids ? " weights become 0, the others are rounded;"
                                   : " weights become 0;",
                        " the columns to the right move to make up for it, those to the left are "
                        "final."}),
                s);
        Matrix<double> factor(1, story_.cols());
        std::copy(
            story_.factor.row(end - 1).begin(), story_.factor.row(end - 1).end(), factor.data());
        state.panels.push_back(
            bars("factor", "Row of U: how the error spreads to the right", share(factor)));
        state.regions.push_back(
            region("weights", RegionKind::Current, {0, first}, story_.rows(), end - first));
        if (first > 0) {
            state.regions.push_back(
                region("weights", RegionKind::Done, {0, 0}, story_.rows(), first));
        }
        addPruned(s.mask, {0, first}, {story_.rows(), end}, state.regions);
        state.focus = firstPruned(s.mask, first, end);
        state.marker = static_cast<double>(end);
    }

    [[nodiscard]] TraceCell firstPruned(const BitMask& mask,
                                        std::int64_t first,
                                        std::int64_t end) const {
        for (std::int64_t col = first; col < end; ++col) {
            for (std::int64_t row = 0; row < story_.rows(); ++row) {
                if (!mask.kept(row, col)) {
                    return {row, col};
                }
            }
        }
        return {0, first};
    }

    const SparseGptRun<T>& run_;
    Story& story_;
    Trace& trace_;
    Shared scores_;
    Shared mask_;
    TraceSeries curve_{"SparseGPT", {0}, {0}};
    double loss_ = 0;
    std::int64_t done_ = 0;
};

TraceNote scoreNote(const Story& story, TraceCell cell, double weight) {
    const double u = story.factor(cell.col, cell.col);
    TraceNote note;
    note.title = "Score";
    note.formula = "w^2 / U_jj^2";
    note.substituted = joined({factorText(weight), "^2 / ", number(u), "^2"});
    note.result = number(story.scores(cell.row, cell.col));
    note.note = joined({"U_jj^2 = ",
                        number(u * u),
                        " is the diagonal of the inverse of what is left of H, columns j and right "
                        "of it; the inverse of the whole H has ",
                        number(story.inverseDiagonal(cell.col)),
                        " there, and ranks differently"});
    return note;
}

TraceNote choiceNote(const Story& story, TraceCell cell) {
    TraceNote note;
    note.title = "Choice";
    if (story.hasPattern()) {
        note.formula = joined({number(story.spec.selection.keep),
                               " of every ",
                               number(story.spec.selection.block),
                               " neighbours are kept"});
        note.note = "N:M counts what is kept here; some codes count what is pruned";
    } else {
        note.formula = joined({"the smallest ",
                               number(100 * story.spec.selection.sparsity),
                               " % of the block go, over all rows"});
    }
    note.result = story.mask->kept(cell.row, cell.col) ? "kept" : "pruned";
    if (story.spec.earlier != nullptr && !story.spec.earlier->kept(cell.row, cell.col)) {
        note.note = "pruned by an earlier step, and counted as pruned";
    }
    return note;
}

/// The cell's own column: what it becomes, and the error of that.
void columnNotes(const Story& story, TraceCell cell, std::vector<TraceNote>& notes) {
    const double u = story.factor(cell.col, cell.col);
    const double error = story.errors(cell.row, cell.col);
    const double after = story.result(cell.row, cell.col);
    const double before = after + error * u;
    notes.push_back(scoreNote(story, cell, before));
    notes.push_back(choiceNote(story, cell));
    const bool kept = story.mask->kept(cell.row, cell.col);
    if (kept && story.output->weights->hasCodes()) {
        const ScaleGrid& scales = *story.output->weights->scales();
        const ScaleGrid& zeros = *story.output->weights->zeroPoints();
        const auto row = static_cast<std::size_t>(cell.row);
        notes.push_back({"Round",
                         "q = scale · (clamp(round(w / scale) + z) - z)",
                         joined({"round(",
                                 number(before),
                                 " / ",
                                 number(scales.values[row]),
                                 ") with z = ",
                                 number(zeros.values[row])}),
                         number(after),
                         "the grid of the row was laid over the dense weights"});
    }
    notes.push_back({"Error",
                     "e = (w - q) / U_jj",
                     joined({"(", number(before), plus(-after), ") / ", number(u)}),
                     number(error),
                     error == 0 ? "kept as it is: nothing to make up for"
                                : joined({"loss 1/2·e^2 = ", number(0.5 * error * error)})});
}

/// A cell right of the columns done: what their errors did to it.
TraceNote pushNote(const Story& story, const Moment& now, const Moment& before, TraceCell cell) {
    const double was = (*before.weights)(cell.row, cell.col);
    const double is = (*now.weights)(cell.row, cell.col);
    TraceNote note;
    note.title = "Push it to the right";
    note.note =
        "all columns right of the current one move, pruned or not yet; those to its left "
        "never do";
    note.result = number(is);
    if (now.end - now.first == 1) {
        note.formula = "w_k <- w_k - e·U_jk";
        note.substituted = joined({number(was),
                                   " - ",
                                   factorText(story.errors(cell.row, now.first)),
                                   " · ",
                                   factorText(story.factor(now.first, cell.col))});
    } else {
        note.formula = "w_k <- w_k - sum of e_j·U_jk over the columns done";
        note.substituted = joined({number(was), plus(is - was)});
    }
    return note;
}

std::vector<TraceNote> notesOf(const Story& story, std::size_t state, TraceCell cell) {
    std::vector<TraceNote> notes;
    if (cell.row < 0 || cell.row >= story.rows() || cell.col < 0 || cell.col >= story.cols()) {
        return notes;
    }
    const Moment& now = story.moments[state];
    const double value = (*now.weights)(cell.row, cell.col);
    const TraceNote idle{"Nothing happens here", "w_k stays", {}, number(value), {}};
    switch (now.kind) {
        case Kind::Dense:
            notes.push_back({"Weight", "w", {}, number(value), {}});
            break;
        case Kind::Mask:
            if (cell.col >= now.first && cell.col < now.end) {
                notes.push_back(scoreNote(story, cell, value));
                notes.push_back(choiceNote(story, cell));
            } else {
                notes.push_back(idle);
            }
            break;
        case Kind::Columns:
            if (cell.col >= now.first && cell.col < now.end) {
                columnNotes(story, cell, notes);
            } else if (cell.col >= now.end && cell.col < story.blockEnd(now.first)) {
                notes.push_back(pushNote(story, now, story.moments[state - 1], cell));
            } else {
                notes.push_back(idle);
                notes.back().note = cell.col < now.first
                                        ? "final: the sweep only moves what is right of it"
                                        : "right of the block: moves when the block is done";
            }
            break;
        case Kind::BlockEnd:
            notes.push_back(
                cell.col >= now.end ? pushNote(story, now, story.moments[state - 1], cell) : idle);
            break;
        case Kind::Result: {
            const double was = story.original(cell.row, cell.col);
            notes.push_back({"In all",
                             story.mask->kept(cell.row, cell.col) ? "kept and moved" : "pruned",
                             joined({number(was), plus(value - was)}),
                             number(value),
                             {}});
            break;
        }
    }
    return notes;
}

template <class T>
Result<std::shared_ptr<const Trace>> traceAs(const StepInput& input,
                                             const Params& params,
                                             const JobContext& ctx) {
    auto story = std::make_shared<Story>();
    auto trace = std::make_shared<Trace>();
    SparseGptRun<T> run;
    Recorder<T> recorder(run, *story, *trace);
    if (Result<void> done = runSparseGpt<T>(input, params, true, &recorder, ctx, run); !done) {
        return fail(done.error());
    }
    story->mask = run.result.mask;
    story->output = std::make_shared<StepOutput>(outputOf(input, run));
    Result<Matrix<double>> result = readWhole(*story->output->weights);
    if (!result) {
        return fail(result.error());
    }
    story->result = *result;
    story->spec.grids = nullptr;  // the run goes, the story stays
    trace->result = std::make_shared<Matrix<double>>(*result);
    recorder.finish(*result);
    const double direct =
        dampedLoss(run.problem.weights, *result, run.problem.hessian, run.factor.damping, ctx);
    trace->loss = TraceLoss{run.result.loss, direct};
    trace->summary = {{"Loss", run.result.loss, "1/2·tr(D·H·D'), H damped"},
                      {"Damping", run.factor.damping, "added to the diagonal of H"}};
    trace->lesson =
        "A pruned weight's share of the output is handed to the weights right of it, through the "
        "same factor U that GPTQ sweeps with. The weights move away from the dense ones, and the "
        "output stays closer to it than with any mask alone.";
    trace->explain = [story = std::shared_ptr<const Story>(story)](std::size_t state,
                                                                   TraceCell cell) {
        return notesOf(*story, state, cell);
    };
    return std::shared_ptr<const Trace>(std::move(trace));
}

}  // namespace

Result<std::shared_ptr<const Trace>> traceSparseGpt(const StepInput& input,
                                                    const Params& params,
                                                    const JobContext& ctx) {
    return sparseGptInDouble(input) ? traceAs<double>(input, params, ctx)
                                    : traceAs<float>(input, params, ctx);
}

}  // namespace loupe
