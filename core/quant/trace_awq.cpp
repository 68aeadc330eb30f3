// SPDX-License-Identifier: Apache-2.0
// awq told state by state: every ratio of the search with its s and its output error, the clipped
// groups, codes, and the way back.
#include "core/quant/awq.hpp"
#include "core/quant/trace_layer.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

struct Story {
    TracedLayer layer;
    AwqResult result;
    std::shared_ptr<const QuantizedMatrix> weights;  ///< in original coordinates
    std::vector<TraceMatrix> scaled;                 ///< W·s of each ratio
    TraceMatrix codes;
    TraceMatrix wAfter;
    std::vector<double> errors;  ///< relative output error of each ratio, or RMS
    bool relative = true;
    double limit = 0;  ///< largest |W·s| of all ratios

    [[nodiscard]] const AwqSearch& search() const { return result.search; }
    [[nodiscard]] std::string ratio(std::size_t k) const { return traceNumber(search().ratios[k]); }
};

using StoryPtr = std::shared_ptr<const Story>;

/// What turns a mean squared error into a relative error: the outputs' mean square over the
/// calibration tokens. 0 where those are not all told.
double outputPower(const StepInput& input, const TracedLayer& layer) {
    const std::int64_t tokens = input.calibrationRows > 0
                                    ? std::min(input.calibrationRows, layer.allTokens)
                                    : layer.allTokens;
    if (tokens > layer.x->rows()) {
        return 0;
    }
    const Matrix<double> y = outputsOf(*firstRows(*layer.x, tokens), *layer.w);
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
        sum += y.data()[i] * y.data()[i];
    }
    return y.size() > 0 ? sum / static_cast<double>(y.size()) : 0;
}

Result<StoryPtr> makeStory(const StepInput& input, AwqResult result) {
    auto story = std::make_shared<Story>();
    story->result = std::move(result);
    Result<TracedLayer> layer = TracedLayer::read(input);
    if (!layer) {
        return fail(layer.error());
    }
    story->layer = std::move(*layer);
    for (const std::vector<double>& scale : story->search().scales) {
        const ScaledRows rows(
            input.weights, std::make_shared<const std::vector<double>>(scale), false);
        Result<Matrix<double>> scaled = readWhole(rows);
        if (!scaled) {
            return fail(scaled.error());
        }
        story->limit = std::max(story->limit, largestMagnitude(*scaled));
        story->scaled.push_back(std::make_shared<const Matrix<double>>(std::move(*scaled)));
    }
    story->weights = std::make_shared<ScaledQuantized>(story->result.inner, story->result.scale);
    Matrix<std::int32_t> codes(input.weights->rows(), input.weights->cols());
    const Result<void> done = story->weights->codes(0, codes.rows(), codes.data());
    Result<Matrix<double>> after = readWhole(*story->weights);
    if (!done || !after) {
        return fail(done ? after.error() : done.error());
    }
    story->codes = asDoubles(codes, codes.rows());
    story->wAfter = std::make_shared<const Matrix<double>>(std::move(*after));
    const double power = outputPower(input, story->layer);
    story->relative = power > 0;
    for (const double loss : story->search().losses) {
        story->errors.push_back(std::sqrt(loss / (power > 0 ? power : 1)));
    }
    return StoryPtr(std::move(story));
}

class Teller {
public:
    explicit Teller(StoryPtr story) : story_(std::move(story)) {}

    std::shared_ptr<const Trace> tell(std::vector<TraceFigure> summary) {
        const std::vector<double>& mean = story_->search().meanMagnitude;
        loudest_ = std::max_element(mean.begin(), mean.end()) - mean.begin();
        addLayer();
        for (std::size_t k = 0; k < story_->search().ratios.size(); ++k) {
            addRatio(k);
        }
        addBest();
        if (!story_->result.clip.shrinks.empty()) {
            addClip();
        }
        addCodes();
        addBack();
        addCurve();
        builder_.trace().summary = std::move(summary);
        builder_.trace().lesson =
            "What a weight's rounding costs depends on the activations that it meets. One "
            "exponent, "
            "found by trying a few, protects the inputs that matter: no weight is kept in 16 bits, "
            "and nothing is learned.";
        return builder_.finish(story_->wAfter);
    }

private:
    [[nodiscard]] const char* errorName() const {
        return story_->relative ? "Relative output error" : "RMS output error";
    }

    void markLoudest(TraceState& state) const {
        for (const TracePanel& panel : state.panels) {
            if (panel.values->cols() == story_->layer.w->cols()) {
                state.regions.push_back({panel.id,
                                         RegionKind::Outlier,
                                         0,
                                         loudest_,
                                         panel.values->rows(),
                                         1,
                                         joined({"input ", std::to_string(loudest_)})});
            }
        }
        state.focus = {0, loudest_};
    }

    void addLayer() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "How loud each input is",
            joined({"The mean |x| of each input over the calibration tokens; input ",
                    std::to_string(loudest_),
                    " is the loudest, so errors of its weights weigh most."}),
            [story = story_](TraceCell cell) {
                return std::vector<TraceNote>{
                    {"Mean magnitude of the input",
                     "a_j = mean |x_tj| over tokens",
                     {},
                     traceNumber(
                         story->search().meanMagnitude[static_cast<std::size_t>(cell.col)])}};
            });
        addTokenPanel(state,
                      s.layer,
                      "x",
                      "Activations X",
                      PanelKind::Signed,
                      firstRows(*s.layer.x, s.layer.shown));
        TraceBuilder::panel(state, "weights", "Weights W", PanelKind::Signed, s.layer.w);
        TraceBuilder::bars(state, "mean", "mean |X_j|", "input channel", s.search().meanMagnitude);
        markLoudest(state);
    }

    static std::vector<TraceNote> explain(const Story& s, std::size_t k, TraceCell cell) {
        const auto at = static_cast<std::size_t>(cell.col);
        const double mean = s.search().meanMagnitude[at];
        const double power = std::max(std::pow(mean, s.search().ratios[k]), kAwqLeastScale);
        const double factor = s.search().scales[k][at];
        const double w = (*s.layer.w)(cell.row, cell.col);
        return {{"Raise the mean to the ratio",
                 "a_j^ratio",
                 joined({traceNumber(mean), "^", s.ratio(k)}),
                 traceNumber(power)},
                {"Normalise",
                 "s_j = a_j^ratio / sqrt(max · min)",
                 joined({traceNumber(power), " / ", traceNumber(power / factor)}),
                 traceNumber(factor)},
                {"Scale the weight",
                 "w · s_j",
                 joined({traceNumber(w), " · ", traceNumber(factor)}),
                 traceNumber((*s.scaled[k])(cell.row, cell.col))}};
    }

    void addScaled(TraceState& state, std::size_t k) {
        TraceBuilder::panel(
            state, "scaled", "W · s", PanelKind::Signed, story_->scaled[k], story_->limit);
        TraceBuilder::bars(
            state, "s", "s of each input", "input channel", story_->search().scales[k]);
    }

    void addRatio(std::size_t k) {
        const Story& s = *story_;
        const auto best = static_cast<std::size_t>(
            std::min_element(s.errors.begin(),
                             s.errors.begin() + static_cast<std::ptrdiff_t>(k) + 1) -
            s.errors.begin());
        TraceState& state = builder_.add(
            joined({"Ratio ", s.ratio(k)}),
            k == 0 ? "Ratio 0 is plain rounding: every s is 1."
                   : joined({"W · s is rounded and divided by s again; the output error is ",
                             traceNumber(s.errors[k]),
                             best == k ? ", the least so far." : ", which is no better."}),
            [story = story_, k](TraceCell cell) { return explain(*story, k, cell); });
        addScaled(state, k);
        markLoudest(state);
        state.figures.push_back({errorName(), s.errors[k], {}});
        state.figures.push_back(
            {"Least so far", s.errors[best], joined({"at ratio ", s.ratio(best)})});
        state.marker = s.search().ratios[k];
    }

    void addBest() {
        const Story& s = *story_;
        const std::size_t best = s.search().best;
        TraceState& state = builder_.add(
            "The best ratio",
            joined({"Ratio ",
                    s.ratio(best),
                    " gives the least output error of all that were tried; its s is kept."}),
            [story = story_, best](TraceCell cell) { return explain(*story, best, cell); });
        addScaled(state, best);
        markLoudest(state);
        state.figures.push_back({errorName(), s.errors[best], {}});
        state.figures.push_back({"Of plain rounding", s.errors[0], "ratio 0"});
        state.marker = s.search().ratios[best];
    }

    void addClip() {
        const Story& s = *story_;
        const AwqClip& clip = s.result.clip;
        const ScaleGrid& grid = *s.result.inner->scales();
        const auto count = std::count_if(
            clip.shrinks.begin(), clip.shrinks.end(), [](std::uint8_t v) { return v > 0; });
        TraceState& state = builder_.add(
            "Clip groups",
            joined({std::to_string(count),
                    " of ",
                    std::to_string(clip.shrinks.size()),
                    " groups round better with a narrower range, though their largest weights are "
                    "clipped."}),
            [story = story_](TraceCell cell) {
                const std::size_t at = story->result.inner->scales()->entryOf(cell.row, cell.col);
                const auto [low, high] = story->result.clip.intervals[at];
                const int shrink = story->result.clip.shrinks[at];
                return std::vector<TraceNote>{
                    {"Bound of the group",
                     "max |w·s| · (1 - i / 20)",
                     joined({"max |w·s| · (1 - ", std::to_string(shrink), " / 20)"}),
                     traceNumber(std::max(-low, high)),
                     "of i = 0 .. 9, the least error of the group's share of the output"},
                    {"Range",
                     "the group's weights, cut to the bound; 0 is in it",
                     {},
                     joined({traceNumber(low), " .. ", traceNumber(high)})}};
            });
        TraceBuilder::panel(
            state, "scaled", "W · s", PanelKind::Signed, s.scaled[s.search().best], s.limit);
        auto shrinks = std::make_shared<Matrix<double>>(grid.rows, grid.cols);
        std::transform(clip.shrinks.begin(), clip.shrinks.end(), shrinks->data(), [](auto v) {
            return 5.0 * v;
        });
        TraceBuilder::panel(
            state, "shrink", "Range taken off, %", PanelKind::Magnitude, shrinks, 45);
        state.panels.back().colAxis = "group";
        const Matrix<double>& scaled = *s.scaled[s.search().best];
        for (std::int64_t row = 0; row < scaled.rows(); ++row) {
            for (std::int64_t col = 0; col < scaled.cols(); ++col) {
                const auto [low, high] = clip.intervals[grid.entryOf(row, col)];
                if (scaled(row, col) < low || scaled(row, col) > high) {
                    state.regions.push_back({"scaled", RegionKind::Clamped, row, col, 1, 1, {}});
                }
            }
        }
        if (!state.regions.empty()) {
            state.focus = {state.regions[0].row, state.regions[0].col};
        }
    }

    void addCodes() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Round",
            "The scaled weights become codes: each group has a scale and a zero point.",
            [story = story_](TraceCell cell) {
                return notesOf(story->result.inner->explain(cell.row, cell.col));
            });
        const auto [low, high] = s.weights->codeRange();
        TraceBuilder::panel(state,
                            "codes",
                            "Codes",
                            PanelKind::Codes,
                            s.codes,
                            static_cast<double>(std::max(-low, high)));
        TraceBuilder::panel(
            state, "scaled", "W · s", PanelKind::Signed, s.scaled[s.search().best], s.limit);
    }

    void addBack() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Divide by s again",
            "Divided by s, the rounding error of loud inputs has shrunk with it; that of quiet "
            "inputs has grown.",
            [story = story_](TraceCell cell) {
                return notesOf(story->weights->explain(cell.row, cell.col));
            });
        TraceBuilder::panel(
            state, "weights", "Weights after the step", PanelKind::Signed, s.wAfter);
        TraceBuilder::panel(state,
                            "error",
                            "What rounding changed",
                            PanelKind::Signed,
                            differenceOf(*s.wAfter, *s.layer.w));
        TraceBuilder::bars(state, "s", "s of each input", "input channel", *s.result.scale);
        markLoudest(state);
        addErrorFigures(state.figures, *s.layer.w, *s.wAfter);
    }

    void addCurve() {
        const Story& s = *story_;
        const double best = s.search().ratios[s.search().best];
        TraceCurve curve{"search",
                         "Output error of each ratio tried",
                         "ratio",
                         errorName(),
                         {{"AWQ", s.search().ratios, s.errors},
                          {"plain rounding",
                           {s.search().ratios.front(), s.search().ratios.back()},
                           {s.errors[0], s.errors[0]}},
                          {"best", {best}, {s.errors[s.search().best]}}},
                         false};
        builder_.trace().curves.push_back(std::move(curve));
    }

    StoryPtr story_;
    TraceBuilder builder_;
    std::int64_t loudest_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceAwq(const StepInput& input,
                                              const Params& params,
                                              const JobContext& ctx) {
    Result<AwqResult> result = searchAwq(input,
                                         awqSpec(params),
                                         params.integer("grid"),
                                         params.flag("clip"),
                                         AwqCurve::Whole,
                                         ctx);
    if (!result) {
        return fail(result.error());
    }
    const auto plain = makeUniform(input.weights, awqSpec(params), ctx, false);
    if (!plain) {
        return fail(plain.error());
    }
    const Result<StoryPtr> story = makeStory(input, std::move(*result));
    if (!story) {
        return fail(story.error());
    }
    StepOutput output;
    output.weights = (*story)->weights;
    Result<std::vector<TraceFigure>> summary =
        compareWithPlain((*story)->layer, output, **plain, nullptr, "plain rounding");
    if (!summary) {
        return fail(summary.error());
    }
    return Teller(*story).tell(std::move(*summary));
}

}  // namespace loupe
