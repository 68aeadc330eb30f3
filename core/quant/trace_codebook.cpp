// SPDX-License-Identifier: Apache-2.0
// codebook told update by update: who belongs to which centroid, and where the centroids go.
#include "core/base/assert.hpp"
#include "core/quant/codebook.hpp"
#include "core/quant/trace_builder.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// What the fits were at one moment: [tables, k].
struct Moment {
    Matrix<double> centroids;
    Matrix<double> counts;
    Matrix<double> means;  ///< of each centroid's weights; the centroid itself where it has none
    double objective = 0;  ///< sum of squared errors
};

class CodebookTeller {
public:
    CodebookTeller(TraceMatrix original,
                   std::shared_ptr<const BitMask> mask,
                   const CodebookMatrix& matrix,
                   std::vector<CodebookHistory> histories)
        : original_(std::move(original)),
          mask_(std::move(mask)),
          matrix_(matrix),
          histories_(std::move(histories)),
          limit_(largestMagnitude(*original_)) {}

    Result<std::shared_ptr<const Trace>> tell(const StepInput& input) {
        TraceState& weights = builder_.add("Weights", "What is stored before anything is done.");
        TraceBuilder::panel(weights, "weights", "Weights", PanelKind::Signed, original_, limit_);
        std::size_t longest = 0;
        for (const CodebookHistory& history : histories_) {
            longest = std::max(longest, history.centroids.size());
        }
        for (std::size_t k = 0; k < longest; ++k) {
            moments_.push_back(std::make_shared<const Moment>(momentAt(k)));
            addMoment(k, k + 1 == longest);
        }
        Result<Matrix<double>> result = readWhole(matrix_);
        if (!result) {
            return fail(result.error());
        }
        const auto after = std::make_shared<const Matrix<double>>(std::move(*result));
        addEnd(after, longest);
        addCurves();
        Result<std::vector<TraceFigure>> summary = traceSummary(input, *original_, *after);
        if (!summary) {
            return fail(summary.error());
        }
        builder_.trace().summary = std::move(*summary);
        builder_.trace().lesson =
            "Levels go where the weights are: many near zero, few far out. An index says nothing "
            "of "
            "its value, so no integer arithmetic: each weight is looked up.";
        return builder_.finish(after);
    }

private:
    [[nodiscard]] std::int64_t tableOf(std::int64_t row) const {
        return matrix_.centroids().rows() == 1 ? 0 : row;
    }

    [[nodiscard]] Moment momentAt(std::size_t k) const {
        const std::int64_t size = matrix_.centroids().cols();
        const auto tables = static_cast<std::int64_t>(histories_.size());
        Moment moment{Matrix<double>(tables, size),
                      Matrix<double>(tables, size),
                      Matrix<double>(tables, size),
                      0};
        for (std::int64_t table = 0; table < tables; ++table) {
            const auto& seen = histories_[static_cast<std::size_t>(table)].centroids;
            const std::vector<double>& now = seen[std::min(k, seen.size() - 1)];
            std::copy(now.begin(), now.end(), moment.centroids.row(table).begin());
        }
        for (std::int64_t row = 0; row < original_->rows(); ++row) {
            const std::int64_t table = tableOf(row);
            for (std::int64_t col = 0; col < original_->cols(); ++col) {
                if (mask_ != nullptr && !mask_->kept(row, col)) {
                    continue;
                }
                const double weight = (*original_)(row, col);
                const std::int64_t code = nearestCentroid(moment.centroids.row(table), weight);
                const double error = weight - moment.centroids(table, code);
                moment.counts(table, code) += 1;
                moment.means(table, code) += weight;
                moment.objective += error * error;
            }
        }
        for (std::int64_t i = 0; i < moment.means.size(); ++i) {
            const double count = moment.counts.data()[i];
            double& mean = moment.means.data()[i];
            mean = count > 0 ? mean / count : moment.centroids.data()[i];
        }
        return moment;
    }

    static void tablePanel(TraceState& state,
                           std::string id,
                           std::string title,
                           const Matrix<double>& values) {
        TracePanel panel;
        panel.id = std::move(id);
        panel.title = std::move(title);
        panel.kind = values.rows() == 1 ? PanelKind::Bars : PanelKind::Signed;
        panel.rowAxis = "output channel";
        panel.colAxis = "centroid";
        panel.values = std::make_shared<const Matrix<double>>(values);
        state.panels.push_back(std::move(panel));
    }

    static std::vector<TraceNote> nearestNotes(std::span<const double> table, double weight) {
        const std::int64_t code = nearestCentroid(table, weight);
        const auto at = static_cast<std::size_t>(code);
        std::string distances;
        for (std::size_t i = at > 0 ? at - 1 : 0; i < std::min(at + 2, table.size()); ++i) {
            distances += joined({distances.empty() ? "" : ",  ",
                                 "|",
                                 traceNumber(weight),
                                 " - ",
                                 traceOperand(table[i]),
                                 "| = ",
                                 traceNumber(std::fabs(weight - table[i]))});
        }
        return {{"Nearest centroid",
                 "code = argmin |w - c|",
                 distances,
                 std::to_string(code),
                 "the lower of two that are equally near"},
                {"Becomes",
                 "w^ = c[code]",
                 joined({"c[", std::to_string(code), "]"}),
                 traceNumber(table[at]),
                 joined({"error ", traceNumber(weight - table[at])})}};
    }

    [[nodiscard]] CellExplainer explainer(const std::shared_ptr<const Moment>& moment) const {
        return [moment, original = original_](TraceCell at) {
            const std::int64_t table = moment->centroids.rows() == 1 ? 0 : at.row;
            const double weight = (*original)(at.row, at.col);
            std::vector<TraceNote> notes = nearestNotes(moment->centroids.row(table), weight);
            const std::int64_t code = nearestCentroid(moment->centroids.row(table), weight);
            const double count = moment->counts(table, code);
            const double mean = moment->means(table, code);
            notes.push_back({"Where its centroid goes",
                             "c = mean of its weights",
                             joined({traceNumber(mean * count), " / ", traceNumber(count)}),
                             traceNumber(mean),
                             joined({"was ", traceNumber(moment->centroids(table, code))})});
            return notes;
        };
    }

    void addMoment(std::size_t k, bool last) {
        const std::shared_ptr<const Moment>& moment = moments_.back();
        TraceState& state = builder_.add(
            k == 0 ? "Start" : joined({"Update ", std::to_string(k)}),
            k == 0 ? "The first centroids; each weight belongs to the nearest."
            : last ? "Each centroid moved to the mean of its weights; now none moves any more, or "
                     "the iterations are used up."
                   : "Each centroid moved to the mean of its weights, and the weights chose again.",
            explainer(moment));
        auto values = std::make_shared<Matrix<double>>(original_->rows(), original_->cols());
        auto codes = std::make_shared<Matrix<double>>(original_->rows(), original_->cols());
        for (std::int64_t row = 0; row < original_->rows(); ++row) {
            const std::span<const double> table = moment->centroids.row(tableOf(row));
            for (std::int64_t col = 0; col < original_->cols(); ++col) {
                const std::int64_t code = nearestCentroid(table, (*original_)(row, col));
                (*codes)(row, col) = static_cast<double>(code);
                (*values)(row, col) = table[static_cast<std::size_t>(code)];
            }
        }
        TraceBuilder::panel(
            state, "weights", "Nearest centroid", PanelKind::Signed, std::move(values), limit_);
        TraceBuilder::panel(state, "codes", "Code", PanelKind::Codes, std::move(codes));
        tablePanel(state, "centroids", "Centroids", moment->centroids);
        tablePanel(state, "counts", "Weights of each centroid", moment->counts);
        state.figures.push_back({"Sum of squared errors", moment->objective, {}});
        const double* count = moment->counts.data();
        state.figures.push_back(
            {"Centroids without weights",
             static_cast<double>(std::count(count, count + moment->counts.size(), 0.0)),
             {}});
        state.marker = static_cast<double>(k);
    }

    void addEnd(const TraceMatrix& after, std::size_t longest) {
        auto table = std::make_shared<const Matrix<double>>(matrix_.centroids());
        TraceState& state =
            builder_.add("Store codes and codebook",
                         "Only the codes and the centroids are stored; a reader looks each weight "
                         "up.",
                         [table, original = original_](TraceCell at) {
                             return nearestNotes(table->row(table->rows() == 1 ? 0 : at.row),
                                                 (*original)(at.row, at.col));
                         });
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, after, limit_);
        TraceBuilder::panel(
            state, "error", "Error w - w^", PanelKind::Signed, differenceOf(*original_, *after));
        tablePanel(state, "centroids", "Centroids", *table);
        addErrorFigures(state.figures, *original_, *after);
        const auto bits = static_cast<double>(matrix_.codeBits());
        const auto count = static_cast<double>(original_->size());
        const auto entries = static_cast<double>(table->size());
        state.figures.push_back({"Compression of FP32",
                                 32 * count / (count * bits + entries * 32),
                                 "32 n / (n b + 32 · centroids)"});
        state.marker = static_cast<double>(longest - 1);
    }

    void addCurves() {
        TraceSeries objective{"sum of squared errors", {}, {}};
        constexpr std::size_t kMostSeries = 16;
        const auto size = static_cast<std::size_t>(matrix_.centroids().cols());
        const std::size_t stride = std::max<std::size_t>(1, size / kMostSeries);
        std::vector<TraceSeries> places;
        for (std::size_t i = 0; i < size; i += stride) {
            places.push_back({joined({"centroid ", std::to_string(i)}), {}, {}});
        }
        for (std::size_t k = 0; k < moments_.size(); ++k) {
            objective.x.push_back(static_cast<double>(k));
            objective.y.push_back(moments_[k]->objective);
            for (std::size_t i = 0; i < places.size(); ++i) {
                places[i].x.push_back(static_cast<double>(k));
                places[i].y.push_back(
                    moments_[k]->centroids(0, static_cast<std::int64_t>(i * stride)));
            }
        }
        std::vector<TraceCurve>& curves = builder_.trace().curves;
        curves.push_back({"objective",
                          "Sum of squared errors: never rises",
                          "updates",
                          "sum of squared errors",
                          {std::move(objective)},
                          false});
        curves.push_back({"centroids",
                          histories_.size() == 1 ? "Centroids on the number line"
                                                 : "Centroids of output channel 0",
                          "updates",
                          "weight",
                          std::move(places),
                          false});
    }

    TraceBuilder builder_;
    TraceMatrix original_;
    std::shared_ptr<const BitMask> mask_;
    const CodebookMatrix& matrix_;
    std::vector<CodebookHistory> histories_;
    double limit_ = 0;
    std::vector<std::shared_ptr<const Moment>> moments_;
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceCodebook(const StepInput& input,
                                                   const Params& params,
                                                   const JobContext& ctx) {
    std::vector<CodebookHistory> histories;
    const Result<StepOutput> output = applyCodebook(input, params, ctx, &histories);
    if (!output) {
        return fail(output.error());
    }
    const auto* matrix = dynamic_cast<const CodebookMatrix*>(output->weights.get());
    LOUPE_ASSERT(matrix != nullptr, "applyCodebook gives a CodebookMatrix");
    Result<Matrix<double>> original = readWhole(*input.weights);
    if (!original) {
        return fail(original.error());
    }
    CodebookTeller teller(std::make_shared<const Matrix<double>>(std::move(*original)),
                          input.mask,
                          *matrix,
                          std::move(histories));
    return teller.tell(input);
}

}  // namespace loupe
