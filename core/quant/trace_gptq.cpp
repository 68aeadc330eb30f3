// SPDX-License-Identifier: Apache-2.0
// GPTQ told column by column: the step's own sweep, watched. The plain rounding beside it is the
// same sweep with a factor that pushes nothing.
#include "core/base/assert.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/gptq.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace loupe {

namespace {

constexpr std::int64_t kMostStates = 512;

std::string number(double value) {
    return BoardNumbers::text(value, 6);
}

/// In parentheses where it is negative.
std::string bracketed(double value) {
    return value < 0 ? joined({"(", number(value), ")"}) : number(value);
}

/// What is kept of a column for explain().
struct ToldColumn {
    std::int64_t place = 0;
    std::int64_t column = 0;
    std::vector<double> before, values, errors, scales, zeroPoints;
    std::vector<std::int8_t> codes;
    double loss = 0;
    double lossSoFar = 0;
    std::shared_ptr<const Matrix<double>> weights;  ///< after it
    std::shared_ptr<const Matrix<double>> earlier;  ///< before it
    std::shared_ptr<const Matrix<double>> moved;
    std::shared_ptr<const Matrix<double>> factor;  ///< row of U
};

template <class T>
Matrix<double> widened(const Matrix<T>& matrix) {
    Matrix<double> wide(matrix.rows(), matrix.cols());
    std::copy(matrix.data(), matrix.data() + matrix.size(), wide.data());
    return wide;
}

template <class T>
std::vector<double> widened(std::span<const T> values) {
    return {values.begin(), values.end()};
}

/// Keeps every `stride`-th column, and the loss after each.
template <class T>
class Recorder final : public SweepObserver<T> {
public:
    explicit Recorder(std::int64_t stride) : stride_(stride) {}

    void begin(const Matrix<T>& weights, const HessianFactor<T>& factor) override {
        factor_ = &factor;
        start_ = std::make_shared<const Matrix<double>>(widened(weights));
        last_ = start_;
        losses_.assign(1, 0.0);
    }

    void column(const SweepColumn<T>& column) override {
        losses_.push_back(column.lossSoFar);
        const auto after = std::make_shared<const Matrix<double>>(widened(column.weights));
        const std::int64_t n = after->cols();
        if ((column.place + 1) % stride_ == 0 || column.place + 1 == n) {
            ToldColumn told;
            told.place = column.place;
            told.column = column.column;
            told.before = widened(column.before);
            told.values = widened(column.values);
            told.errors = widened(column.errors);
            told.scales = widened(column.scales);
            told.zeroPoints = widened(column.zeroPoints);
            told.codes.assign(column.codes.begin(), column.codes.end());
            told.loss = column.loss;
            told.lossSoFar = column.lossSoFar;
            told.weights = after;
            told.earlier = last_;
            auto factor = std::make_shared<Matrix<double>>(1, n);
            auto moved = std::make_shared<Matrix<double>>(after->rows(), n);
            for (std::int64_t j = column.place; j < n; ++j) {
                const auto u = static_cast<double>(factor_->upper(column.place, j));
                (*factor)(0, j) = u;
                for (std::int64_t row = 0; row < after->rows(); ++row) {
                    (*moved)(row, j) = -told.errors[static_cast<std::size_t>(row)] * u + 0.0;
                }
            }
            told.factor = std::move(factor);
            told.moved = std::move(moved);
            columns_.push_back(std::move(told));
        }
        last_ = after;
    }

    [[nodiscard]] const Matrix<double>& start() const { return *start_; }
    [[nodiscard]] const std::vector<double>& losses() const { return losses_; }
    [[nodiscard]] std::vector<ToldColumn>& columns() { return columns_; }

private:
    std::int64_t stride_;
    const HessianFactor<T>* factor_ = nullptr;
    std::shared_ptr<const Matrix<double>> start_, last_;
    std::vector<double> losses_;  ///< after 0, 1, 2, ... columns
    std::vector<ToldColumn> columns_;
};

/// H by place with its damping, as the sweep sees it.
template <class T>
Matrix<double> dampedByPlace(const GptqSetup<T>& setup) {
    const std::int64_t n = setup.hessian.rows();
    const HessianFactor<T>& factor = setup.factor;
    Matrix<double> h(n, n);
    for (std::int64_t i = 0; i < n; ++i) {
        const auto row = setup.hessian.row(factor.permutation[static_cast<std::size_t>(i)]);
        for (std::int64_t j = 0; j < n; ++j) {
            h(i, j) = static_cast<double>(
                row[static_cast<std::size_t>(factor.permutation[static_cast<std::size_t>(j)])]);
        }
        h(i, i) += (factor.dead[static_cast<std::size_t>(i)] != 0 ? 1 : 0) + factor.damping;
    }
    return h;
}

/// ½·tr(D·H·D') of the first 0, 1, 2, ... columns of D = before - after.
std::vector<double> partialLosses(const Matrix<double>& before,
                                  const Matrix<double>& after,
                                  const Matrix<double>& h,
                                  const JobContext& ctx) {
    std::vector<double> losses{0};
    for (std::int64_t k = 0; k < h.rows(); ++k) {
        ctx.checkpoint();
        double sum = 0;
        for (std::int64_t row = 0; row < before.rows(); ++row) {
            const double d = before(row, k) - after(row, k);
            double product = 0.5 * d * h(k, k);
            for (std::int64_t j = 0; j < k; ++j) {
                product += (before(row, j) - after(row, j)) * h(k, j);
            }
            sum += d * product;
        }
        losses.push_back(losses.back() + sum);
    }
    return losses;
}

Matrix<double> difference(const Matrix<double>& a, const Matrix<double>& b) {
    Matrix<double> result(a.rows(), a.cols());
    std::transform(a.data(), a.data() + a.size(), b.data(), result.data(), std::minus<>());
    return result;
}

double relative(double part, double whole) {
    return whole > 0 ? std::sqrt(std::max(part, 0.0) / whole) : 0;
}

double squares(const Matrix<double>& m) {
    return std::inner_product(m.data(), m.data() + m.size(), m.data(), 0.0);
}

/// The four notes of a cell, with its row's numbers.
class Explainer {
public:
    Explainer(std::vector<ToldColumn> columns,
              int bits,
              std::shared_ptr<const BitMask> mask,
              std::shared_ptr<const CodedMatrix> result)
        : columns_(std::move(columns)),
          low_(-(std::int64_t{1} << (bits - 1))),
          high_((std::int64_t{1} << (bits - 1)) - 1),
          mask_(std::move(mask)),
          result_(std::move(result)) {}

    [[nodiscard]] std::vector<TraceNote> operator()(std::size_t state, TraceCell cell) const {
        std::vector<TraceNote> notes;
        if (cell.row < 0 || cell.row >= result_->rows() || cell.col < 0 ||
            cell.col >= result_->cols()) {
            return notes;
        }
        if (state >= columns_.size()) {  // the columns back in their order
            for (const EquationLine& line : result_->explain(cell.row, cell.col)) {
                notes.push_back({line.label, {}, line.expression, line.result, line.note});
            }
            return notes;
        }
        const ToldColumn& told = columns_[state];
        const auto row = static_cast<std::size_t>(cell.row);
        notes.push_back(rounding(told, row));
        const double pivot = (*told.factor)(0, told.place);
        notes.push_back({"Error, in units of what later columns can absorb",
                         "e = (w - q) / U_ii",
                         joined({"(",
                                 number(told.before[row]),
                                 " - ",
                                 bracketed(told.values[row]),
                                 ") / ",
                                 number(pivot)}),
                         number(told.errors[row]),
                         {}});
        const std::int64_t at = cell.col > told.place ? cell.col : told.place + 1;
        if (at < told.weights->cols()) {
            notes.push_back(push(told, cell.row, at));
        }
        notes.push_back(
            {joined({"Loss of this column, all ", std::to_string(result_->rows()), " rows"}),
             "½ Σ e²",
             {},
             number(told.loss),
             joined({"so far ", number(told.lossSoFar)})});
        return notes;
    }

private:
    [[nodiscard]] TraceNote rounding(const ToldColumn& told, std::size_t row) const {
        if (mask_ != nullptr && !mask_->kept(static_cast<std::int64_t>(row), told.column)) {
            return {"Pruned by an earlier step",
                    "q = 0",
                    joined({"what errors of earlier columns moved here, ",
                            number(told.before[row]),
                            ", is taken away again"}),
                    "0",
                    {}};
        }
        const double scale = told.scales[row];
        const auto zero = static_cast<std::int64_t>(told.zeroPoints[row]);
        const auto codeFor = [&](double weight, double step) {
            const double level = std::nearbyint(weight / step) + static_cast<double>(zero);
            return std::clamp(level, static_cast<double>(low_), static_cast<double>(high_));
        };
        const double code = told.codes[row];
        const BoardNumbers numbers(
            told.before[row], scale, [&](double w, double s) { return codeFor(w, s) == code; });
        const bool clamped =
            std::nearbyint(told.before[row] / scale) + static_cast<double>(zero) != code;
        const std::string codeText = std::to_string(told.codes[row]);
        const std::string inner = joined({"round(", numbers.weight(), " / ", numbers.scale(), ")"});
        const std::string note = joined({"code ", codeText, clamped ? ", clamped" : ""});
        if (zero == 0) {
            return {"Quantize the column",
                    "q = s · clamp(round(w / s))",
                    joined({numbers.scale(), " · clamp(", inner, ")"}),
                    number(told.values[row]),
                    note};
        }
        const std::string z =
            zero < 0 ? joined({"(", std::to_string(zero), ")"}) : std::to_string(zero);
        return {"Quantize the column",
                "q = s · (clamp(round(w / s) + z) - z)",
                joined({numbers.scale(), " · (clamp(", inner, " + ", z, ") - ", z, ")"}),
                number(told.values[row]),
                note};
    }

    [[nodiscard]] static TraceNote push(const ToldColumn& told, std::int64_t row, std::int64_t at) {
        const double error = told.errors[static_cast<std::size_t>(row)];
        return {"Push it to the right",
                joined({"w_j ← w_j - e · U_ij,  j = ", std::to_string(at)}),
                joined({number((*told.earlier)(row, at)),
                        " - ",
                        bracketed(error),
                        " · ",
                        bracketed((*told.factor)(0, at))}),
                number((*told.weights)(row, at)),
                joined({"moved ", number((*told.moved)(row, at))})};
    }

    std::vector<ToldColumn> columns_;
    std::int64_t low_;
    std::int64_t high_;
    std::shared_ptr<const BitMask> mask_;
    std::shared_ptr<const CodedMatrix> result_;
};

double largest(const Matrix<double>& m) {
    double most = 0;
    for (std::int64_t i = 0; i < m.size(); ++i) {
        most = std::max(most, std::fabs(m.data()[i]));
    }
    return most;
}

/// Turns what was recorded into states.
class Teller {
public:
    Teller(const std::vector<ToldColumn>& columns,
           std::shared_ptr<const std::vector<std::int64_t>> order,
           int bits)
        : columns_(columns), order_(std::move(order)), bits_(bits) {
        std::vector<double> moves;
        for (const ToldColumn& told : columns_) {
            weightLimit_ = std::max({weightLimit_, largest(*told.weights), largest(*told.earlier)});
            moves.push_back(largest(*told.moved));
            factorLimit_ = std::max(factorLimit_, largest(*told.factor));
        }
        // A few columns (outlier inputs) move others far more than the rest do: they get the end
        // colours, so that the others are seen.
        std::sort(moves.begin(), moves.end());
        moveLimit_ = moves.empty() ? 0 : moves[(moves.size() - 1) * 9 / 10];
    }

    /// Places whose inputs are much louder than the median one.
    void findOutliers(const Matrix<double>& h) {
        constexpr double kLoud = 6;  // times the median root mean square
        std::vector<double> loudness;
        for (std::int64_t i = 0; i < h.rows(); ++i) {
            loudness.push_back(std::sqrt(h(i, i)));
        }
        std::vector<double> sorted = loudness;
        const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
        std::nth_element(sorted.begin(), middle, sorted.end());
        for (std::size_t i = 0; i < loudness.size(); ++i) {
            if (loudness[i] > kLoud * *middle) {
                outliers_.push_back(static_cast<std::int64_t>(i));
            }
        }
    }

    [[nodiscard]] TraceState state(const ToldColumn& told) const {
        const std::int64_t rows = told.weights->rows();
        const std::int64_t cols = told.weights->cols();
        TraceState state;
        state.title = joined({"Column ", std::to_string(told.column)});
        state.sentence = sentence(told);
        state.panels.push_back(weightsPanel(told.weights, order_));
        state.panels.push_back({"moved",
                                "What this step moved",
                                "-e · U, each row by its own error",
                                PanelKind::Signed,
                                "output channel",
                                "input channel",
                                told.moved,
                                order_,
                                moveLimit_});
        state.panels.push_back({"factor",
                                joined({"Row ", std::to_string(told.place), " of U"}),
                                "upper Cholesky factor of inv(H): how much each later column takes",
                                PanelKind::Bars,
                                {},
                                "input channel",
                                told.factor,
                                order_,
                                factorLimit_});
        if (told.place > 0) {
            state.regions.push_back(
                {"weights", RegionKind::Done, 0, 0, rows, told.place, "quantized"});
            state.regions.push_back({"moved",
                                     RegionKind::Done,
                                     0,
                                     0,
                                     rows,
                                     told.place,
                                     "finished columns no longer move"});
        }
        const std::string label = joined({"column ", std::to_string(told.column)});
        for (const char* panel : {"weights", "moved"}) {
            state.regions.push_back({panel, RegionKind::Current, 0, told.place, rows, 1, label});
        }
        state.regions.push_back({"factor", RegionKind::Current, 0, told.place, 1, 1, label});
        addOutliers(state, rows);
        state.figures = {{"Loss of this column", told.loss, "½ Σ e² over its rows"},
                         {"Loss so far", told.lossSoFar, "½ Σ e² over finished columns"}};
        state.focus = {worstRow(told), std::min(told.place, cols - 1)};
        state.marker = static_cast<double>(told.place + 1);
        return state;
    }

    /// The columns back where they belong.
    [[nodiscard]] TraceState inOrder(std::shared_ptr<const Matrix<double>> result,
                                     double loss,
                                     std::int64_t columns) const {
        TraceState state;
        state.title = "Back in order";
        state.sentence = "Every column returns to its own place; nothing else changes.";
        state.panels.push_back(weightsPanel(std::move(result), nullptr));
        state.regions.push_back({"weights",
                                 RegionKind::Done,
                                 0,
                                 0,
                                 state.panels[0].values->rows(),
                                 columns,
                                 "quantized"});
        state.figures = {{"Loss", loss, "½ Σ e² over all columns"}};
        state.marker = static_cast<double>(columns);
        return state;
    }

private:
    [[nodiscard]] TracePanel weightsPanel(
        std::shared_ptr<const Matrix<double>> values,
        std::shared_ptr<const std::vector<std::int64_t>> order) const {
        return {"weights",
                "Weights while the sweep runs",
                order == nullptr
                    ? "rows are output channels, columns input channels"
                    : "rows are output channels, columns input channels, loudest first",
                PanelKind::Signed,
                "output channel",
                "input channel",
                std::move(values),
                std::move(order),
                weightLimit_};
    }

    void addOutliers(TraceState& state, std::int64_t rows) const {
        for (const std::int64_t place : outliers_) {
            const std::int64_t column =
                order_ == nullptr ? place : (*order_)[static_cast<std::size_t>(place)];
            state.regions.push_back({"weights",
                                     RegionKind::Outlier,
                                     0,
                                     place,
                                     rows,
                                     1,
                                     joined({"outlier channel ", std::to_string(column)})});
        }
    }

    [[nodiscard]] std::string sentence(const ToldColumn& told) const {
        const std::string start = joined({"Column ",
                                          std::to_string(told.column),
                                          " is rounded to ",
                                          std::to_string(bits_),
                                          " bits"});
        const std::int64_t cols = told.weights->cols();
        std::int64_t most = told.place + 1;
        for (std::int64_t j = told.place + 1; j < cols; ++j) {
            if (std::fabs((*told.factor)(0, j)) > std::fabs((*told.factor)(0, most))) {
                most = j;
            }
        }
        if (most >= cols) {
            return joined({start, ", the last one: nothing is left to take its error."});
        }
        if ((*told.factor)(0, most) == 0) {
            return joined({start, "; no later column goes with it, so its error stays."});
        }
        const std::int64_t column =
            order_ == nullptr ? most : (*order_)[static_cast<std::size_t>(most)];
        return joined({start,
                       "; its error is pushed to the columns on its right, most of it to column ",
                       std::to_string(column),
                       "."});
    }

    [[nodiscard]] static std::int64_t worstRow(const ToldColumn& told) {
        const auto worst =
            std::max_element(told.errors.begin(), told.errors.end(), [](double a, double b) {
                return std::fabs(a) < std::fabs(b);
            });
        return worst - told.errors.begin();
    }

    const std::vector<ToldColumn>& columns_;
    std::shared_ptr<const std::vector<std::int64_t>> order_;
    int bits_;
    std::vector<std::int64_t> outliers_;
    double weightLimit_ = 0;
    double moveLimit_ = 0;
    double factorLimit_ = 0;
};

TraceSeries seriesOf(std::string name, const std::vector<double>& losses) {
    TraceSeries series{std::move(name), {}, losses};
    for (std::size_t k = 0; k < losses.size(); ++k) {
        series.x.push_back(static_cast<double>(k));
    }
    return series;
}

/// GPTQ's and plain rounding's errors, of the output and of the weights, over all tokens.
Result<void> summarize(Trace& trace,
                       const StepInput& input,
                       const Matrix<double>& nearest,
                       const Matrix<double>& solved,
                       const JobContext& ctx) {
    const Result<Matrix<double>> original = readWhole(*input.weights);
    const Result<Matrix<double>> h = hessian<double>(*input.activations, 0, ctx.withoutProgress());
    if (!original || !h) {
        return fail(original ? h.error() : original.error());
    }
    const auto outputError = [&](const Matrix<double>& after) {
        const Matrix<double> error = difference(*original, after);
        return relative(quadraticLoss<double>(error.view(), h->view(), ctx),
                        quadraticLoss<double>(original->view(), h->view(), ctx));
    };
    const auto weightError = [&](const Matrix<double>& after) {
        return relative(squares(difference(*original, after)), squares(*original));
    };
    const std::array<double, 4> errors{
        outputError(nearest), outputError(solved), weightError(nearest), weightError(solved)};
    trace.summary = {{"Output error, RTN", errors[0], "‖X·Ŵ' - X·W'‖ / ‖X·W'‖"},
                     {"Output error, GPTQ", errors[1], "‖X·Ŵ' - X·W'‖ / ‖X·W'‖"},
                     {"Weight error, RTN", errors[2], "‖Ŵ - W‖ / ‖W‖"},
                     {"Weight error, GPTQ", errors[3], "‖Ŵ - W‖ / ‖W‖"}};
    if (errors[1] < errors[0] && errors[3] > errors[2]) {
        trace.lesson =
            "GPTQ moves the weights further from the original and the output closer to it. Output "
            "error is what the network feels.";
    } else if (errors[1] < errors[0]) {
        trace.lesson =
            "Later columns make up for the errors of earlier ones: the output comes closer to the "
            "original than with plain rounding (RTN).";
    } else {
        trace.lesson =
            "Errors can be made up for only by inputs that go together, and the more of them are "
            "left the better. Here GPTQ gains nothing over plain rounding (RTN).";
    }
    return {};
}

/// The factor of inputs that do not correlate: nothing is pushed.
template <class T>
HessianFactor<T> pushingNothing(const HessianFactor<T>& factor) {
    HessianFactor<T> alone = factor;
    std::fill_n(alone.root.data(), alone.root.size(), T(0));
    for (std::int64_t i = 0; i < alone.root.rows(); ++i) {
        alone.root(i, i) = T(1);
    }
    alone.upper = alone.root;
    return alone;
}

/// Columns by place.
Matrix<double> byPlace(const Matrix<double>& m, const std::vector<std::int64_t>& permutation) {
    Matrix<double> result(m.rows(), m.cols());
    for (std::int64_t row = 0; row < m.rows(); ++row) {
        for (std::int64_t place = 0; place < m.cols(); ++place) {
            result(row, place) = m(row, permutation[static_cast<std::size_t>(place)]);
        }
    }
    return result;
}

template <class T>
Result<std::shared_ptr<const Trace>> tell(const StepInput& input,
                                          const Params& params,
                                          const JobContext& ctx) {
    const Result<GptqSetup<T>> setup = setUpGptq<T>(input, params, true, ctx);
    if (!setup) {
        return fail(setup.error());
    }
    const std::int64_t cols = input.weights->cols();
    Recorder<T> recorder((cols + kMostStates - 1) / kMostStates);
    const BitMask* const mask = input.mask.get();
    Result<GptqSweepResult> swept =
        gptqSweep<T>(*input.weights, mask, setup->factor, setup->spec, &recorder, ctx);
    Result<GptqSweepResult> alone = gptqSweep<T>(
        *input.weights, mask, pushingNothing(setup->factor), setup->spec, nullptr, ctx);
    if (!swept || !alone) {
        return fail(swept ? alone.error() : swept.error());
    }
    const double summed = swept->loss;
    const int bits = setup->spec.grid.bits;
    const std::shared_ptr<const CodedMatrix> solved = codedBy(std::move(*swept), input, bits);
    const std::shared_ptr<const CodedMatrix> nearest = codedBy(std::move(*alone), input, bits);
    const Result<Matrix<double>> solvedRows = readWhole(*solved);
    const Result<Matrix<double>> nearestRows = readWhole(*nearest);
    LOUPE_ASSERT(solvedRows && nearestRows, "codes in memory can be read");
    auto trace = std::make_shared<Trace>();
    if (Result<void> done = summarize(*trace, input, *nearestRows, *solvedRows, ctx); !done) {
        return fail(done.error());
    }
    const std::vector<std::int64_t>& permutation = setup->factor.permutation;
    const Matrix<double> h = dampedByPlace(*setup);
    const Matrix<double> solvedByPlace = byPlace(*solvedRows, permutation);
    trace->loss = TraceLoss{
        summed,
        quadraticLoss<double>(difference(recorder.start(), solvedByPlace).view(), h.view(), ctx)};
    trace->curves.push_back(
        {"loss",
         "Loss so far",
         "columns quantized",
         "½ tr(D·H·D')",
         {seriesOf("GPTQ", recorder.losses()),
          seriesOf("RTN",
                   partialLosses(recorder.start(), byPlace(*nearestRows, permutation), h, ctx))},
         false});
    std::vector<ToldColumn> columns = std::move(recorder.columns());
    const bool ordered = params.flag("act_order");
    Teller teller(
        columns,
        ordered ? std::make_shared<const std::vector<std::int64_t>>(permutation) : nullptr,
        bits);
    teller.findOutliers(h);
    for (const ToldColumn& told : columns) {
        trace->states.push_back(teller.state(told));
    }
    trace->result = std::make_shared<const Matrix<double>>(*solvedRows);
    if (ordered) {
        trace->states.push_back(teller.inOrder(trace->result, summed, cols));
    }
    trace->explain = Explainer(std::move(columns), bits, input.mask, solved);
    return std::shared_ptr<const Trace>(std::move(trace));
}

}  // namespace

Result<std::shared_ptr<const Trace>> traceGptq(const StepInput& input,
                                               const Params& params,
                                               const JobContext& ctx) {
    if (input.weights->rows() == 0 || input.weights->cols() == 0) {
        return fail(ErrorCode::Unsupported, "an empty layer cannot be told state by state");
    }
    return solvesInDouble(*input.weights) ? tell<double>(input, params, ctx)
                                          : tell<float>(input, params, ctx);
}

}  // namespace loupe
