// SPDX-License-Identifier: Apache-2.0
// llm_int8 told state by state: outlier inputs found and taken out, two products, their sum.
#include "core/base/assert.hpp"
#include "core/quant/integer_product.hpp"
#include "core/quant/llm_int8.hpp"
#include "core/quant/trace_layer.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// Everything that cells are explained with.
struct Story {
    TracedLayer layer;
    std::shared_ptr<const SplitWeights> weights;
    std::shared_ptr<const SplitActivations> activations;
    std::shared_ptr<const std::vector<std::int64_t>> order;  ///< ordinary inputs, then outliers
    std::shared_ptr<const std::vector<std::int64_t>> ordinary;
    TraceMatrix wAfter;
    TraceMatrix xCodes, wCodes;  ///< of ordinary inputs
    IntegerProduct integer;      ///< of the tokens shown
    Matrix<double> rest;         ///< 16-bit product
    Matrix<double> sum;
    Matrix<double> exact;

    [[nodiscard]] const OutlierSplit& split() const { return weights->split(); }
    [[nodiscard]] std::int64_t outliers() const {
        return static_cast<std::int64_t>(split().columns.size());
    }
    [[nodiscard]] double xScale(std::int64_t token) const {
        return split().tokenScale[static_cast<std::size_t>(token)];
    }
    [[nodiscard]] double wScale(std::int64_t row) const {
        return weights->scales()->values[static_cast<std::size_t>(row)];
    }
};

using StoryPtr = std::shared_ptr<const Story>;

TraceMatrix whole(Matrix<double> values) {
    return std::make_shared<const Matrix<double>>(std::move(values));
}

/// Codes of the ordinary inputs.
Matrix<std::int32_t> ordinaryCodes(const std::vector<std::int32_t>& codes,
                                   std::int64_t rows,
                                   std::int64_t cols,
                                   const std::vector<std::int64_t>& columns) {
    Matrix<std::int32_t> taken(rows, static_cast<std::int64_t>(columns.size()));
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t place = 0; place < taken.cols(); ++place) {
            taken(row, place) = codes[static_cast<std::size_t>(
                row * cols + columns[static_cast<std::size_t>(place)])];
        }
    }
    return taken;
}

Result<StoryPtr> makeStory(const StepInput& input, const StepOutput& output) {
    auto story = std::make_shared<Story>();
    Result<TracedLayer> layer = TracedLayer::read(input);
    if (!layer) {
        return fail(layer.error());
    }
    story->layer = std::move(*layer);
    story->weights = std::dynamic_pointer_cast<const SplitWeights>(output.weights);
    story->activations = std::dynamic_pointer_cast<const SplitActivations>(output.activations);
    LOUPE_ASSERT(story->weights != nullptr && story->activations != nullptr,
                 "applyLlmInt8 gives SplitWeights and SplitActivations");
    const OutlierSplit& split = story->split();
    auto order = std::make_shared<std::vector<std::int64_t>>();
    for (std::size_t j = 0; j < split.isOutlier.size(); ++j) {
        if (split.isOutlier[j] == 0) {
            order->push_back(static_cast<std::int64_t>(j));
        }
    }
    story->ordinary = std::make_shared<const std::vector<std::int64_t>>(*order);
    order->insert(order->end(), split.columns.begin(), split.columns.end());
    story->order = std::move(order);
    Result<Matrix<double>> after = readWhole(*output.weights);
    if (!after) {
        return fail(after.error());
    }
    story->wAfter = whole(std::move(*after));
    const std::int64_t tokens = story->layer.shown;
    const std::int64_t rows = story->weights->rows();
    const std::int64_t cols = story->weights->cols();
    std::vector<std::int32_t> xCodes(static_cast<std::size_t>(tokens * cols));
    std::vector<std::int32_t> wCodes(static_cast<std::size_t>(rows * cols));
    Result<void> done = story->activations->codes(0, tokens, xCodes.data());
    done = done ? story->weights->codes(0, rows, wCodes.data()) : done;
    if (!done) {
        return fail(done.error());
    }
    const Matrix<std::int32_t> x = ordinaryCodes(xCodes, tokens, cols, *story->ordinary);
    const Matrix<std::int32_t> w = ordinaryCodes(wCodes, rows, cols, *story->ordinary);
    story->xCodes = asDoubles(x, tokens);
    story->wCodes = asDoubles(w, rows);
    Result<IntegerProduct> product = integerProduct(
        {x.view(), {split.tokenScale.begin(), split.tokenScale.begin() + tokens}, {}},
        {w.view(), story->weights->scales()->values, {}});
    if (!product) {
        return fail(product.error());
    }
    story->integer = std::move(*product);
    const TraceMatrix shown = firstRows(*story->layer.x, tokens);
    story->rest =
        outputsOf(*takeColumns(*shown, split.columns), *takeColumns(*story->wAfter, split.columns));
    story->sum = story->rest;
    for (std::int64_t i = 0; i < story->sum.size(); ++i) {
        story->sum.data()[i] += story->integer.output.data()[i];
    }
    story->exact = outputsOf(*shown, *story->layer.w);
    return StoryPtr(std::move(story));
}

class Teller {
public:
    explicit Teller(StoryPtr story) : story_(std::move(story)) {}

    std::shared_ptr<const Trace> tell(std::vector<TraceFigure> summary) {
        addLayer();
        addOutliers();
        addRearranged();
        addMaxima();
        if (!story_->ordinary->empty()) {
            addCodes();
            addInt8();
        }
        if (story_->outliers() > 0) {
            addRest();
        }
        addSum();
        addResult();
        builder_.trace().summary = std::move(summary);
        builder_.trace().lesson =
            "A few inputs carry almost all of the large activations. Multiplying just those in 16 "
            "bits leaves every other token and weight a scale of its own size.";
        return builder_.finish(story_->wAfter);
    }

private:
    [[nodiscard]] const Story& story() const { return *story_; }
    [[nodiscard]] TraceMatrix tokens() const {
        return firstRows(*story().layer.x, story().layer.shown);
    }

    void addLayer() {
        TraceState& state = builder_.add(
            "The layer",
            "Y = X W': each token's activations meet the weights of "
            "every output channel.",
            [s = story_](TraceCell cell) {
                return std::vector<TraceNote>{{"Activation",
                                               "x of this token and input",
                                               {},
                                               traceNumber((*s->layer.x)(cell.row, cell.col))}};
            });
        addTokenPanel(state, story().layer, "x", "Activations X", PanelKind::Signed, tokens());
        TraceBuilder::panel(state, "weights", "Weights W", PanelKind::Signed, story().layer.w);
    }

    void addOutliers() {
        const OutlierSplit& split = story().split();
        const std::string threshold = traceNumber(split.threshold);
        TraceState& state = builder_.add(
            "Find the outlier inputs",
            joined({std::to_string(split.columns.size()),
                    " of ",
                    std::to_string(split.isOutlier.size()),
                    " inputs have an activation of at least ",
                    threshold,
                    " in some token: the whole input counts as an outlier."}),
            [s = story_, threshold](TraceCell cell) {
                const auto at = static_cast<std::size_t>(cell.col);
                const bool outlier = s->split().isOutlier[at] != 0;
                return std::vector<TraceNote>{{"Largest activation of this input",
                                               "m_j = max over all tokens of |x_tj|",
                                               {},
                                               traceNumber(s->split().columnMost[at])},
                                              {"Outlier?",
                                               "m_j >= threshold",
                                               joined({traceNumber(s->split().columnMost[at]),
                                                       outlier ? " >= " : " < ",
                                                       threshold}),
                                               outlier ? "outlier" : "ordinary"}};
            });
        addTokenPanel(state, story().layer, "x", "Activations X", PanelKind::Signed, tokens());
        TraceBuilder::bars(
            state, "most", "Largest |x| of each input", "input channel", split.columnMost);
        for (const std::int64_t col : split.columns) {
            for (const char* panel : {"x", "most"}) {
                const std::int64_t rows = panel[0] == 'x' ? story().layer.shown : 1;
                state.regions.push_back({panel,
                                         RegionKind::Outlier,
                                         0,
                                         col,
                                         rows,
                                         1,
                                         joined({"input ", std::to_string(col)})});
            }
        }
        state.figures.push_back(
            {"Outlier inputs", static_cast<double>(split.columns.size()), "of all inputs"});
        state.focus = {0, split.columns.empty() ? 0 : split.columns[0]};
    }

    /// X and W with the outliers last, coloured for the ordinary inputs.
    void addSides(TraceState& state) {
        const Story& s = story();
        const auto ordinary = static_cast<std::int64_t>(s.ordinary->size());
        const TraceMatrix x = takeColumns(*tokens(), *s.order);
        const TraceMatrix w = takeColumns(*s.layer.w, *s.order);
        TracePanel& left =
            addTokenPanel(state, s.layer, "x_split", "X, outliers last", PanelKind::Signed, x);
        left.columnOrder = s.order;
        left.limit = ordinary > 0 ? largestMagnitude(*takeColumns(*tokens(), *s.ordinary)) : 0;
        TraceBuilder::panel(state, "w_split", "W, the same inputs last", PanelKind::Signed, w);
        state.panels.back().columnOrder = s.order;
        if (s.outliers() > 0) {
            state.regions.push_back({"x_split",
                                     RegionKind::Outlier,
                                     0,
                                     ordinary,
                                     s.layer.shown,
                                     s.outliers(),
                                     "16 bit"});
            state.regions.push_back({"w_split",
                                     RegionKind::Outlier,
                                     0,
                                     ordinary,
                                     s.layer.w->rows(),
                                     s.outliers(),
                                     s.weights->keepsOutliers() ? "16 bit" : "int8"});
        }
    }

    void addRearranged() {
        TraceState& state = builder_.add(
            "Take them out",
            "X W' is a sum over inputs, so it may be cut in two: ordinary inputs here, outlier "
            "inputs there.",
            [s = story_](TraceCell cell) {
                const std::int64_t col = (*s->order)[static_cast<std::size_t>(cell.col)];
                const bool outlier = s->split().isOutlier[static_cast<std::size_t>(col)] != 0;
                return std::vector<TraceNote>{
                    {joined({"Input ", std::to_string(col)}),
                     outlier ? "multiplied in 16 bits" : "multiplied in int8",
                     {},
                     traceNumber((*s->layer.x)(cell.row, col)),
                     joined({"now in place ", std::to_string(cell.col)})}};
            });
        addSides(state);
        state.focus = {0, static_cast<std::int64_t>(story().order->size()) - 1};
    }

    void addMaxima() {
        const Story& s = story();
        TraceState& state = builder_.add(
            "A scale for each token and each output",
            "Without the outliers a token's largest activation is small, and so is the step of its "
            "scale.",
            [s = story_](TraceCell cell) {
                const auto token = static_cast<std::size_t>(cell.row);
                return std::vector<TraceNote>{
                    {"Largest activation of this token below the threshold",
                     "a_t = max |x_tj| where |x_tj| < threshold",
                     {},
                     traceNumber(s->split().tokenMost[token]),
                     "entries of outlier inputs count where they are below it"},
                    {"Scale",
                     "s_t = a_t / 127",
                     joined({traceNumber(s->split().tokenMost[token]), " / 127"}),
                     traceNumber(s->split().tokenScale[token]),
                     s->split().tokenMost[token] == 0 ? "nothing to scale: 1" : ""}};
            });
        addSides(state);
        TracePanel& xScale = addTokenPanel(state,
                                           s.layer,
                                           "x_scale",
                                           "Scale of each token",
                                           PanelKind::Magnitude,
                                           asColumn(s.split().tokenScale, s.layer.shown),
                                           "");
        xScale.colAxis.clear();
        TraceBuilder::panel(state,
                            "w_scale",
                            "Scale of each output",
                            PanelKind::Magnitude,
                            asColumn(s.weights->scales()->values, s.weights->rows()));
        state.panels.back().colAxis.clear();
    }

    void addCodes() {
        const Story& s = story();
        TraceState& state = builder_.add(
            "Round the ordinary inputs",
            "Activations and weights of ordinary inputs become int8 codes in -127 .. 127.",
            [s = story_](TraceCell cell) {
                const std::int64_t col = (*s->ordinary)[static_cast<std::size_t>(cell.col)];
                const double x = (*s->layer.x)(cell.row, col);
                const double scale = s->xScale(cell.row);
                const double code = (*s->xCodes)(cell.row, cell.col);
                return std::vector<TraceNote>{
                    {"Code",
                     "q = round(x / s_t)",
                     joined({"round(",
                             traceNumber(x),
                             " / ",
                             traceNumber(scale),
                             ") = round(",
                             traceNumber(x / scale),
                             ")"}),
                     traceNumber(code)},
                    {"Means",
                     "s_t · q",
                     joined({traceNumber(scale), " · ", traceOperand(code)}),
                     traceNumber(scale * code)}};
            });
        TracePanel& x =
            addTokenPanel(state, s.layer, "x_codes", "Codes of X", PanelKind::Codes, s.xCodes);
        x.columnOrder = s.ordinary;
        x.limit = 127;
        TraceBuilder::panel(state, "w_codes", "Codes of W", PanelKind::Codes, s.wCodes, 127);
        state.panels.back().columnOrder = s.ordinary;
    }

    void addInt8() {
        const Story& s = story();
        TraceState& state = builder_.add(
            "Multiply in int8",
            "Codes are multiplied and added up in int32, exactly; the two scales come in once, at "
            "the end.",
            [s = story_](TraceCell cell) {
                const double acc = s->integer.accumulators(cell.row, cell.col);
                return std::vector<TraceNote>{
                    {"Add up",
                     "acc = Σ q_x q_w",
                     sumOfProducts(s->xCodes->row(cell.row), s->wCodes->row(cell.col)),
                     traceNumber(acc)},
                    {"Scale",
                     "s_t · s_o · acc",
                     joined({traceNumber(s->xScale(cell.row)),
                             " · ",
                             traceNumber(s->wScale(cell.col)),
                             " · ",
                             traceOperand(acc)}),
                     traceNumber(s->integer.output(cell.row, cell.col))}};
            });
        addTokenPanel(state,
                      s.layer,
                      "acc",
                      "int32 accumulators",
                      PanelKind::Codes,
                      asDoubles(s.integer.accumulators, s.layer.shown),
                      "output channel");
        addTokenPanel(state,
                      s.layer,
                      "int8_part",
                      "int8 part of the output",
                      PanelKind::Signed,
                      whole(s.integer.output),
                      "output channel");
        state.figures.push_back({"Depth", static_cast<double>(s.integer.depth), "products added"});
        state.figures.push_back(
            {"Safe depth", static_cast<double>(safeDepth(127, 127)), "for codes up to 127"});
    }

    void addRest() {
        const Story& s = story();
        TraceState& state = builder_.add(
            "Multiply the outliers in 16 bits",
            s.weights->keepsOutliers()
                ? "The outlier inputs are multiplied with their own weights, unrounded."
                : "The outlier inputs stay unrounded; their weights are the int8 ones, times the "
                  "scale.",
            [s = story_](TraceCell cell) {
                std::vector<double> x;
                std::vector<double> w;
                for (const std::int64_t col : s->split().columns) {
                    x.push_back((*s->layer.x)(cell.row, col));
                    w.push_back((*s->wAfter)(cell.col, col));
                }
                return std::vector<TraceNote>{{"Add up",
                                               "Σ x w over outlier inputs",
                                               sumOfProducts(x, w),
                                               traceNumber(s->rest(cell.row, cell.col))}};
            });
        addTokenPanel(state,
                      s.layer,
                      "outlier_part",
                      "16-bit part of the output",
                      PanelKind::Signed,
                      whole(s.rest),
                      "output channel");
    }

    void addSum() {
        const Story& s = story();
        TraceState& state = builder_.add(
            "Add the two parts",
            "The sum is the layer's output; what rounding cost is what is left of the difference.",
            [s = story_](TraceCell cell) {
                const double part = s->integer.output(cell.row, cell.col);
                const double rest = s->rest(cell.row, cell.col);
                const double sum = s->sum(cell.row, cell.col);
                const double exact = s->exact(cell.row, cell.col);
                return std::vector<TraceNote>{
                    {"Add the parts",
                     "int8 part + 16-bit part",
                     joined({traceNumber(part), " + ", traceOperand(rest)}),
                     traceNumber(sum)},
                    {"Error",
                     "y^ - y",
                     joined({traceNumber(sum), " - ", traceOperand(exact)}),
                     traceNumber(sum - exact)}};
            });
        addTokenPanel(
            state, s.layer, "output", "Output", PanelKind::Signed, whole(s.sum), "output channel");
        addTokenPanel(state,
                      s.layer,
                      "error",
                      "Error of the output",
                      PanelKind::Signed,
                      differenceOf(s.sum, s.exact),
                      "output channel");
        double squares = 0;
        for (std::int64_t i = 0; i < s.sum.size(); ++i) {
            squares += std::pow(s.sum.data()[i] - s.exact.data()[i], 2);
        }
        state.figures.push_back({"RMS error",
                                 std::sqrt(squares / static_cast<double>(s.sum.size())),
                                 joined({"of ", s.layer.tokensText()})});
        state.figures.push_back({"Relative error", relativeError(s.exact, s.sum), {}});
    }

    void addResult() {
        const Story& s = story();
        TraceState& state =
            builder_.add("What the layer computed with",
                         "Seen as one product: weights and activations as the two parts used them.",
                         [s = story_](TraceCell cell) {
                             return notesOf(s->weights->explain(cell.row, cell.col));
                         });
        TraceBuilder::panel(state, "weights", "Weights used", PanelKind::Signed, s.wAfter);
        for (const std::int64_t col : s.split().columns) {
            state.regions.push_back({"weights",
                                     RegionKind::Outlier,
                                     0,
                                     col,
                                     s.wAfter->rows(),
                                     1,
                                     joined({"input ", std::to_string(col)})});
        }
    }

    StoryPtr story_;
    TraceBuilder builder_;
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceLlmInt8(const StepInput& input,
                                                  const Params& params,
                                                  const JobContext& ctx) {
    const Result<StepOutput> output = applyLlmInt8(input, params, ctx);
    if (!output) {
        return fail(output.error());
    }
    const Result<StoryPtr> story = makeStory(input, *output);
    if (!story) {
        return fail(story.error());
    }
    const auto plainX = makeUniformActivations(input.activations, int8PerRow(), 0, ctx);
    if (!plainX) {
        return fail(plainX.error());
    }
    Result<std::vector<TraceFigure>> summary = compareWithPlain(
        (*story)->layer, *output, (*story)->weights->inner(), plainX->get(), "vector-wise int8");
    if (!summary) {
        return fail(summary.error());
    }
    return Teller(*story).tell(std::move(*summary));
}

}  // namespace loupe
