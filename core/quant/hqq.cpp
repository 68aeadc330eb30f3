// SPDX-License-Identifier: Apache-2.0
// Half-quadratic quantization: no calibration data; the zero point of each group moves until the
// errors that remain are few and large rather than many and small.
#include "core/quant/hqq.hpp"

#include "core/base/worker_pool.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/coded_matrix.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/uniform_params.hpp"

#include <algorithm>
#include <limits>

namespace loupe {

namespace {

/// Range to scale and the first zero point, as the reference does, in signed codes.
template <class T>
void rangeOfGroup(const HqqProblem<T>& problem,
                  std::int64_t row,
                  std::int64_t begin,
                  std::int64_t end,
                  T& scale,
                  T& zero) {
    T low = std::numeric_limits<T>::infinity();
    T high = -low;
    for (std::int64_t col = begin; col < end; ++col) {
        if (problem.counts(row, col)) {
            low = std::min(low, problem.weights(row, col));
            high = std::max(high, problem.weights(row, col));
        }
    }
    scale = 1;
    zero = 0;
    if (!(low <= high) || (low == 0 && high == 0)) {
        return;  // nothing but zeros: scale 1, codes 0
    }
    if (low == high) {
        // One value c: scale |c|, code 0 and zero point -sign(c) give it back exactly, where the
        // reference's scale 1 leaves the digits of c that a zero point near 2^(b-1) has no room
        // for. No error, so that no iteration moves it.
        scale = std::fabs(low);
        zero = low > 0 ? T{-1} : T{1};
        return;
    }
    constexpr double kNarrow = 1e-4;
    constexpr double kLargestInverse = 2e4;
    const auto steps = static_cast<T>((std::int64_t{1} << problem.bits) - 1);
    if (high - low > static_cast<T>(kNarrow)) {
        scale = std::max((high - low) / steps, static_cast<T>(1 / kLargestInverse));
    }
    zero = -low / scale;
    constexpr int kRoundedBits = 4;
    if (problem.bits == kRoundedBits) {
        zero = std::nearbyint(zero);
    }
    zero += problem.lowest();
}

/// One iteration over a row: the next zero points, and the sum of |w - w^| on those of now.
template <class T>
double iterateRow(const HqqProblem<T>& problem,
                  std::int64_t row,
                  const HqqGrids<T>& now,
                  std::vector<T>& next) {
    double absolute = 0;
    const std::int64_t cols = problem.weights.cols();
    for (std::int64_t begin = 0; begin < cols; begin += problem.group) {
        const std::size_t at = problem.groupOf(row, begin);
        const T scale = now.scale[at];
        const T zero = now.zero[at];
        double sum = 0;
        std::int64_t count = 0;
        for (std::int64_t col = begin; col < std::min(begin + problem.group, cols); ++col) {
            if (!problem.counts(row, col)) {
                continue;
            }
            const T weight = problem.weights(row, col);
            const T code = problem.code(weight, scale, zero);
            const T error = weight - problem.value(code, scale, zero);
            absolute += static_cast<double>(std::fabs(error));
            sum += static_cast<double>(code - (weight - problem.shrink(error)) / scale);
            ++count;
        }
        next[at] = count > 0 ? static_cast<T>(sum / static_cast<double>(count)) : zero;
    }
    return absolute;
}

}  // namespace

template <class T>
HqqGrids<T> solveHqq(const HqqProblem<T>& problem,
                     HqqObserver<T>* observer,
                     const JobContext& ctx) {
    const std::int64_t rows = problem.weights.rows();
    const std::int64_t cols = problem.weights.cols();
    const std::int64_t step = rowsPerChunk(cols, 32768);
    HqqGrids<T> grids;
    grids.scale.resize(static_cast<std::size_t>(rows * problem.groupsPerRow()));
    grids.zero.resize(grids.scale.size());
    parallelFor(rows, step, ctx, [&](std::int64_t first, std::int64_t last, std::int64_t) {
        for (std::int64_t row = first; row < last; ++row) {
            for (std::int64_t begin = 0; begin < cols; begin += problem.group) {
                const std::size_t at = problem.groupOf(row, begin);
                rangeOfGroup(problem,
                             row,
                             begin,
                             std::min(begin + problem.group, cols),
                             grids.scale[at],
                             grids.zero[at]);
            }
        }
    });
    double best = std::numeric_limits<double>::infinity();
    std::vector<T> next(grids.zero.size());
    std::vector<double> errors(static_cast<std::size_t>(rows));
    for (std::int64_t k = 0; k < problem.iterations; ++k) {
        parallelFor(rows, step, ctx, [&](std::int64_t first, std::int64_t last, std::int64_t) {
            for (std::int64_t row = first; row < last; ++row) {
                errors[static_cast<std::size_t>(row)] = iterateRow(problem, row, grids, next);
            }
        });
        double sum = 0;
        for (const double error : errors) {
            sum += error;
        }
        const double mean = sum / static_cast<double>(std::max<std::int64_t>(rows * cols, 1));
        if (observer != nullptr) {
            observer->iteration(grids, mean);
        }
        grids.zero.swap(next);
        // The step counts one unit a weight, whatever the number of iterations.
        const auto unit = [&](std::int64_t done) {
            return static_cast<std::uint64_t>(rows * cols * done / problem.iterations);
        };
        const bool last = mean >= best;
        ctx.advance(unit(last ? problem.iterations : k + 1) - unit(k));
        if (last) {
            break;
        }
        best = mean;
    }
    return grids;
}

template HqqGrids<float> solveHqq(const HqqProblem<float>&, HqqObserver<float>*, const JobContext&);
template HqqGrids<double> solveHqq(const HqqProblem<double>&,
                                   HqqObserver<double>*,
                                   const JobContext&);

template <class T>
Result<HqqProblem<T>> hqqProblem(const StepInput& input,
                                 const Params& params,
                                 const JobContext& ctx) {
    HqqProblem<T> problem;
    problem.mask = input.mask.get();
    problem.bits = static_cast<int>(params.integer("bits"));
    problem.group = params.integer("group");
    problem.iterations = params.integer("iterations");
    const std::int64_t cols = input.weights->cols();
    problem.weights = Matrix<T>(input.weights->rows(), cols);
    FirstError errors;
    parallelFor(problem.weights.rows(),
                rowsPerChunk(cols),
                ctx,
                [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
                    std::vector<T> values;
                    const Result<void> done =
                        readFinite(*input.weights, first, last - first, values);
                    if (!done) {
                        errors.report(chunk, done.error());
                        return;
                    }
                    std::copy(values.begin(), values.end(), problem.weights.row(first).data());
                });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    return problem;
}

template Result<HqqProblem<float>> hqqProblem(const StepInput&, const Params&, const JobContext&);
template Result<HqqProblem<double>> hqqProblem(const StepInput&, const Params&, const JobContext&);

template <class T>
StepOutput hqqOutput(const StepInput& input,
                     const HqqProblem<T>& problem,
                     const HqqGrids<T>& grids,
                     const JobContext& ctx) {
    CodedMatrix::Parts parts;
    parts.rows = problem.weights.rows();
    parts.cols = problem.weights.cols();
    parts.bits = problem.bits;
    parts.isDouble = input.weights->isDouble();
    parts.codes.resize(static_cast<std::size_t>(parts.rows * parts.cols));
    parallelFor(parts.rows,
                rowsPerChunk(parts.cols),
                ctx,
                [&](std::int64_t first, std::int64_t last, std::int64_t) {
                    for (std::int64_t row = first; row < last; ++row) {
                        std::int8_t* codes = parts.codes.data() + row * parts.cols;
                        for (std::int64_t col = 0; col < parts.cols; ++col) {
                            const std::size_t at = problem.groupOf(row, col);
                            codes[col] = static_cast<std::int8_t>(problem.code(
                                problem.weights(row, col), grids.scale[at], grids.zero[at]));
                        }
                    }
                });
    parts.scales.rows = parts.rows;
    parts.scales.cols = problem.groupsPerRow();
    parts.scales.colsPerEntry = problem.group;
    parts.zeroPoints = parts.scales;
    parts.scales.values.assign(grids.scale.begin(), grids.scale.end());
    parts.zeroPoints.values.assign(grids.zero.begin(), grids.zero.end());
    parts.realZeroPoints = true;
    parts.original = input.weights;
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = problem.bits;
    const auto weights = static_cast<double>(parts.rows * parts.cols);
    const auto groups = static_cast<double>(grids.scale.size());
    output.cost.overheadBits = weights > 0 ? 32 * groups / weights : 0;
    output.weights = std::make_shared<CodedMatrix>(std::move(parts));
    return output;
}

template StepOutput hqqOutput(const StepInput&,
                              const HqqProblem<float>&,
                              const HqqGrids<float>&,
                              const JobContext&);
template StepOutput hqqOutput(const StepInput&,
                              const HqqProblem<double>&,
                              const HqqGrids<double>&,
                              const JobContext&);

namespace {

template <class T>
Result<StepOutput> applyAs(const StepInput& input, const Params& params, const JobContext& ctx) {
    const Result<HqqProblem<T>> problem = hqqProblem<T>(input, params, ctx);
    if (!problem) {
        return fail(problem.error());
    }
    return hqqOutput(input, *problem, solveHqq<T>(*problem, nullptr, ctx), ctx);
}

constexpr ParamSpec kParams[] = {
    uniform_params::kGroupBits,
    uniform_params::groupSize("64"),
    {.name = "iterations",
     .type = ParamType::Integer,
     .defaultText = "20",
     .min = 0,
     .max = 1000,
     .label = "Iterations",
     .help = "At most; it stops where the mean error over all weights does not fall. 0: plain "
             "rounding."}};

constexpr std::string_view kLadder[] = {
    "hqq:bits=4,group=64", "hqq:bits=3,group=64", "hqq:bits=2,group=64", "hqq:bits=2,group=16"};

}  // namespace

extern const StepDefinition kStep_hqq;
const StepDefinition kStep_hqq{
    .id = "hqq",
    .title = "HQQ",
    .summary =
        "Moves each group's zero point so that a few large errors remain rather than many "
        "small ones; needs no data.",
    .source = "Badri and Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models",
    .params = kParams,
    .apply =
        [](const StepInput& input, const Params& params, const JobContext& ctx) {
            return input.weights->isDouble() ? applyAs<double>(input, params, ctx)
                                             : applyAs<float>(input, params, ctx);
        },
    .shortTitle =
        [](const Params& params) {
            return joined({"HQQ int", params.text("bits"), ", group ", params.text("group")});
        },
    .family = StepFamily::Uniform,
    .isSolver = true,
    .ladder = kLadder,
    .trace = traceHqq};

}  // namespace loupe
