// SPDX-License-Identifier: Apache-2.0
// Optimal Brain Surgeon told weight by weight for the first rows, and row by row for the others.
#include "core/prune/obs.hpp"
#include "core/prune/pruner.hpp"
#include "core/prune/trace_parts.hpp"

#include <cmath>
#include <tuple>

namespace loupe {

namespace {

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

/// Weights told one by one, at most; the row that reaches it is told to its end.
constexpr std::size_t kMostSingles = 64;
constexpr std::int64_t kMostPerRow = 96;
constexpr std::int64_t kMostShownHessian = 128;

/// What a state is about.
struct Moment {
    std::int64_t row = -1;  ///< -1: the whole matrix
    std::int64_t col = -1;  ///< the weight that goes; -1: all of the row
    Shared weights;
    std::vector<double> before;    ///< the row before it went
    std::vector<double> diagonal;  ///< of inv(H) before it went; 0: gone
    std::vector<double> column;    ///< inv(H)[:, q] before it went
};

struct Story {
    Matrix<double> original;
    Matrix<double> hessian;
    std::shared_ptr<const BitMask> mask;
    bool hasPattern = false;
    std::vector<Moment> moments;
    [[nodiscard]] std::int64_t rows() const { return original.rows(); }
    [[nodiscard]] std::int64_t cols() const { return original.cols(); }
};

class Recorder final : public ObsRecorder {
public:
    Recorder(const ObsRun& run, Story& story, Trace& trace, const JobContext& ctx)
        : run_(run), story_(story), trace_(trace), ctx_(ctx), now_(story.original) {}

    void tellBeginning() {
        TraceState& state =
            add({},
                "Dense weights",
                joined({"H = 2X'X of the calibration rows; its inverse prices each "
                        "weight and says how the others make up for it",
                        run_.damping > 0 ? ". It was singular and is damped by 1 %." : "."}),
                {});
        addHessian(state, share(run_.inverse));
        state.marker = 0;
    }

    void choosing(std::int64_t row, std::int64_t col, const ObsRow& state) override {
        ctx_.checkpoint();
        finishRow(row);
        row_ = row;
        const auto n = static_cast<std::size_t>(story_.cols());
        moment_ = Moment{row, col, nullptr, {}, std::vector<double>(n), std::vector<double>(n)};
        moment_.before.assign(state.weights().begin(), state.weights().end());
        double price = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const auto at = static_cast<std::int64_t>(i);
            moment_.diagonal[i] = state.isLeft(at) ? state.inverse(at, at) : 0;
            moment_.column[i] = state.isLeft(at) ? state.inverse(at, col) : 0;
        }
        const double weight = moment_.before[static_cast<std::size_t>(col)];
        price = 0.5 * (story_.hessian(col, col) + run_.damping) * weight * weight;
        damagePrice_ += price;
        const std::int64_t step = (story_.cols() + kMostPerRow - 1) / kMostPerRow;
        told_ = !summary_ && gone_ % step == 0;
        if (!told_ || story_.cols() > kMostShownHessian) {
            return;
        }
        inverse_ = std::make_shared<Matrix<double>>(story_.cols(), story_.cols());
        for (std::int64_t i = 0; i < story_.cols(); ++i) {
            for (std::int64_t j = 0; j < story_.cols(); ++j) {
                (*inverse_)(i, j) = state.inverse(i, j);
            }
        }
    }

    void removed(std::int64_t row, std::int64_t col, double loss, const ObsRow& state) override {
        std::copy(state.weights().begin(), state.weights().end(), now_.row(row).begin());
        loss_ += loss;
        ++gone_;
        ++rowGone_;
        surgery_.x.push_back(static_cast<double>(gone_));
        surgery_.y.push_back(loss_);
        damage_.x.push_back(static_cast<double>(gone_));
        damage_.y.push_back(damagePrice_);
        if (!told_) {
            return;
        }
        ++singles_;
        TraceState& told = add(std::move(moment_),
                               joined({"Row ", number(row), ": weight ", number(col), " goes"}),
                               joined({"Its loss 1/2·w_q^2/[inv(H)]_qq = ",
                                       number(loss),
                                       story_.hasPattern ? " is the smallest of those that may go;"
                                                         : " is the smallest of the row;",
                                       " all that are left move, and q leaves the inverse."}),
                               {row, col});
        addSaliencies(told);
        addHessian(told, inverse_);
        told.regions.push_back(region("weights", RegionKind::Current, {row, 0}, 1, story_.cols()));
        told.regions.push_back(region("weights", RegionKind::Pruned, {row, col}, 1, 1));
        told.regions.push_back(region("saliency", RegionKind::Pruned, {0, col}, 1, 1));
        told.marker = static_cast<double>(gone_);
    }

    /// The row before `next` is done: one state for it where its weights were not told.
    void finishRow(std::int64_t next) {
        if (next == row_ || row_ < 0) {
            return;
        }
        if (summary_) {
            TraceState& state =
                add({row_, -1, nullptr, {}, {}, {}},
                    joined({"Row ", number(row_), ": ", number(rowGone_), " weights go"}),
                    "The same, one weight after the other.",
                    {row_, 0});
            state.regions.push_back(
                region("weights", RegionKind::Current, {row_, 0}, 1, story_.cols()));
            state.marker = static_cast<double>(gone_);
        }
        rowGone_ = 0;
        summary_ = summary_ || singles_ >= kMostSingles;
    }

    void finish() {
        finishRow(-2);
        TraceState& state = add({},
                                "Result",
                                "Pruned weights are exactly 0; what is left of each row is the "
                                "exact least-squares fit on its mask.",
                                {});
        state.panels[0].values = trace_.result;
        story_.moments.back().weights = trace_.result;
        state.panels.push_back(
            panel("mask", "Mask: 1 is kept", PanelKind::Mask, maskValues(*story_.mask)));
        state.marker = static_cast<double>(gone_);
        trace_.curves.push_back(
            {"loss", "Loss so far", "weights gone", "1/2·tr(D·H·D')", {surgery_, damage_}, false});
    }

private:
    TraceState& add(Moment moment, std::string title, std::string sentence, TraceCell focus) {
        TraceState state;
        state.title = std::move(title);
        state.sentence = std::move(sentence);
        state.panels.push_back(
            panel("weights", "Weights", PanelKind::Signed, share(now_), largest(story_.original)));
        state.focus = focus;
        state.figures = {{"Loss so far", loss_, "of the weights that went"},
                         {"Weights gone", static_cast<double>(gone_), {}}};
        moment.weights = state.panels[0].values;
        story_.moments.push_back(std::move(moment));
        trace_.states.push_back(std::move(state));
        return trace_.states.back();
    }

    void addSaliencies(TraceState& state) const {
        const Moment& moment = story_.moments.back();
        Matrix<double> saliency(1, story_.cols());
        for (std::int64_t i = 0; i < story_.cols(); ++i) {
            const auto at = static_cast<std::size_t>(i);
            const double w = moment.before[at];
            saliency(0, i) = moment.diagonal[at] > 0 ? 0.5 * w * w / moment.diagonal[at] : 0;
        }
        state.panels.push_back(
            bars("saliency", "Loss of each weight of the row, if it went", share(saliency)));
    }

    void addHessian(TraceState& state, const Shared& inverse) const {
        if (story_.cols() > kMostShownHessian || inverse == nullptr) {
            return;
        }
        for (const auto& [id, title, values] :
             {std::tuple<const char*, const char*, Shared>{
                  "hessian", "H = 2X'X", share(story_.hessian)},
              {"inverse", "inv(H) of the weights left, before this one goes", inverse}}) {
            TracePanel shown = panel(id, title, PanelKind::Signed, values, largest(*values));
            shown.rowAxis = "input channel";
            shown.subtitle = "rows and columns are input channels";
            state.panels.push_back(std::move(shown));
        }
    }

    const ObsRun& run_;
    Story& story_;
    Trace& trace_;
    const JobContext& ctx_;
    Matrix<double> now_;
    Moment moment_;
    std::shared_ptr<Matrix<double>> inverse_;
    TraceSeries surgery_{"OBS", {0}, {0}};
    TraceSeries damage_{"the same without moving the others (OBD)", {0}, {0}};
    double loss_ = 0;
    double damagePrice_ = 0;
    std::int64_t row_ = -1;
    std::int64_t gone_ = 0;
    std::int64_t rowGone_ = 0;
    std::size_t singles_ = 0;
    bool told_ = false;
    bool summary_ = false;  ///< rows are told as one state each
};

void saliencyNote(const Story& story,
                  const Moment& moment,
                  std::int64_t col,
                  std::vector<TraceNote>& notes) {
    const auto at = static_cast<std::size_t>(col);
    const double weight = moment.before[at];
    const double diagonal = moment.diagonal[at];
    const double h = story.hessian(col, col);
    notes.push_back({"Loss if it went",
                     "L_q = 1/2 · w_q^2 / [inv(H)]_qq",
                     joined({"1/2 · ", factorText(weight), "^2 / ", number(diagonal)}),
                     number(0.5 * weight * weight / diagonal),
                     joined({"without moving the others (OBD): 1/2 · ",
                             number(h),
                             " · w_q^2 = ",
                             number(0.5 * h * weight * weight),
                             ", never less"})});
}

void singleNotes(const Story& story,
                 const Moment& moment,
                 std::int64_t col,
                 std::vector<TraceNote>& notes) {
    const auto at = static_cast<std::size_t>(col);
    const auto q = static_cast<std::size_t>(moment.col);
    if (moment.diagonal[at] == 0) {
        notes.push_back({"Gone before", "w_q = 0", {}, "0", {}});
        return;
    }
    saliencyNote(story, moment, col, notes);
    if (col == moment.col) {
        notes.push_back({"It goes",
                         "the smallest L_q goes first",
                         {},
                         "0",
                         "its row and column leave inv(H): inv(H) - inv(H)[:,q]·inv(H)[q,:] / "
                         "[inv(H)]_qq"});
        return;
    }
    const double step = moment.before[q] / moment.diagonal[q];
    notes.push_back({"Make up for it",
                     "dw_j = -w_q / [inv(H)]_qq · [inv(H)]_jq",
                     joined({number(-moment.before[q]),
                             " / ",
                             number(moment.diagonal[q]),
                             " · ",
                             factorText(moment.column[at])}),
                     number(-step * moment.column[at]),
                     joined({"w_j = ",
                             number(moment.before[at]),
                             plus(-step * moment.column[at]),
                             " = ",
                             number(moment.before[at] - step * moment.column[at])})});
}

std::vector<TraceNote> notesOf(const Story& story, std::size_t state, TraceCell cell) {
    std::vector<TraceNote> notes;
    if (cell.row < 0 || cell.row >= story.rows() || cell.col < 0 || cell.col >= story.cols()) {
        return notes;
    }
    const Moment& moment = story.moments[state];
    const double value = (*moment.weights)(cell.row, cell.col);
    if (moment.col >= 0 && cell.row == moment.row) {
        singleNotes(story, moment, cell.col, notes);
        return notes;
    }
    const double was = story.original(cell.row, cell.col);
    if (state == 0) {
        const double h = story.hessian(cell.col, cell.col);
        notes.push_back({"Weight", "w", {}, number(value), {}});
        notes.push_back({"Price without moving the others (OBD)",
                         "1/2 · h_qq · w_q^2",
                         joined({"1/2 · ", number(h), " · ", factorText(value), "^2"}),
                         number(0.5 * h * value * value),
                         "the loss sums such terms over the pruned weights only"});
    } else {
        notes.push_back({"So far",
                         value == 0 ? "pruned" : "moved in all",
                         joined({number(was), plus(value - was)}),
                         number(value),
                         {}});
    }
    return notes;
}

}  // namespace

Result<std::shared_ptr<const Trace>> traceObs(const StepInput& input,
                                              const Params& params,
                                              const JobContext& ctx) {
    Result<ObsRun> run = prepareObs(input, ctx);
    if (!run) {
        return fail(run.error());
    }
    auto story = std::make_shared<Story>();
    auto trace = std::make_shared<Trace>();
    story->original = run->problem.weights;
    story->hessian = run->problem.hessian;
    const Selection selection = selectionOf(params);
    story->hasPattern = selection.keep > 0;
    Recorder recorder(*run, *story, *trace, ctx);
    recorder.tellBeginning();
    run->solved = run->problem.weights;
    run->result = solveObs(run->solved, run->inverse, input.mask.get(), selection, &recorder, ctx);
    story->mask = run->result.mask;
    Result<Matrix<double>> result = readWhole(*outputOf(input, *run).weights);
    if (!result) {
        return fail(result.error());
    }
    trace->result = std::make_shared<Matrix<double>>(*result);
    recorder.finish();
    trace->loss = TraceLoss{
        run->result.loss,
        dampedLoss(run->problem.weights, *result, run->problem.hessian, run->damping, ctx)};
    trace->summary = {{"Loss", run->result.loss, "1/2·tr(D·H·D')"},
                      {"Damping", run->damping, "0: H could be inverted as it is"}};
    trace->lesson =
        "A weight is cheap if the others can make up for it, not if it is small. OBS never pays "
        "more than OBD for the same weight, since its divisor 1 / diag(inv(H)) <= diag(H); the "
        "price is an inverse for every row.";
    trace->explain = [story = std::shared_ptr<const Story>(story)](std::size_t state,
                                                                   TraceCell cell) {
        return notesOf(*story, state, cell);
    };
    return std::shared_ptr<const Trace>(std::move(trace));
}

}  // namespace loupe
