// SPDX-License-Identifier: Apache-2.0
// hqq told iteration by iteration: errors, what the shrinkage leaves of them, where the zero points
// move.
#include "core/quant/hqq.hpp"
#include "core/quant/trace_builder.hpp"

#include <algorithm>

namespace loupe {

namespace {

/// What the solver saw, kept.
template <class T>
class Recording final : public HqqObserver<T> {
public:
    void iteration(const HqqGrids<T>& grids, double meanError) override {
        grids_.push_back(std::make_shared<const HqqGrids<T>>(grids));
        errors_.push_back(meanError);
    }
    std::vector<std::shared_ptr<const HqqGrids<T>>> grids_;
    std::vector<double> errors_;
};

template <class T>
class HqqTeller {
public:
    using Problem = std::shared_ptr<const HqqProblem<T>>;
    using Grids = std::shared_ptr<const HqqGrids<T>>;

    explicit HqqTeller(Problem problem)
        : problem_(std::move(problem)),
          original_(whole([](const auto& p, auto row, auto col) { return p.weights(row, col); })) {
        limit_ = largestMagnitude(*original_);
    }

    Result<std::shared_ptr<const Trace>> tell(const StepInput& input, const JobContext& ctx) {
        Recording<T> seen;
        const auto last = std::make_shared<const HqqGrids<T>>(solveHqq<T>(*problem_, &seen, ctx));
        const StepOutput output = hqqOutput(input, *problem_, *last, ctx);
        Result<Matrix<double>> result = readWhole(*output.weights);
        if (!result) {
            return fail(result.error());
        }
        const auto after = std::make_shared<const Matrix<double>>(std::move(*result));
        addStart(seen.grids_.empty() ? last : seen.grids_[0]);
        for (std::size_t k = 0; k < seen.grids_.size(); ++k) {
            addIteration(k,
                         seen.grids_[k],
                         k + 1 < seen.grids_.size() ? seen.grids_[k + 1] : last,
                         seen.errors_[k]);
        }
        addEnd(last, after, seen.grids_.size());
        Result<std::vector<TraceFigure>> summary = traceSummary(input, *original_, *after);
        if (!summary) {
            return fail(summary.error());
        }
        addCurve(seen.errors_, *after);
        builder_.trace().summary = std::move(*summary);
        builder_.trace().lesson =
            "Only the zero point moves, a closed-form mean: no data, no gradients. The absolute "
            "error falls because the shrinkage lets a few weights keep a large error.";
        return builder_.finish(after);
    }

private:
    template <class F>
    [[nodiscard]] TraceMatrix whole(const F& valueOf) const {
        auto m =
            std::make_shared<Matrix<double>>(problem_->weights.rows(), problem_->weights.cols());
        for (std::int64_t row = 0; row < m->rows(); ++row) {
            for (std::int64_t col = 0; col < m->cols(); ++col) {
                (*m)(row, col) = static_cast<double>(valueOf(*problem_, row, col));
            }
        }
        return m;
    }

    struct Cell {
        T weight, scale, zero, code, value, error, shrunk;
    };
    static Cell work(const HqqProblem<T>& problem, const HqqGrids<T>& grids, TraceCell at) {
        const std::size_t group = problem.groupOf(at.row, at.col);
        Cell cell{};
        cell.weight = problem.weights(at.row, at.col);
        cell.scale = grids.scale[group];
        cell.zero = grids.zero[group];
        cell.code = problem.code(cell.weight, cell.scale, cell.zero);
        cell.value = problem.value(cell.code, cell.scale, cell.zero);
        cell.error = cell.weight - cell.value;
        cell.shrunk = problem.shrink(cell.error);
        return cell;
    }

    static std::string text(T value) { return traceNumber(static_cast<double>(value)); }
    static std::string operand(T value) { return traceOperand(static_cast<double>(value)); }

    static std::vector<double> zerosOf(const HqqGrids<T>& grids) {
        return {grids.zero.begin(), grids.zero.end()};
    }

    void addStart(const Grids& first) {
        TraceState& weights = builder_.add("Weights", "What is stored before anything is done.");
        builder_.panel(weights, "weights", "Weights", PanelKind::Signed, original_, limit_);
        const Problem problem = problem_;
        TraceState& state = builder_.add(
            "Scale and first zero point",
            "The range of each group gives its scale, which stays; its zero point is where 0 lies "
            "on that grid, a real number from here on.",
            [problem, first](TraceCell at) {
                const Cell cell = work(*problem, *first, at);
                const std::int64_t begin = at.col / problem->group * problem->group;
                const std::int64_t end = std::min(begin + problem->group, problem->weights.cols());
                const auto [low, high] =
                    std::minmax_element(problem->weights.row(at.row).begin() + begin,
                                        problem->weights.row(at.row).begin() + end);
                if (*low == *high && *low != 0) {
                    return oneValue(cell, *low);
                }
                const std::string steps = std::to_string((std::int64_t{1} << problem->bits) - 1);
                return std::vector<TraceNote>{
                    {"Scale",
                     "s = (max - min) / (2^b - 1)",
                     joined({"(", text(*high), " - ", operand(*low), ") / ", steps}),
                     text(cell.scale),
                     *high - *low > T{1e-4F} ? "" : "nearly constant group: 1"},
                    {"Zero point",
                     problem->bits == 4 ? "z = round(-min / s) - 2^(b-1)"
                                        : "z = -min / s - 2^(b-1)",
                     joined({"-",
                             operand(*low),
                             " / ",
                             text(cell.scale),
                             " - ",
                             text(-problem->lowest())}),
                     text(cell.zero),
                     {}}};
            });
        builder_.panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        builder_.bars(state, "zeros", "Zero point of each group", "group", zerosOf(*first));
        regions(state);
    }

    /// A group whose weights are all `value`: exact, whatever the rule would say.
    static std::vector<TraceNote> oneValue(const Cell& cell, T value) {
        return {{"Scale",
                 "s = |w|",
                 joined({"|", text(value), "|"}),
                 text(cell.scale),
                 "every weight of the group is the same: exact"},
                {"Zero point", "z = -sign(w)", "", text(cell.zero), {}}};
    }

    /// The group of the first row that holds the focus.
    void regions(TraceState& state) const {
        const std::int64_t width = std::min(problem_->group, problem_->weights.cols());
        state.regions.push_back(
            {"weights", RegionKind::Group, 0, 0, 1, width, "shares a scale and a zero point"});
    }

    void addIteration(std::size_t k, const Grids& now, const Grids& next, double mean) {
        const Problem problem = problem_;
        TraceState& state = builder_.add(
            joined({"Iteration ", std::to_string(k + 1)}),
            "Round on the grid of now, shrink the errors, and move each zero point to the mean of "
            "what the codes ask for.",
            [problem, now, next](TraceCell at) { return notes(*problem, *now, *next, at); });
        const auto part = [&](T Cell::*member) {
            return whole([&](const auto& p, auto row, auto col) {
                return work(p, *now, {row, col}).*member;
            });
        };
        builder_.panel(
            state, "weights", "Weights on the grid", PanelKind::Signed, part(&Cell::value), limit_);
        builder_.panel(state, "error", "Error w - w^", PanelKind::Signed, part(&Cell::error));
        builder_.panel(
            state, "shrunk", "Error after the shrinkage", PanelKind::Signed, part(&Cell::shrunk));
        builder_.bars(state, "zeros", "Next zero point of each group", "group", zerosOf(*next));
        state.figures.push_back({"Mean |error|", mean, "over all weights"});
        double moved = 0;
        for (std::size_t i = 0; i < now->zero.size(); ++i) {
            moved = std::max(moved, std::fabs(static_cast<double>(next->zero[i] - now->zero[i])));
        }
        state.figures.push_back({"Largest move of a zero point", moved, {}});
        state.marker = static_cast<double>(k);
        regions(state);
    }

    static std::vector<TraceNote> notes(const HqqProblem<T>& problem,
                                        const HqqGrids<T>& now,
                                        const HqqGrids<T>& next,
                                        TraceCell at) {
        const Cell cell = work(problem, now, at);
        const T asks = cell.code - (cell.weight - cell.shrunk) / cell.scale;
        std::vector<TraceNote> notes = rounding(cell);
        notes.push_back({"Error",
                         "e = w - w^",
                         joined({text(cell.weight), " - ", operand(cell.value)}),
                         text(cell.error),
                         {}});
        notes.push_back({"Shrink",
                         "e' = sign(e) · max(|e| - |e|^(-0.3) / 10, 0)",
                         joined({"|e| = ", text(std::fabs(cell.error))}),
                         text(cell.shrunk),
                         cell.shrunk == 0 ? "too small: counts as rounding noise" : ""});
        notes.push_back({"What this weight asks for",
                         "z = q - (w - e') / s",
                         joined({text(cell.code),
                                 " - (",
                                 text(cell.weight),
                                 " - ",
                                 operand(cell.shrunk),
                                 ") / ",
                                 text(cell.scale)}),
                         text(asks),
                         problem.counts(at.row, at.col) ? "" : "pruned: does not count"});
        notes.push_back({"Next zero point",
                         "the mean over the group",
                         joined({"was ", text(cell.zero)}),
                         text(next.zero[problem.groupOf(at.row, at.col)]),
                         {}});
        return notes;
    }

    static std::vector<TraceNote> rounding(const Cell& cell) {
        return {
            {"Round",
             "q = clamp(round(w / s + z))",
             joined({text(cell.weight), " / ", text(cell.scale), " + ", operand(cell.zero)}),
             text(cell.code),
             {}},
            {"Becomes",
             "w^ = s · (q - z)",
             joined({text(cell.scale), " · (", text(cell.code), " - ", operand(cell.zero), ")"}),
             text(cell.value),
             {}}};
    }

    void addEnd(const Grids& last, const TraceMatrix& after, std::size_t iterations) {
        const Problem problem = problem_;
        TraceState& state = builder_.add(
            "Round with the last zero points",
            "Codes, scales and real zero points are stored; each weight becomes s · (q - z).",
            [problem, last](TraceCell at) {
                const Cell cell = work(*problem, *last, at);
                std::vector<TraceNote> notes = rounding(cell);
                notes.push_back({"Error",
                                 "w - w^",
                                 joined({text(cell.weight), " - ", operand(cell.value)}),
                                 text(cell.error),
                                 {}});
                return notes;
            });
        builder_.panel(state, "weights", "Weights on the grid", PanelKind::Signed, after, limit_);
        builder_.panel(
            state, "error", "Error w - w^", PanelKind::Signed, differenceOf(*original_, *after));
        builder_.bars(state, "zeros", "Zero point of each group", "group", zerosOf(*last));
        addErrorFigures(state.figures, *original_, *after);
        state.marker = static_cast<double>(iterations);
    }

    void addCurve(const std::vector<double>& errors, const Matrix<double>& after) {
        TraceSeries series{"mean |w - w^|", {}, errors};
        double sum = 0;
        for (std::int64_t i = 0; i < after.size(); ++i) {
            sum += std::fabs(original_->data()[i] - after.data()[i]);
        }
        series.y.push_back(sum / static_cast<double>(after.size()));
        for (std::size_t k = 0; k < series.y.size(); ++k) {
            series.x.push_back(static_cast<double>(k));
        }
        builder_.trace().curves.push_back({"error",
                                           "Mean absolute error",
                                           "iterations done",
                                           "mean |w - w^|",
                                           {std::move(series)},
                                           false});
    }

    Problem problem_;
    TraceBuilder builder_;
    TraceMatrix original_;
    double limit_ = 0;
};

template <class T>
Result<std::shared_ptr<const Trace>> traceAs(const StepInput& input,
                                             const Params& params,
                                             const JobContext& ctx) {
    Result<HqqProblem<T>> problem = hqqProblem<T>(input, params, ctx);
    if (!problem) {
        return fail(problem.error());
    }
    // The mask must outlive the notes: copied into what they keep.
    struct Kept {
        std::shared_ptr<const BitMask> mask;
        HqqProblem<T> problem;
    };
    auto kept = std::make_shared<Kept>(Kept{input.mask, std::move(*problem)});
    HqqTeller<T> teller(std::shared_ptr<const HqqProblem<T>>(kept, &kept->problem));
    return teller.tell(input, ctx);
}

}  // namespace

Result<std::shared_ptr<const Trace>> traceHqq(const StepInput& input,
                                              const Params& params,
                                              const JobContext& ctx) {
    return input.weights->isDouble() ? traceAs<double>(input, params, ctx)
                                     : traceAs<float>(input, params, ctx);
}

}  // namespace loupe
