// SPDX-License-Identifier: Apache-2.0
// smoothquant told state by state: how hard each input is on both sides, s, both sides after it,
// rounding, and the way back.
#include "core/quant/smoothquant.hpp"
#include "core/quant/trace_layer.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

struct Story {
    TracedLayer layer;
    SmoothQuantResult result;
    double alpha = 0.5;
    Matrix<double> xSmooth;  ///< of all tokens told
    TraceMatrix wSmooth;
    TraceMatrix xCodes, wCodes;
    std::shared_ptr<const QuantizedMatrix> weights;
    TraceMatrix wAfter;
    double moved = 0;    ///< largest |XW' - (X/s)(W·s)'|
    double largest = 0;  ///< largest |XW'|

    [[nodiscard]] double s(std::int64_t col) const {
        return (*result.scale)[static_cast<std::size_t>(col)];
    }
};

using StoryPtr = std::shared_ptr<const Story>;

Result<TraceMatrix> codesOf(const UniformMatrix& matrix, std::int64_t rows) {
    Matrix<std::int32_t> codes(rows, matrix.cols());
    if (Result<void> done = matrix.codes(0, rows, codes.data()); !done) {
        return fail(done.error());
    }
    return asDoubles(codes, rows);
}

Result<StoryPtr> makeStory(const StepInput& input,
                           const StepOutput& output,
                           SmoothQuantResult result,
                           double alpha) {
    auto story = std::make_shared<Story>();
    story->result = std::move(result);
    story->alpha = alpha;
    story->weights = output.weights;
    Result<TracedLayer> layer = TracedLayer::read(input);
    if (!layer) {
        return fail(layer.error());
    }
    story->layer = std::move(*layer);
    Result<Matrix<double>> x = story->layer.tokensOf(story->result.activations->source());
    Result<Matrix<double>> w = readWhole(story->result.weights->source());
    Result<Matrix<double>> after = readWhole(*output.weights);
    const Result<TraceMatrix> xCodes = codesOf(*story->result.activations, story->layer.shown);
    const Result<TraceMatrix> wCodes =
        codesOf(*story->result.weights, story->result.weights->rows());
    for (const auto* matrix : {&x, &w, &after}) {
        if (!*matrix) {
            return fail(matrix->error());
        }
    }
    if (!xCodes || !wCodes) {
        return fail(xCodes ? wCodes.error() : xCodes.error());
    }
    story->xCodes = *xCodes;
    story->wCodes = *wCodes;
    const Matrix<double> before = outputsOf(*story->layer.x, *story->layer.w);
    const Matrix<double> smooth = outputsOf(*x, *w);
    story->largest = largestMagnitude(before);
    story->moved = largestMagnitude(*differenceOf(before, smooth));
    story->xSmooth = std::move(*x);
    story->wSmooth = std::make_shared<const Matrix<double>>(std::move(*w));
    story->wAfter = std::make_shared<const Matrix<double>>(std::move(*after));
    return StoryPtr(std::move(story));
}

class Teller {
public:
    explicit Teller(StoryPtr story) : story_(std::move(story)) {}

    std::shared_ptr<const Trace> tell(std::vector<TraceFigure> summary) {
        const auto& most = story_->result.xMost;
        hardest_ = std::max_element(most.begin(), most.end()) - most.begin();
        addLayer();
        addScale();
        addSmooth();
        addCodes();
        addBack();
        builder_.trace().summary = std::move(summary);
        builder_.trace().lesson =
            "Outliers of the activations sit in a few inputs, where a scale per token cannot help. "
            "Dividing each input by its s and multiplying its weights by the same s moves part of "
            "the difficulty to the weights. Slides say that weights are divided and that s > 1: "
            "they are multiplied, and s is below 1 where the weights are the harder side.";
        return builder_.finish(story_->wAfter);
    }

private:
    [[nodiscard]] TraceMatrix tokens(const Matrix<double>& x) const {
        return firstRows(x, story_->layer.shown);
    }

    void mark(TraceState& state) const {
        const std::string label = joined({"input ", std::to_string(hardest_)});
        for (const TracePanel& panel : state.panels) {
            if (panel.values->cols() == story_->layer.w->cols()) {
                state.regions.push_back(
                    {panel.id, RegionKind::Outlier, 0, hardest_, panel.values->rows(), 1, label});
            }
        }
        state.focus = {0, hardest_};
    }

    void addLayer() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "How hard each input is",
            joined({"Largest magnitudes of each input: activations are uneven (input ",
                    std::to_string(hardest_),
                    " reaches ",
                    traceNumber(s.result.xMost[static_cast<std::size_t>(hardest_)]),
                    "), weights much less so."}),
            [story = story_](TraceCell cell) {
                const auto at = static_cast<std::size_t>(cell.col);
                return std::vector<TraceNote>{{"Activation",
                                               "x of this token and input",
                                               {},
                                               traceNumber((*story->layer.x)(cell.row, cell.col))},
                                              {"Both sides of this input",
                                               "max |X_j| and max |W_j|",
                                               {},
                                               joined({traceNumber(story->result.xMost[at]),
                                                       " and ",
                                                       traceNumber(story->result.wMost[at])})}};
            });
        addTokenPanel(state, s.layer, "x", "Activations X", PanelKind::Signed, tokens(*s.layer.x));
        TraceBuilder::panel(state, "weights", "Weights W", PanelKind::Signed, s.layer.w);
        TraceBuilder::bars(state, "x_most", "max |X_j|", "input channel", s.result.xMost);
        TraceBuilder::bars(state, "w_most", "max |W_j|", "input channel", s.result.wMost);
        mark(state);
    }

    void addScale() {
        const Story& s = *story_;
        const auto below = std::count_if(
            s.result.scale->begin(), s.result.scale->end(), [](double v) { return v < 1; });
        TraceState& state = builder_.add(
            "A factor s for each input",
            joined({"Inputs with large activations get a large s. ",
                    below > 0 ? joined({"It need not exceed 1: here ",
                                        std::to_string(below),
                                        " of ",
                                        std::to_string(s.result.scale->size()),
                                        " are smaller."})
                              : "Here none is below 1, though s may be."}),
            [story = story_](TraceCell cell) {
                const auto at = static_cast<std::size_t>(cell.col);
                const double x = std::max(story->result.xMost[at], kLeastMaximum);
                const double w = std::max(story->result.wMost[at], kLeastMaximum);
                const std::string a = traceNumber(story->alpha);
                return std::vector<TraceNote>{
                    {joined({"s of input ", std::to_string(cell.col)}),
                     "s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)",
                     joined({traceNumber(x), "^", a, " / ", traceNumber(w), "^(1 - ", a, ")"}),
                     traceNumber(story->s(cell.col))}};
            });
        TraceBuilder::bars(state, "s", "s of each input", "input channel", *s.result.scale);
        TraceBuilder::bars(state, "x_most", "max |X_j|", "input channel", s.result.xMost);
        TraceBuilder::bars(state, "w_most", "max |W_j|", "input channel", s.result.wMost);
        mark(state);
        state.figures.push_back({"alpha", s.alpha, "0: all to the activations, 1: to the weights"});
    }

    void addSmooth() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Divide X, multiply W",
            "Each input of X is divided by its s, its weights are multiplied by it: the product "
            "stays as "
            "it was.",
            [story = story_](TraceCell cell) {
                const double x = (*story->layer.x)(cell.row, cell.col);
                const double factor = story->s(cell.col);
                const auto at = static_cast<std::size_t>(cell.col);
                return std::vector<TraceNote>{
                    {"Divide the activation",
                     "x / s_j",
                     joined({traceNumber(x), " / ", traceNumber(factor)}),
                     traceNumber(story->xSmooth(cell.row, cell.col))},
                    {"Largest activation of the input",
                     "max|X_j| / s_j",
                     joined({traceNumber(story->result.xMost[at]), " / ", traceNumber(factor)}),
                     traceNumber(story->result.xMost[at] / factor)},
                    {"Largest weight of the input",
                     "max|W_j| · s_j",
                     joined({traceNumber(story->result.wMost[at]), " · ", traceNumber(factor)}),
                     traceNumber(story->result.wMost[at] * factor)}};
            });
        addTokenPanel(state, s.layer, "x_smooth", "X / s", PanelKind::Signed, tokens(s.xSmooth));
        TraceBuilder::panel(state, "w_smooth", "W · s", PanelKind::Signed, s.wSmooth);
        std::vector<double> x = s.result.xMost;
        std::vector<double> w = s.result.wMost;
        for (std::size_t j = 0; j < x.size(); ++j) {
            x[j] /= (*s.result.scale)[j];
            w[j] *= (*s.result.scale)[j];
        }
        TraceBuilder::bars(state, "x_most", "max |X_j| / s_j", "input channel", x);
        TraceBuilder::bars(state, "w_most", "max |W_j| · s_j", "input channel", w);
        mark(state);
        state.figures.push_back({"Change of the product",
                                 s.moved,
                                 joined({"largest |XW' - (X/s)(W·s)'|, beside outputs of up to ",
                                         traceNumber(s.largest)})});
    }

    void addCodes() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Round both sides",
            "Only now are activations and weights rounded to integers: the large steps that the "
            "outliers forced on every token are gone.",
            [story = story_](TraceCell cell) {
                return notesOf(story->result.activations->explain(cell.row, cell.col));
            });
        TracePanel& x =
            addTokenPanel(state, s.layer, "x_codes", "Codes of X / s", PanelKind::Codes, s.xCodes);
        x.limit = static_cast<double>(s.result.activations->codeRange().second);
        TraceBuilder::panel(state,
                            "w_codes",
                            "Codes of W · s",
                            PanelKind::Codes,
                            s.wCodes,
                            static_cast<double>(s.result.weights->codeRange().second));
    }

    void addBack() {
        TraceState& state =
            builder_.add("In original coordinates",
                         "Divided by s again, the weights can be compared with those before. When "
                         "the model runs "
                         "nothing is divided: s is folded into the layer before.",
                         [story = story_](TraceCell cell) {
                             return notesOf(story->weights->explain(cell.row, cell.col));
                         });
        TraceBuilder::panel(
            state, "weights", "Weights after the step", PanelKind::Signed, story_->wAfter);
        addErrorFigures(state.figures, *story_->layer.w, *story_->wAfter);
    }

    StoryPtr story_;
    TraceBuilder builder_;
    std::int64_t hardest_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceSmoothQuant(const StepInput& input,
                                                      const Params& params,
                                                      const JobContext& ctx) {
    Result<SmoothQuantResult> result = smoothAndQuantize(input, params, ctx);
    if (!result) {
        return fail(result.error());
    }
    const StepOutput output = smoothQuantOutput(input, *result);
    const auto plainW = makeUniform(input.weights, result->weights->spec(), ctx, false);
    const bool dynamic = params.is("act_range", "dynamic");
    const auto plainX = makeUniformActivations(
        input.activations, result->activations->spec(), dynamic ? 0 : input.calibrationRows, ctx);
    if (!plainW || !plainX) {
        return fail(plainW ? plainX.error() : plainW.error());
    }
    const Result<StoryPtr> story =
        makeStory(input, output, std::move(*result), params.real("alpha"));
    if (!story) {
        return fail(story.error());
    }
    Result<std::vector<TraceFigure>> summary =
        compareWithPlain((*story)->layer, output, **plainW, plainX->get(), "rounding without s");
    if (!summary) {
        return fail(summary.error());
    }
    return Teller(*story).tell(std::move(*summary));
}

}  // namespace loupe
