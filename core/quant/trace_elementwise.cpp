// SPDX-License-Identifier: Apache-2.0
#include "core/quant/trace_elementwise.hpp"

#include "core/quant/finite_rows.hpp"
#include "core/quant/trace_builder.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

constexpr int kMostShownBits = 8;

class ElementwiseTeller {
public:
    ElementwiseTeller(std::shared_ptr<const QuantizedMatrix> matrix,
                      TraceMatrix original,
                      TraceMatrix result,
                      const ElementwiseStory& story)
        : matrix_(std::move(matrix)),
          original_(std::move(original)),
          result_(std::move(result)),
          story_(std::make_shared<const ElementwiseStory>(story)),
          limit_(largestMagnitude(*original_)) {}

    Result<std::shared_ptr<const Trace>> tell(const StepInput& input, const StepOutput& output) {
        TraceState& start = builder_.add(
            "Weights",
            "What is stored before anything is done.",
            [original = original_](TraceCell at) {
                return std::vector<TraceNote>{
                    {"Weight", "w", "as stored", traceNumber((*original)(at.row, at.col)), {}}};
            });
        stages_.show(start, "Weights", PanelKind::Signed, original_, limit_);
        if (matrix_->scales() != nullptr && !story_->scaleSentence.empty()) {
            addScales();
            addDivision();
        }
        if (matrix_->hasCodes() && matrix_->codeBits() <= kMostShownBits &&
            !story_->codeSentence.empty()) {
            if (Result<void> done = addCodes(); !done) {
                return fail(done.error());
            }
        }
        addEnd();
        Result<std::vector<TraceFigure>> summary =
            traceSummary(input, *original_, *result_, output.activations);
        if (!summary) {
            return fail(summary.error());
        }
        builder_.trace().summary = std::move(*summary);
        builder_.trace().lesson = story_->lesson;
        return builder_.finish(result_);
    }

private:
    static bool isOf(const std::vector<std::string>& labels, const std::string& label) {
        return std::find(labels.begin(), labels.end(), label) != labels.end();
    }

    /// The matrix's own lines: those of `labels`, or the others.
    [[nodiscard]] CellExplainer explainer(std::vector<std::string> labels, bool those) const {
        return [matrix = matrix_, story = story_, labels = std::move(labels), those](TraceCell at) {
            std::vector<TraceNote> notes;
            for (const EquationLine& line : matrix->explain(at.row, at.col)) {
                if (isOf(labels, line.label) == those) {
                    const auto formula = story->formulas.find(line.label);
                    notes.push_back({line.label,
                                     formula != story->formulas.end() ? formula->second : "",
                                     line.expression,
                                     line.result,
                                     line.note});
                }
            }
            return notes;
        };
    }

    [[nodiscard]] std::size_t entryOf(std::int64_t row, std::int64_t col) const {
        const ScaleGrid& grid = *matrix_->scales();
        return grid.flattenedBlock > 0
                   ? static_cast<std::size_t>((row * original_->cols() + col) / grid.flattenedBlock)
                   : grid.entryOf(row, col);
    }

    void addScales() {
        const ScaleGrid& grid = *matrix_->scales();
        TraceState& state =
            builder_.add("Scale", story_->scaleSentence, explainer(story_->scaleLabels, true));
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        TraceBuilder::bars(state, "scales", "Scale of each group", "group", grid.values);
        std::int64_t cells = 0;
        double most = -1;
        for (std::int64_t row = 0; row < original_->rows(); ++row) {
            for (std::int64_t col = 0; col < original_->cols() && entryOf(row, col) == 0; ++col) {
                ++cells;
                if (std::fabs((*original_)(row, col)) > most) {
                    most = std::fabs((*original_)(row, col));
                    state.focus = {row, col};
                }
            }
        }
        // The first group: whole rows, and what it has of another.
        const std::int64_t full = cells / original_->cols();
        if (full > 0) {
            state.regions.push_back(
                {"weights", RegionKind::Group, 0, 0, full, original_->cols(), "first group"});
        }
        if (cells % original_->cols() > 0) {
            state.regions.push_back({"weights",
                                     RegionKind::Group,
                                     full,
                                     0,
                                     1,
                                     cells % original_->cols(),
                                     full > 0 ? "" : "first group"});
        }
        state.figures.push_back({"Scales", static_cast<double>(grid.values.size()), {}});
        state.figures.push_back({"Weights of the first", static_cast<double>(cells), {}});
    }

    void addDivision() {
        auto quotients = std::make_shared<Matrix<double>>(original_->rows(), original_->cols());
        std::vector<double> scales;
        for (std::int64_t row = 0; row < original_->rows(); ++row) {
            for (std::int64_t col = 0; col < original_->cols(); ++col) {
                const double scale = matrix_->scales()->values[entryOf(row, col)];
                scales.push_back(scale);
                (*quotients)(row, col) = scale != 0 ? (*original_)(row, col) / scale : 0;
            }
        }
        TraceState& state = builder_.add(
            "Divide by the scale",
            "Every weight in units of its group's scale, where all groups share one set of levels.",
            [original = original_, quotients, scales](TraceCell at) {
                const double scale =
                    scales[static_cast<std::size_t>(at.row * original->cols() + at.col)];
                return std::vector<TraceNote>{
                    {"Quotient",
                     "w / s",
                     joined({traceOperand((*original)(at.row, at.col)), " / ", traceNumber(scale)}),
                     traceNumber((*quotients)(at.row, at.col)),
                     {}}};
            });
        stages_.show(state, "Weights / scale", PanelKind::Signed, quotients);
    }

    Result<void> addCodes() {
        std::vector<std::int32_t> codes(static_cast<std::size_t>(original_->size()));
        if (Result<void> done = matrix_->codes(0, original_->rows(), codes.data()); !done) {
            return done;
        }
        auto values = std::make_shared<Matrix<double>>(original_->rows(), original_->cols());
        std::copy(codes.begin(), codes.end(), values->data());
        std::vector<std::string> others = story_->scaleLabels;
        others.insert(others.end(), {"becomes", "error"});
        TraceState& state =
            builder_.add("Codes", story_->codeSentence, explainer(std::move(others), false));
        stages_.show(state, "Codes", PanelKind::Codes, std::move(values));
        std::sort(codes.begin(), codes.end());
        const auto different = std::unique(codes.begin(), codes.end()) - codes.begin();
        state.figures.push_back({"Codes in use", static_cast<double>(different), {}});
        return {};
    }

    void addEnd() {
        TraceState& state =
            builder_.add("Dequantize",
                         story_->endSentence,
                         explainer({"rounds to", "code", "becomes", "rotated", "error"}, true));
        stages_.show(state, "Dequantized weights", PanelKind::Signed, result_, limit_);
        TraceBuilder::panel(
            state, "error", "Error w^ - w", PanelKind::Signed, differenceOf(*result_, *original_));
        addErrorFigures(state.figures, *original_, *result_);
    }

    std::shared_ptr<const QuantizedMatrix> matrix_;
    TraceMatrix original_;
    TraceMatrix result_;
    std::shared_ptr<const ElementwiseStory> story_;
    double limit_ = 0;
    TraceBuilder builder_;
    TraceBuilder::Stages stages_;
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceElementwise(const StepInput& input,
                                                      const StepOutput& output,
                                                      const ElementwiseStory& story) {
    if (Result<void> finite = checkFiniteRows(*input.weights, {}); !finite) {
        return fail(finite.error());
    }
    Result<Matrix<double>> original = readWhole(*input.weights);
    if (!original) {
        return fail(original.error());
    }
    Result<Matrix<double>> result = readWhole(*output.weights);
    if (!result) {
        return fail(result.error());
    }
    ElementwiseTeller teller(output.weights,
                             std::make_shared<const Matrix<double>>(std::move(*original)),
                             std::make_shared<const Matrix<double>>(std::move(*result)),
                             story);
    return teller.tell(input, output);
}

}  // namespace loupe
