// SPDX-License-Identifier: Apache-2.0
// absmax and zeropoint told state by state: bound of each group, division, rounding, clamping,
// dequantization.
#include "core/base/assert.hpp"
#include "core/quant/range_search.hpp"
#include "core/quant/trace_builder.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// Groups that are shown one by one; the others together.
constexpr std::size_t kMostGroups = 16;

/// One group of weights that share a grid.
struct Group {
    std::size_t index = 0;
    std::vector<TraceCell> cells;  ///< in row-major order
    TraceRegion region;            ///< the cells are a rectangle
};

std::vector<Group> groupsOf(const UniformMatrix& matrix) {
    const ScaleGrid& grid = *matrix.scales();
    std::vector<Group> groups(grid.values.size());
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        for (std::int64_t col = 0; col < matrix.cols(); ++col) {
            const std::size_t index = grid.entryOf(row, col);
            groups[index].index = index;
            groups[index].cells.push_back({row, col});
        }
    }
    for (Group& group : groups) {
        const TraceCell first = group.cells.front();
        const TraceCell last = group.cells.back();
        group.region = {"weights",
                        RegionKind::Group,
                        first.row,
                        first.col,
                        last.row - first.row + 1,
                        last.col - first.col + 1,
                        {}};
    }
    return groups;
}

/// The rules of the lines of UniformMatrix::explain().
std::string formulaOf(const UniformSpec& spec, const std::string& label) {
    if (label == "scale") {
        if (spec.asymmetric) {
            return spec.range == GridRange::Restricted ? "s = (max - min) / (2^b - 2)"
                                                       : "s = (max - min) / (2^b - 1)";
        }
        switch (spec.range) {
            case GridRange::Restricted:
                return "s = a / (2^(b-1) - 1)";
            case GridRange::Full:
                return "s = 2a / (2^b - 1)";
            case GridRange::Power:
                return "s = a / 2^(b-1)";
        }
    }
    if (label == "1/scale") {
        return "S = 1 / s";
    }
    if (label == "zero point") {
        return "z = q_min - round(min / s)";
    }
    if (label == "code") {
        return spec.asymmetric ? "q = clamp(round(w / s) + z)" : "q = clamp(round(w / s))";
    }
    if (label == "becomes") {
        return spec.asymmetric ? "w^ = s · (q - z)" : "w^ = s · q";
    }
    return label == "error" ? "w^ - w" : std::string{};
}

std::string boundRule(const UniformSpec& spec) {
    switch (spec.clip) {
        case ClipRule::None:
            return spec.asymmetric ? (spec.forceZero ? "smallest and largest weight, 0 included"
                                                     : "smallest and largest weight")
                                   : "a = max|w|";
        case ClipRule::Value:
            return "the bound that was given";
        case ClipRule::Percentile:
            return joined({"the ", traceNumber(spec.percentile), " % quantile of |w|"});
        case ClipRule::Mse:
            return "the bound with the least sum of squared errors";
        case ClipRule::Entropy:
            break;
    }
    return "the bound with the least KL divergence of the histogram";
}

/// Lines of the matrix's own explanation, with their rules.
std::vector<TraceNote> notesOf(const UniformMatrix& matrix,
                               TraceCell cell,
                               std::initializer_list<std::string_view> labels) {
    std::vector<TraceNote> notes;
    for (const EquationLine& line : matrix.explain(cell.row, cell.col)) {
        if (std::find(labels.begin(), labels.end(), line.label) != labels.end()) {
            notes.push_back({line.label,
                             formulaOf(matrix.spec(), line.label),
                             line.expression,
                             line.result,
                             line.note});
        }
    }
    return notes;
}

template <class T>
class UniformTeller {
public:
    UniformTeller(std::shared_ptr<const UniformMatrix> matrix, const JobContext& ctx)
        : matrix_(std::move(matrix)), spec_(matrix_->spec()), ctx_(ctx) {}

    Result<std::shared_ptr<const Trace>> tell(const StepInput& input, const StepOutput& output) {
        const std::int64_t rows = matrix_->rows();
        weights_ = Matrix<T>(rows, matrix_->cols());
        if (Result<void> done = matrix_->source().read(0, rows, weights_.data()); !done) {
            return fail(done.error());
        }
        auto shown = std::make_shared<Matrix<double>>(rows, matrix_->cols());
        std::copy(weights_.data(), weights_.data() + weights_.size(), shown->data());
        original_ = shown;
        limit_ = largestMagnitude(*original_);
        TraceState& start = builder_.add(
            "Weights",
            "What is stored before anything is done.",
            [original = original_](TraceCell at) {
                return std::vector<TraceNote>{
                    {"Weight", "w", "as stored", traceNumber((*original)(at.row, at.col)), {}}};
            });
        stages_.show(start, "Weights", PanelKind::Signed, original_, limit_);
        const std::vector<Group> groups = groupsOf(*matrix_);
        const std::size_t single = groups.size() <= kMostGroups ? groups.size() : kMostGroups - 1;
        for (std::size_t i = 0; i < single; ++i) {
            ctx_.checkpoint();
            addBound(groups[i]);
        }
        if (single < groups.size()) {
            addOtherBounds(groups, single);
        }
        addElementwise(groups);
        return finish(input, output);
    }

private:
    [[nodiscard]] T scale(const Group& group) const {
        return static_cast<T>(matrix_->scales()->values[group.index]);
    }
    [[nodiscard]] std::int64_t zero(const Group& group) const {
        return spec_.asymmetric
                   ? static_cast<std::int64_t>(matrix_->zeroPoints()->values[group.index])
                   : 0;
    }
    [[nodiscard]] CellExplainer explainer(std::initializer_list<std::string_view> labels) const {
        return [matrix = matrix_, kept = std::vector<std::string_view>(labels)](TraceCell cell) {
            std::vector<TraceNote> notes;
            for (const std::string_view label : kept) {
                for (TraceNote& note : notesOf(*matrix, cell, {label})) {
                    notes.push_back(std::move(note));
                }
            }
            return notes;
        };
    }

    /// One number for each group: [rows, groups] or bars.
    void addScales(TraceState& state) const {
        const ScaleGrid& grid = *matrix_->scales();
        auto values = std::make_shared<Matrix<double>>(grid.rows, grid.cols);
        std::copy(grid.values.begin(), grid.values.end(), values->data());
        TracePanel panel;
        panel.id = "scales";
        panel.title = "Scale of each group";
        panel.kind = grid.rows == 1 ? PanelKind::Bars : PanelKind::Magnitude;
        panel.rowAxis = "output channel";
        panel.colAxis = spec_.per == ScalePer::Column ? "input channel" : "group";
        panel.values = std::move(values);
        state.panels.push_back(std::move(panel));
    }

    void addBound(const Group& group) {
        const auto [low, high] = matrix_->boundAt(group.index);
        const std::string scaleText = traceNumber(static_cast<double>(scale(group)));
        const std::string rule = boundRule(spec_);
        std::string sentence = spec_.asymmetric ? joined({"The range runs from ",
                                                          traceNumber(low),
                                                          " to ",
                                                          traceNumber(high),
                                                          " (",
                                                          rule,
                                                          "), so the scale is ",
                                                          scaleText,
                                                          " and 0 lies at code ",
                                                          std::to_string(zero(group)),
                                                          "."})
                                                : joined({"The bound is a = ",
                                                          traceNumber(high),
                                                          " (",
                                                          rule,
                                                          "), so one step is ",
                                                          scaleText,
                                                          "."});
        if (spec_.range == GridRange::Power) {
            sentence += joined({" With 2^(b-1) steps, a itself would be code ",
                                std::to_string(spec_.codeMax() + 1),
                                ": one more than there is."});
        }
        const auto bound = explainer({"scale", "1/scale", "zero point"});
        TraceState& state = builder_.add(
            "Bound and scale",
            std::move(sentence),
            [matrix = matrix_, bound, group, rule](TraceCell at) {
                std::vector<TraceNote> notes;
                if (matrix->scales()->entryOf(at.row, at.col) != group.index) {
                    return notes;  // another group's turn
                }
                const auto [a, b] = matrix->boundAt(group.index);
                notes.push_back({"Bound",
                                 rule,
                                 joined({std::to_string(group.cells.size()), " weights"}),
                                 matrix->spec().asymmetric
                                     ? joined({traceNumber(a), " .. ", traceNumber(b)})
                                     : traceNumber(b),
                                 {}});
                for (TraceNote& note : bound(at)) {
                    notes.push_back(std::move(note));
                }
                return notes;
            });
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        state.regions.push_back(group.region);
        state.focus = focusOf(group);
        state.figures.push_back({spec_.asymmetric ? "Largest" : "Bound a", high, {}});
        if (spec_.asymmetric) {
            state.figures.push_back({"Smallest", low, {}});
            state.figures.push_back({"Zero point", static_cast<double>(zero(group)), {}});
        }
        state.figures.push_back(
            {"Scale", static_cast<double>(scale(group)), "one step of the grid"});
        state.figures.push_back(
            {"Largest rounding error", static_cast<double>(scale(group)) / 2, "s / 2"});
        if (spec_.clip == ClipRule::Mse) {
            addSearch(group);
            builder_.trace().states.back().marker = high;
        }
    }

    void addOtherBounds(const std::vector<Group>& groups, std::size_t first) {
        TraceState& state = builder_.add("All other bounds",
                                         joined({"The same for the other ",
                                                 std::to_string(groups.size() - first),
                                                 " groups, at once."}),
                                         explainer({"scale", "1/scale", "zero point"}));
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        addScales(state);
        for (std::size_t i = first; i < groups.size(); ++i) {
            state.regions.push_back(groups[i].region);
        }
        state.focus = groups[first].cells.front();
    }

    /// The weight that sets the bound.
    [[nodiscard]] TraceCell focusOf(const Group& group) const {
        return *std::max_element(
            group.cells.begin(), group.cells.end(), [&](TraceCell a, TraceCell b) {
                return std::fabs(weights_(a.row, a.col)) < std::fabs(weights_(b.row, b.col));
            });
    }

    /// The candidates of the least-squares search in the order in which they were tried.
    void addSearch(const Group& group) {
        std::vector<T> values;
        for (const TraceCell& cell : group.cells) {
            values.push_back(weights_(cell.row, cell.col));
        }
        std::int64_t bad = -1;
        const GroupExtent<T> extent = extentOf<T>(values, bad);
        std::vector<std::pair<double, double>> tried;
        (void)searchMse<T>(
            extent.absmax(),
            [&](std::span<const T> bounds, std::span<double> sums) -> Result<void> {
                std::vector<UniformGrid<T>> grids;
                for (const T bound : bounds) {
                    const auto [low, high] = intervalFor(spec_, extent, bound);
                    grids.push_back(gridFor(spec_, low, high));
                }
                squaredErrors<T>(spec_, values, grids, sums);
                return {};
            },
            &tried);
        if (tried.empty()) {
            return;
        }
        std::vector<TraceCurve>& curves = builder_.trace().curves;
        if (curves.empty()) {
            curves.push_back({"search",
                              "Error of each bound tried",
                              "bound",
                              "sum of squared errors",
                              {},
                              false});
        }
        TraceSeries series{joined({"group ", std::to_string(curves[0].series.size())}), {}, {}};
        for (const auto& [bound, error] : tried) {
            series.x.push_back(bound);
            series.y.push_back(error);
        }
        curves[0].series.push_back(std::move(series));
    }

    void addElementwise(const std::vector<Group>& groups) {
        const auto blank = [&] {
            return std::make_shared<Matrix<double>>(weights_.rows(), weights_.cols());
        };
        const auto divide = blank();
        const auto round = blank();
        const auto clamp = blank();
        const auto result = blank();
        result_ = result;
        std::vector<TraceRegion> clamped;
        for (const Group& group : groups) {
            for (const TraceCell& cell : group.cells) {
                const T weight = weights_(cell.row, cell.col);
                const T quotient = weight / scale(group);
                const double rounded = std::nearbyint(static_cast<double>(quotient)) +
                                       static_cast<double>(zero(group));
                const std::int64_t code = codeOf(spec_, scale(group), zero(group), weight);
                (*divide)(cell.row, cell.col) = static_cast<double>(quotient);
                (*round)(cell.row, cell.col) = rounded;
                (*clamp)(cell.row, cell.col) = static_cast<double>(code);
                (*result)(cell.row, cell.col) =
                    static_cast<double>(scale(group) * static_cast<T>(code - zero(group)));
                if (rounded != static_cast<double>(code)) {
                    clamped.push_back({{}, RegionKind::Clamped, cell.row, cell.col, 1, 1, {}});
                }
            }
        }
        codes_ = std::max(largestMagnitude(*round), largestMagnitude(*clamp));
        addDivision(groups, divide);
        addRounding(divide, round);
        addClamping(round, clamp, clamped);
        addResult(result, std::move(clamped));
    }

    void addDivision(const std::vector<Group>& groups, const TraceMatrix& divide) {
        TraceState& state = builder_.add(
            "Divide by the scale",
            "Every weight in units of its group's step: what lies between two integers has to "
            "move.",
            [matrix = matrix_, original = original_, divide](TraceCell at) {
                const double s =
                    matrix->scales()->values[matrix->scales()->entryOf(at.row, at.col)];
                const double w = (*original)(at.row, at.col);
                return std::vector<TraceNote>{{"Quotient",
                                               "w / s",
                                               joined({traceOperand(w), " / ", traceNumber(s)}),
                                               traceNumber((*divide)(at.row, at.col)),
                                               {}}};
            });
        stages_.show(state, "Weights / scale", PanelKind::Signed, divide);
        if (groups.size() > 1) {
            addScales(state);
        }
    }

    void addRounding(const TraceMatrix& divide, const TraceMatrix& round) {
        const bool shifted = spec_.asymmetric;
        TraceState& state = builder_.add(
            "Round",
            shifted ? "To the nearest integer, ties to even, then shifted by the zero point."
                    : "To the nearest integer, ties to even.",
            [matrix = matrix_, divide, round, shifted](TraceCell at) {
                const double quotient = (*divide)(at.row, at.col);
                const double whole = std::nearbyint(quotient);
                std::vector<TraceNote> notes{
                    {"Round",
                     "round(w / s)",
                     joined({"round(", traceNumber(quotient), ")"}),
                     traceNumber(whole),
                     joined({"moved by ", traceNumber(whole - quotient)})}};
                if (shifted) {
                    const double zero =
                        matrix->zeroPoints()->values[matrix->zeroPoints()->entryOf(at.row, at.col)];
                    notes.push_back({"Shift",
                                     "+ z",
                                     joined({traceNumber(whole), " + ", traceOperand(zero)}),
                                     traceNumber((*round)(at.row, at.col)),
                                     {}});
                }
                return notes;
            });
        stages_.show(
            state, shifted ? "Rounded and shifted" : "Rounded", PanelKind::Codes, round, codes_);
    }

    void addClamping(const TraceMatrix& round,
                     const TraceMatrix& clamp,
                     const std::vector<TraceRegion>& clamped) {
        const std::string range =
            joined({std::to_string(spec_.codeMin()), " .. ", std::to_string(spec_.codeMax())});
        TraceState& state = builder_.add(
            "Clamp",
            joined({"Codes have ",
                    std::to_string(spec_.bits),
                    " bits: ",
                    range,
                    clamped.empty() ? "; nothing lies outside."
                                    : "; what lies outside takes the nearest code."}),
            [matrix = matrix_, round, clamp, range](TraceCell at) {
                const double before = (*round)(at.row, at.col);
                const double after = (*clamp)(at.row, at.col);
                std::vector<TraceNote> notes{
                    {"Clamp",
                     joined({"q = clamp(·, ", range, ")"}),
                     joined({"clamp(", traceNumber(before), ")"}),
                     traceNumber(after),
                     before == after ? "inside"
                                     : joined({traceNumber(before), " does not exist"})}};
                if (before != after && matrix->spec().range == GridRange::Power) {
                    const double steps = std::pow(2, matrix->spec().bits - 1);
                    const double bound =
                        matrix->boundAt(matrix->scales()->entryOf(at.row, at.col)).second;
                    notes.push_back({"The slide's scale",
                                     "S = 2^(b-1) / a",
                                     joined({traceNumber(steps), " / ", traceNumber(bound)}),
                                     traceNumber(steps / bound),
                                     "one step too many"});
                    notes.push_back({"The correct one",
                                     "S = (2^(b-1) - 1) / a",
                                     joined({traceNumber(steps - 1), " / ", traceNumber(bound)}),
                                     traceNumber((steps - 1) / bound),
                                     "a itself becomes the last code"});
                }
                return notes;
            });
        stages_.show(state, "Codes", PanelKind::Codes, clamp, codes_);
        state.regions = clamped;
        if (!clamped.empty()) {
            state.focus = {clamped[0].row, clamped[0].col};
        }
        state.figures.push_back({"Clamped weights", static_cast<double>(clamped.size()), {}});
    }

    void addResult(const TraceMatrix& result, std::vector<TraceRegion> clamped) {
        const bool power = spec_.range == GridRange::Power;
        TraceState& state = builder_.add(
            "Dequantize",
            "The codes times their scale: what the layer computes with, and how far it lies off.",
            [matrix = matrix_, power](TraceCell at) {
                std::vector<TraceNote> notes = notesOf(*matrix, at, {"becomes", "error"});
                const std::vector<TraceNote> code = notesOf(*matrix, at, {"code"});
                if (power && !code.empty() && !code[0].note.empty()) {
                    notes.push_back(
                        {"Why so far off",
                         "slide: S = 2^(b-1) / a",
                         code[0].note,
                         joined({"off by ",
                                 traceNumber(100 / std::pow(2, matrix->spec().bits - 1)),
                                 " % of a"}),
                         "correct: S = (2^(b-1) - 1) / a, where the largest weight is exact"});
                }
                return notes;
            });
        stages_.show(state,
                     "Dequantized weights",
                     PanelKind::Signed,
                     result,
                     std::max(limit_, largestMagnitude(*result)));
        TraceBuilder::panel(
            state, "error", "Error w^ - w", PanelKind::Signed, differenceOf(*result, *original_));
        state.regions = std::move(clamped);
        addErrorFigures(state.figures, *original_, *result);
    }

    Result<std::shared_ptr<const Trace>> finish(const StepInput& input, const StepOutput& output) {
        const TraceMatrix result = result_;
        Result<std::vector<TraceFigure>> summary =
            traceSummary(input, *original_, *result, output.activations);
        if (!summary) {
            return fail(summary.error());
        }
        builder_.trace().summary = std::move(*summary);
        if (Result<void> done = compare(input, *result); !done) {
            return fail(done.error());
        }
        return builder_.finish(result);
    }

    /// The same setting with the other kind of grid.
    Result<void> compare(const StepInput& input, const Matrix<double>& result) {
        Trace& trace = builder_.trace();
        if (spec_.range == GridRange::Power) {
            const std::string steps = std::to_string(spec_.codeMax() + 1);
            const std::string codes = std::to_string(spec_.codeMax());
            trace.lesson = joined({"Slides often write S = ",
                                   steps,
                                   " / max|w|. That sends the largest weight to code ",
                                   steps,
                                   ", which does not exist: it is clamped to ",
                                   codes,
                                   ". Correct is S = ",
                                   codes,
                                   " / max|w|, which keeps it exact."});
            return {};
        }
        if (spec_.clip != ClipRule::None) {
            trace.lesson =
                "A narrower range gives smaller steps for most weights and cuts off the few beyond "
                "it. That pays where codes are few and few weights are far out: usually 0.001 to "
                "0.1 % of them, not the 5 % of some slides.";
            return {};
        }
        UniformSpec other = spec_;
        other.asymmetric = !spec_.asymmetric;
        other.forceZero = true;
        other.range = other.asymmetric ? GridRange::Full : GridRange::Restricted;
        const auto matrix = makeUniform(input.weights, other, ctx_.withoutProgress(), false);
        if (!matrix) {
            return fail(matrix.error());
        }
        const Result<Matrix<double>> after = readWhole(**matrix);
        if (!after) {
            return fail(after.error());
        }
        std::vector<TraceFigure> figures;
        std::vector<TraceFigure> own;
        addErrorFigures(figures, *original_, *after);
        addErrorFigures(own, *original_, result);
        figures[0].label += other.asymmetric ? ", asymmetric grid" : ", symmetric grid";
        trace.summary.push_back(figures[0]);
        const double asymmetric = spec_.asymmetric ? own[0].value : figures[0].value;
        const double symmetric = spec_.asymmetric ? figures[0].value : own[0].value;
        trace.lesson =
            asymmetric > symmetric
                ? "Slides say that an asymmetric grid is more precise. Its steps are smaller, and "
                  "here it is worse all the same: how near the weights happen to lie to its "
                  "levels decides. It is better on average, not always."
                : "An asymmetric grid spends no codes on values that do not occur: its steps are "
                  "(max - min) / (2 · max|w|) of the symmetric grid's.";
        return {};
    }

    std::shared_ptr<const UniformMatrix> matrix_;
    const UniformSpec& spec_;
    const JobContext& ctx_;
    TraceBuilder builder_;
    Matrix<T> weights_;
    TraceMatrix original_;
    TraceMatrix result_;
    TraceBuilder::Stages stages_;
    double limit_ = 0;
    double codes_ = 0;  ///< largest code before clamping: one colour range for both panels
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceUniform(const StepInput& input,
                                                  const Params& params,
                                                  bool asymmetric,
                                                  const JobContext& ctx) {
    const Result<StepOutput> output = applyUniform(input, params, asymmetric, ctx);
    if (!output) {
        return fail(output.error());
    }
    auto matrix = std::dynamic_pointer_cast<const UniformMatrix>(output->weights);
    LOUPE_ASSERT(matrix != nullptr, "applyUniform gives a UniformMatrix");
    if (matrix->spec().stochastic) {
        return fail(ErrorCode::Unsupported, "stochastic rounding cannot be told state by state");
    }
    return matrix->isDouble() ? UniformTeller<double>(std::move(matrix), ctx).tell(input, *output)
                              : UniformTeller<float>(std::move(matrix), ctx).tell(input, *output);
}

}  // namespace loupe
