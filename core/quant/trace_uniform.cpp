// SPDX-License-Identifier: Apache-2.0
// absmax and zeropoint told state by state: bound of each group, division, rounding, clamping,
// dequantization.
#include "core/base/assert.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/range_search.hpp"
#include "core/quant/uniform.hpp"
#include "core/scheme/trace.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

std::string number(double value) {
    return BoardNumbers::text(value, 6);
}

/// One group of weights that share a grid: its cells in row-major order.
struct Group {
    std::size_t index = 0;
    std::vector<TraceCell> cells;
};

std::vector<Group> groupsOf(const UniformMatrix& matrix) {
    const ScaleGrid& grid = *matrix.scales();
    std::vector<Group> groups(grid.values.size());
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        for (std::int64_t col = 0; col < matrix.cols(); ++col) {
            const std::int64_t r = grid.rows == 1 ? 0 : row;
            const std::int64_t c = grid.cols == 1 ? 0 : col / grid.colsPerEntry;
            const auto index = static_cast<std::size_t>(r * grid.cols + c);
            groups[index].index = index;
            groups[index].cells.push_back({row, col});
        }
    }
    return groups;
}

template <class T>
class Recorder {
public:
    Recorder(const UniformMatrix& matrix, Trace& trace, const JobContext& ctx)
        : matrix_(matrix), spec_(matrix.spec()), trace_(trace), ctx_(ctx) {}

    Result<void> record() {
        const std::int64_t rows = matrix_.rows();
        weights_ = Matrix<T>(rows, matrix_.cols());
        if (Result<void> done = matrix_.source().read(0, rows, weights_.data()); !done) {
            return done;
        }
        auto shown = std::make_shared<Matrix<double>>(rows, matrix_.cols());
        std::copy(weights_.data(), weights_.data() + weights_.size(), shown->data());
        original_ = shown;
        add("Weights", "What is stored before anything is done.", original_);
        const std::vector<Group> groups = groupsOf(matrix_);
        for (const Group& group : groups) {
            ctx_.checkpoint();
            addBound(group);
        }
        addElementwise(groups);
        trace_.result = trace_.states.back().panels[0].values;
        return {};
    }

private:
    [[nodiscard]] T scale(const Group& group) const {
        return static_cast<T>(matrix_.scales()->values[group.index]);
    }
    [[nodiscard]] std::int64_t zero(const Group& group) const {
        return spec_.asymmetric
                   ? static_cast<std::int64_t>(matrix_.zeroPoints()->values[group.index])
                   : 0;
    }

    TraceState& add(std::string title,
                    std::string sentence,
                    std::shared_ptr<const Matrix<double>> values,
                    PanelKind kind = PanelKind::Signed) {
        TraceState state;
        state.title = std::move(title);
        state.sentence = std::move(sentence);
        state.panels.push_back({"weights",
                                "Weights",
                                "rows are output channels, columns input channels",
                                kind,
                                "output channel",
                                "input channel",
                                std::move(values),
                                nullptr,
                                0});
        trace_.states.push_back(std::move(state));
        return trace_.states.back();
    }

    static TraceRegion at(const TraceCell& cell, RegionKind kind) {
        return {"weights", kind, cell.row, cell.col, 1, 1, {}};
    }

    void addBound(const Group& group) {
        std::vector<T> values;
        for (const TraceCell& cell : group.cells) {
            values.push_back(weights_(cell.row, cell.col));
        }
        std::int64_t bad = -1;
        const GroupExtent<T> extent = extentOf<T>(values, bad);
        const auto [low, high] = matrix_.boundAt(group.index);
        const std::string scaleText = number(static_cast<double>(scale(group)));
        TraceState& state =
            add("Bound and scale",
                spec_.asymmetric ? joined({"range ",
                                           number(low),
                                           " .. ",
                                           number(high),
                                           ", scale = ",
                                           scaleText,
                                           ", zero point = ",
                                           std::to_string(zero(group))})
                                 : joined({"a = ", number(high), ", scale = ", scaleText}),
                original_);
        for (const TraceCell& cell : group.cells) {
            state.regions.push_back(at(cell, RegionKind::Group));
        }
        if (spec_.clip == ClipRule::Mse) {
            addSearch(values, extent);
        }
    }

    /// The candidates of the least-squares search in the order in which they were tried.
    void addSearch(const std::vector<T>& values, const GroupExtent<T>& extent) {
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
        if (trace_.curves.empty()) {
            trace_.curves.push_back({"search",
                                     "Error of each bound tried",
                                     "bound",
                                     "sum of squared errors",
                                     {},
                                     false});
        }
        TraceSeries series{"group " + std::to_string(trace_.curves[0].series.size()), {}, {}};
        for (const auto& [bound, error] : tried) {
            series.x.push_back(bound);
            series.y.push_back(error);
        }
        trace_.curves[0].series.push_back(std::move(series));
    }

    void addElementwise(const std::vector<Group>& groups) {
        const auto blank = [&] {
            return std::make_shared<Matrix<double>>(weights_.rows(), weights_.cols());
        };
        const auto divide = blank();
        const auto round = blank();
        const auto clamp = blank();
        const auto result = blank();
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
                    clamped.push_back(at(cell, RegionKind::Clamped));
                }
            }
        }
        add("Divide by the scale", "w / scale", divide);
        add("Round",
            spec_.asymmetric ? "nearest integer, ties to even, plus the zero point"
                             : "nearest integer, ties to even",
            round,
            PanelKind::Codes);
        add("Clamp",
            joined(
                {"to ", std::to_string(spec_.codeMin()), " .. ", std::to_string(spec_.codeMax())}),
            clamp,
            PanelKind::Codes)
            .regions = std::move(clamped);
        add("Dequantize",
            spec_.asymmetric ? "scale · (code - zero point)" : "scale · code",
            result);
    }

    const UniformMatrix& matrix_;
    const UniformSpec& spec_;
    Trace& trace_;
    const JobContext& ctx_;
    Matrix<T> weights_;
    std::shared_ptr<const Matrix<double>> original_;
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
    const auto* matrix = dynamic_cast<const UniformMatrix*>(output->weights.get());
    LOUPE_ASSERT(matrix != nullptr, "applyUniform gives a UniformMatrix");
    if (matrix->spec().stochastic) {
        return fail(ErrorCode::Unsupported, "stochastic rounding cannot be told state by state");
    }
    auto trace = std::make_shared<Trace>();
    const Result<void> done = matrix->isDouble() ? Recorder<double>(*matrix, *trace, ctx).record()
                                                 : Recorder<float>(*matrix, *trace, ctx).record();
    if (!done) {
        return fail(done.error());
    }
    // The matrix keeps what the cells are explained with.
    const std::shared_ptr<const QuantizedMatrix> kept = output->weights;
    trace->explain = [kept](std::size_t, TraceCell cell) {
        std::vector<TraceNote> notes;
        for (const EquationLine& line : kept->explain(cell.row, cell.col)) {
            notes.push_back({line.label, {}, line.expression, line.result, line.note});
        }
        return notes;
    };
    return std::shared_ptr<const Trace>(std::move(trace));
}

}  // namespace loupe
