// SPDX-License-Identifier: Apache-2.0
// The integer product of quantized activations and weights, told state by state.
#include "core/quant/trace_vectorwise.hpp"

#include "core/base/assert.hpp"
#include "core/quant/integer_product.hpp"
#include "core/quant/trace_layer.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

struct Story {
    TracedLayer layer;
    std::shared_ptr<const UniformMatrix> w;
    std::shared_ptr<const UniformMatrix> x;
    Matrix<std::int32_t> xCodes, wCodes;  ///< X: the tokens shown
    TraceMatrix xShown, wShown;           ///< the same in double
    TraceMatrix wAfter;
    std::vector<double> xScales, wScales;
    std::vector<std::int64_t> xZeros, wZeros;
    IntegerProduct product;
    Matrix<double> exact;  ///< outputs of the tokens shown, before
    bool asymmetric = false;

    [[nodiscard]] const IntegerProduct::Terms& terms(TraceCell cell) const {
        return product.terms[static_cast<std::size_t>(cell.row * product.output.cols() + cell.col)];
    }
};

using StoryPtr = std::shared_ptr<const Story>;

/// Codes, scales and zero points of the first rows.
Result<void> readSide(const UniformMatrix& matrix,
                      std::int64_t rows,
                      Matrix<std::int32_t>& codes,
                      std::vector<double>& scales,
                      std::vector<std::int64_t>& zeros) {
    codes = Matrix<std::int32_t>(rows, matrix.cols());
    if (Result<void> done = matrix.codes(0, rows, codes.data()); !done) {
        return done;
    }
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::size_t entry = matrix.scales()->entryOf(row, 0);
        scales.push_back(matrix.scales()->values[entry]);
        if (matrix.zeroPoints() != nullptr) {
            zeros.push_back(static_cast<std::int64_t>(matrix.zeroPoints()->values[entry]));
        }
    }
    return {};
}

Result<StoryPtr> makeStory(const StepInput& input, const StepOutput& output) {
    auto story = std::make_shared<Story>();
    story->w = std::dynamic_pointer_cast<const UniformMatrix>(output.weights);
    story->x = std::dynamic_pointer_cast<const UniformMatrix>(output.activations);
    LOUPE_ASSERT(story->w != nullptr && story->x != nullptr, "both sides are UniformMatrix");
    story->asymmetric = story->w->spec().asymmetric;
    Result<TracedLayer> layer = TracedLayer::read(input);
    if (!layer) {
        return fail(layer.error());
    }
    story->layer = std::move(*layer);
    const std::int64_t tokens = story->layer.shown;
    Result<void> done = readSide(*story->x, tokens, story->xCodes, story->xScales, story->xZeros);
    done = done
               ? readSide(*story->w, story->w->rows(), story->wCodes, story->wScales, story->wZeros)
               : done;
    Result<Matrix<double>> after = readWhole(*story->w);
    if (!done || !after) {
        return fail(done ? after.error() : done.error());
    }
    story->wAfter = std::make_shared<const Matrix<double>>(std::move(*after));
    story->xShown = asDoubles(story->xCodes, tokens);
    story->wShown = asDoubles(story->wCodes, story->w->rows());
    Result<IntegerProduct> product =
        integerProduct({story->xCodes.view(), story->xScales, story->xZeros},
                       {story->wCodes.view(), story->wScales, story->wZeros});
    if (!product) {
        return fail(product.error());
    }
    story->product = std::move(*product);
    story->exact = outputsOf(*firstRows(*story->layer.x, tokens), *story->layer.w);
    return StoryPtr(std::move(story));
}

std::string integer(std::int64_t value) {
    return std::to_string(value);
}

std::string operand(std::int64_t value) {
    return value < 0 ? joined({"(", integer(value), ")"}) : integer(value);
}

class Teller {
public:
    explicit Teller(StoryPtr story) : story_(std::move(story)) {}

    std::shared_ptr<const Trace> tell(std::vector<TraceFigure> summary) {
        addLayer();
        addScales();
        addXCodes();
        addWCodes();
        addAccumulators();
        if (story_->asymmetric) {
            addSums();
            addCorrections();
        }
        addOutput();
        addResult();
        builder_.trace().summary = std::move(summary);
        builder_.trace().lesson =
            "A scale per token and one per output channel come out of the sum over inputs, so the "
            "sum itself runs on integers. A scale per input would not come out.";
        if (story_->asymmetric) {
            builder_.trace().lesson +=
                " Zero points cost three corrections; only the one with the sums of activation "
                "codes must be worked out at run time.";
        }
        return builder_.finish(story_->wAfter);
    }

private:
    TracePanel& outputs(
        TraceState& state, std::string id, std::string title, PanelKind kind, TraceMatrix values) {
        return addTokenPanel(state,
                             story_->layer,
                             std::move(id),
                             std::move(title),
                             kind,
                             std::move(values),
                             "output channel");
    }

    void addLayer() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "The layer", "Y = X W', before anything is rounded.", [story = story_](TraceCell cell) {
                return std::vector<TraceNote>{{"Activation",
                                               "x of this token and input",
                                               {},
                                               traceNumber((*story->layer.x)(cell.row, cell.col))}};
            });
        addTokenPanel(state,
                      s.layer,
                      "x",
                      "Activations X",
                      PanelKind::Signed,
                      firstRows(*s.layer.x, s.layer.shown));
        TraceBuilder::panel(state, "weights", "Weights W", PanelKind::Signed, s.layer.w);
    }

    void addScales() {
        const Story& s = *story_;
        const bool perToken = s.x->spec().per == ScalePer::Row;
        const bool perRow = s.w->spec().per == ScalePer::Row;
        TraceState& state =
            builder_.add("Scales",
                         joined({perToken ? "Each token" : "All tokens together",
                                 perToken ? " has its own scale, " : " have one scale, ",
                                 perRow ? "each output channel its own." : "all weights one."}),
                         [story = story_](TraceCell cell) {
                             return notesOf(story->x->explain(cell.row, cell.col));
                         });
        addTokenPanel(state,
                      s.layer,
                      "x",
                      "Activations X",
                      PanelKind::Signed,
                      firstRows(*s.layer.x, s.layer.shown));
        addTokenPanel(state,
                      s.layer,
                      "x_scale",
                      perToken ? "Scale of each token" : "Scale of X",
                      PanelKind::Magnitude,
                      asColumn(s.xScales, s.layer.shown))
            .colAxis.clear();
        TraceBuilder::panel(state,
                            "w_scale",
                            perRow ? "Scale of each output" : "Scale of W",
                            PanelKind::Magnitude,
                            asColumn(s.wScales, s.w->rows()));
        state.panels.back().colAxis.clear();
    }

    void addCodePanels(TraceState& state, bool xFirst) {
        const Story& s = *story_;
        const auto limitOf = [](const UniformMatrix& m) {
            return static_cast<double>(std::max(-m.codeRange().first, m.codeRange().second));
        };
        const auto addX = [&] {
            addTokenPanel(state, s.layer, "x_codes", "Codes of X", PanelKind::Codes, s.xShown)
                .limit = limitOf(*s.x);
        };
        if (xFirst) {
            addX();
        }
        TraceBuilder::panel(
            state, "w_codes", "Codes of W", PanelKind::Codes, s.wShown, limitOf(*s.w));
        if (!xFirst) {
            addX();
        }
    }

    void addXCodes() {
        TraceState& state = builder_.add("Codes of the activations",
                                         "Each activation is divided by its scale and rounded.",
                                         [story = story_](TraceCell cell) {
                                             return notesOf(story->x->explain(cell.row, cell.col));
                                         });
        addCodePanels(state, true);
    }

    void addWCodes() {
        TraceState& state = builder_.add("Codes of the weights",
                                         "The same for the weights, once and for all beforehand.",
                                         [story = story_](TraceCell cell) {
                                             return notesOf(story->w->explain(cell.row, cell.col));
                                         });
        addCodePanels(state, false);
    }

    [[nodiscard]] static TraceNote accumulatorNote(const Story& s, TraceCell cell) {
        return {"Multiply and add up",
                "acc = Σ q_x q_w",
                sumOfProducts(s.xShown->row(cell.row), s.wShown->row(cell.col)),
                integer(s.product.accumulators(cell.row, cell.col)),
                joined({"token ", integer(cell.row), ", output ", integer(cell.col)})};
    }

    void addAccumulators() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Multiply integers",
            "Codes are multiplied and added up in int32: no rounding, whatever the order.",
            [story = story_](TraceCell cell) {
                return std::vector<TraceNote>{accumulatorNote(*story, cell)};
            });
        outputs(state,
                "acc",
                "int32 accumulators",
                PanelKind::Codes,
                asDoubles(s.product.accumulators, s.layer.shown));
        addCodePanels(state, true);
        const auto most = [](const UniformMatrix& m) {
            return std::max(-m.codeRange().first, m.codeRange().second);
        };
        std::int64_t largest = 0;
        for (std::int64_t i = 0; i < s.product.accumulators.size(); ++i) {
            largest = std::max(largest, std::abs(std::int64_t{s.product.accumulators.data()[i]}));
        }
        state.figures.push_back({"Largest |acc|", static_cast<double>(largest), "below 2^31"});
        state.figures.push_back(
            {"Depth", static_cast<double>(s.product.depth), "products in each sum"});
        state.figures.push_back({"Safe depth",
                                 static_cast<double>(safeDepth(most(*s.x), most(*s.w))),
                                 "sums of any codes up to this depth fit into int32"});
    }

    void addSums() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Sums of codes",
            "Codes carry their zero point, so acc is off by sums of codes: those of W are known "
            "beforehand, those of X at run time.",
            [story = story_](TraceCell cell) {
                const auto at = static_cast<std::size_t>(cell.row);
                return std::vector<TraceNote>{
                    {"Sum of this token's codes",
                     "Σ_k q_x,tk",
                     {},
                     integer(story->product.xSums[at])},
                    {"Zero point of X", "z_x", {}, integer(story->xZeros[at])}};
            });
        const auto wide = [](const std::vector<std::int64_t>& values) {
            return std::vector<double>(values.begin(), values.end());
        };
        addCodePanels(state, true);
        addTokenPanel(state,
                      s.layer,
                      "x_sums",
                      "Σ q_x of each token",
                      PanelKind::Codes,
                      asColumn(wide(s.product.xSums), s.layer.shown))
            .colAxis.clear();
        TraceBuilder::panel(state,
                            "w_sums",
                            "Σ q_w of each output",
                            PanelKind::Codes,
                            asColumn(wide(s.product.wSums), s.w->rows()));
        state.panels.back().colAxis.clear();
    }

    /// One of the corrections of every output.
    template <class Term>
    [[nodiscard]] TraceMatrix termPanel(const Term& term) const {
        auto values = std::make_shared<Matrix<double>>(story_->product.output.rows(),
                                                       story_->product.output.cols());
        for (std::int64_t i = 0; i < values->size(); ++i) {
            values->data()[i] =
                static_cast<double>(term(story_->product.terms[static_cast<std::size_t>(i)]));
        }
        return values;
    }

    void addCorrections() {
        const Story& s = *story_;
        TraceState& state = builder_.add(
            "Correct for the zero points",
            "Three terms take the zero points out of the sum; the result is an integer still.",
            [story = story_](TraceCell cell) {
                const Story& t = *story;
                const auto& terms = t.terms(cell);
                const std::int64_t acc = t.product.accumulators(cell.row, cell.col);
                const std::int64_t zx = t.xZeros[static_cast<std::size_t>(cell.row)];
                const std::int64_t zw = t.wZeros[static_cast<std::size_t>(cell.col)];
                const std::int64_t xSum = t.product.xSums[static_cast<std::size_t>(cell.row)];
                const std::int64_t wSum = t.product.wSums[static_cast<std::size_t>(cell.col)];
                return std::vector<TraceNote>{
                    accumulatorNote(t, cell),
                    {"Zero point of the weights",
                     "- z_w Σ q_x",
                     joined({"-", operand(zw), " · ", operand(xSum)}),
                     integer(terms.fromX),
                     "at run time"},
                    {"Zero point of the activations",
                     "- z_x Σ q_w",
                     joined({"-", operand(zx), " · ", operand(wSum)}),
                     integer(terms.fromW),
                     "the sum is known beforehand"},
                    {"Both zero points",
                     "K z_x z_w",
                     joined({integer(t.product.depth), " · ", operand(zx), " · ", operand(zw)}),
                     integer(terms.constant),
                     {}},
                    {"Corrected",
                     "acc - z_w Σ q_x - z_x Σ q_w + K z_x z_w",
                     joined({integer(acc),
                             " + ",
                             operand(terms.fromX),
                             " + ",
                             operand(terms.fromW),
                             " + ",
                             operand(terms.constant)}),
                     integer(t.product.corrected(cell.row, cell.col)),
                     {}}};
            });
        auto corrected =
            std::make_shared<Matrix<double>>(s.product.output.rows(), s.product.output.cols());
        std::copy(s.product.corrected.data(),
                  s.product.corrected.data() + corrected->size(),
                  corrected->data());
        using Terms = IntegerProduct::Terms;
        outputs(state, "corrected", "Corrected sums", PanelKind::Codes, corrected);
        outputs(state,
                "acc",
                "int32 accumulators",
                PanelKind::Codes,
                asDoubles(s.product.accumulators, s.layer.shown));
        outputs(state, "term_x", "- z_w Σ q_x", PanelKind::Codes, termPanel([](const Terms& t) {
                    return t.fromX;
                }));
        outputs(state, "term_w", "- z_x Σ q_w", PanelKind::Codes, termPanel([](const Terms& t) {
                    return t.fromW;
                }));
        outputs(state, "term_k", "K z_x z_w", PanelKind::Codes, termPanel([](const Terms& t) {
                    return t.constant;
                }));
    }

    void addOutput() {
        const Story& s = *story_;
        TraceState& state =
            builder_.add("Multiply by both scales",
                         "One multiplication per output turns the integer into the layer's output.",
                         [story = story_](TraceCell cell) {
                             const double xs = story->xScales[static_cast<std::size_t>(cell.row)];
                             const double ws = story->wScales[static_cast<std::size_t>(cell.col)];
                             const double y = story->product.output(cell.row, cell.col);
                             const double exact = story->exact(cell.row, cell.col);
                             return std::vector<TraceNote>{
                                 {"Scale",
                                  "y^ = s_x s_w · sum",
                                  joined({traceNumber(xs),
                                          " · ",
                                          traceNumber(ws),
                                          " · ",
                                          operand(story->product.corrected(cell.row, cell.col))}),
                                  traceNumber(y)},
                                 {"Error",
                                  "y^ - y",
                                  joined({traceNumber(y), " - ", traceOperand(exact)}),
                                  traceNumber(y - exact)}};
                         });
        outputs(state,
                "output",
                "Output",
                PanelKind::Signed,
                std::make_shared<const Matrix<double>>(s.product.output));
        outputs(state,
                "error",
                "Error of the output",
                PanelKind::Signed,
                differenceOf(s.product.output, s.exact));
        state.figures.push_back({"Relative output error",
                                 relativeError(s.exact, s.product.output),
                                 joined({"of ", s.layer.tokensText()})});
    }

    void addResult() {
        TraceState& state = builder_.add("Weights after the step",
                                         "What the codes of the weights stand for.",
                                         [story = story_](TraceCell cell) {
                                             return notesOf(story->w->explain(cell.row, cell.col));
                                         });
        TraceBuilder::panel(
            state, "weights", "Weights after the step", PanelKind::Signed, story_->wAfter);
        addErrorFigures(state.figures, *story_->layer.w, *story_->wAfter);
    }

    StoryPtr story_;
    TraceBuilder builder_;
};

}  // namespace

bool isIntegerProduct(const Params& params) {
    return params.has("act_bits") && (params.is("per", "tensor") || params.is("per", "row"));
}

Result<std::shared_ptr<const Trace>> traceVectorwise(const StepInput& input,
                                                     const Params& params,
                                                     bool asymmetric,
                                                     const JobContext& ctx) {
    const Result<StepOutput> output = applyUniform(input, params, asymmetric, ctx);
    if (!output) {
        return fail(output.error());
    }
    if (params.is("rounding", "stochastic")) {
        return fail(ErrorCode::Unsupported, "stochastic rounding cannot be told state by state");
    }
    const Result<StoryPtr> story = makeStory(input, *output);
    if (!story) {
        return fail(story.error());
    }
    Result<std::vector<TraceFigure>> summary = compareWithPlain(
        (*story)->layer, *output, *output->weights, nullptr, "rounding the weights alone");
    if (!summary) {
        return fail(summary.error());
    }
    return Teller(*story).tell(std::move(*summary));
}

}  // namespace loupe
