// SPDX-License-Identifier: Apache-2.0
// absmax and zeropoint told state by state: bound of each group, division, rounding, clamping,
// dequantization.
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
        const std::int64_t cols = matrix_.cols();
        weights_ = Matrix<T>(rows, cols);
        if (Result<void> done = matrix_.source().read(0, rows, weights_.data()); !done) {
            return done;
        }
        Matrix<double> shown(rows, cols);
        std::copy(weights_.data(), weights_.data() + weights_.size(), shown.data());
        trace_.states.push_back({"Weights", {}, {}, shown, {}, {}});
        const std::vector<Group> groups = groupsOf(matrix_);
        for (const Group& group : groups) {
            ctx_.checkpoint();
            addBound(group, shown);
        }
        addElementwise(groups, shown);
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

    void addBound(const Group& group, const Matrix<double>& shown) {
        std::vector<T> values;
        for (const TraceCell& cell : group.cells) {
            values.push_back(weights_(cell.row, cell.col));
        }
        std::int64_t bad = -1;
        const GroupExtent<T> extent = extentOf<T>(values, bad);
        TraceState state{"Bound and scale", {}, group.cells, shown, {}, {}};
        if (spec_.clip == ClipRule::Mse) {
            addSearch(values, extent, state);
        }
        const auto [low, high] = matrix_.boundAt(group.index);
        const std::string scaleText = number(static_cast<double>(scale(group)));
        if (spec_.asymmetric) {
            state.formula = joined({"range ",
                                    number(low),
                                    " .. ",
                                    number(high),
                                    ", scale = ",
                                    scaleText,
                                    ", zero point = ",
                                    std::to_string(zero(group))});
        } else {
            state.formula = joined({"a = ", number(high), ", scale = ", scaleText});
        }
        trace_.states.push_back(std::move(state));
    }

    /// The candidates of the least-squares search in the order in which they were tried.
    void addSearch(const std::vector<T>& values, const GroupExtent<T>& extent, TraceState& state) {
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
        for (const auto& [bound, error] : tried) {
            state.candidates.push_back(bound);
            state.errors.push_back(error);
        }
    }

    void addElementwise(const std::vector<Group>& groups, Matrix<double> shown) {
        TraceState divide{"Divide by the scale", "w / scale", {}, shown, {}, {}};
        TraceState round{"Round", "nearest integer, ties to even", {}, shown, {}, {}};
        if (spec_.asymmetric) {
            round.formula += ", plus the zero point";
        }
        TraceState clamp{
            "Clamp",
            joined(
                {"to ", std::to_string(spec_.codeMin()), " .. ", std::to_string(spec_.codeMax())}),
            {},
            shown,
            {},
            {}};
        TraceState result{"Dequantize",
                          spec_.asymmetric ? "scale · (code - zero point)" : "scale · code",
                          {},
                          shown,
                          {},
                          {}};
        for (const Group& group : groups) {
            for (const TraceCell& cell : group.cells) {
                const T weight = weights_(cell.row, cell.col);
                const T quotient = weight / scale(group);
                const double rounded = std::nearbyint(static_cast<double>(quotient)) +
                                       static_cast<double>(zero(group));
                const std::int64_t code = codeOf(spec_, scale(group), zero(group), weight);
                divide.values(cell.row, cell.col) = static_cast<double>(quotient);
                round.values(cell.row, cell.col) = rounded;
                clamp.values(cell.row, cell.col) = static_cast<double>(code);
                result.values(cell.row, cell.col) =
                    static_cast<double>(scale(group) * static_cast<T>(code - zero(group)));
                if (rounded != static_cast<double>(code)) {
                    clamp.affected.push_back(cell);
                }
            }
        }
        for (TraceState* state : {&divide, &round, &clamp, &result}) {
            trace_.states.push_back(std::move(*state));
        }
    }

    const UniformMatrix& matrix_;
    const UniformSpec& spec_;
    Trace& trace_;
    const JobContext& ctx_;
    Matrix<T> weights_;
};

}  // namespace

Result<Trace> traceScheme(const Scheme& scheme,
                          const std::shared_ptr<const RowSource>& weights,
                          const JobContext& ctx) {
    if (scheme.steps.size() != 1 || weights->rows() * weights->cols() > kMostTracedWeights) {
        return fail(ErrorCode::Unsupported,
                    "only one step on at most 4096 weights can be told state by state");
    }
    const StepDefinition* definition = findStep(scheme.steps[0].name);
    if (definition == nullptr || definition->apply == nullptr) {
        return fail(ErrorCode::NotFound, "no step named '" + scheme.steps[0].name + "'");
    }
    StepInput input;
    input.weights = weights;
    const Result<StepOutput> output =
        definition->apply(input, Params(definition->params, scheme.steps[0]), ctx);
    if (!output) {
        return fail(output.error());
    }
    const auto* matrix = dynamic_cast<const UniformMatrix*>(output->weights.get());
    if (matrix == nullptr || matrix->spec().stochastic) {
        return fail(ErrorCode::Unsupported,
                    "step '" + scheme.steps[0].name + "' cannot be told state by state");
    }
    Trace trace{scheme, {}};
    const Result<void> done = matrix->isDouble() ? Recorder<double>(*matrix, trace, ctx).record()
                                                 : Recorder<float>(*matrix, trace, ctx).record();
    if (!done) {
        return fail(done.error());
    }
    return trace;
}

}  // namespace loupe
