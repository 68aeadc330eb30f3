// SPDX-License-Identifier: Apache-2.0
// SparseGPT: prunes and, in the same sweep over the columns, moves the weights right of each pruned
// one so that the layer's output changes least; optionally rounds what it keeps.
#include "core/prune/sparsegpt.hpp"

#include "core/base/text.hpp"
#include "core/prune/pruner.hpp"
#include "core/prune/solved_matrix.hpp"
#include "core/quant/coded_matrix.hpp"
#include "core/scheme/masked_matrix.hpp"
#include "core/scheme/trace.hpp"

#include <algorithm>

namespace loupe {

namespace {

using pruner_params::kPattern;

constexpr ParamSpec kShare{
    .name = "sparsity",
    .type = ParamType::Real,
    .defaultText = "0.5",
    .min = 0,
    .max = 1,
    .label = "Sparsity",
    .help =
        "Share S of the weights to prune, 0 <= S < 1: exactly floor(count·S) of each block of "
        "columns, over all rows; smallest w^2/U_jj^2 first, ties lower index first.",
    .onlyWith = "!pattern"};
constexpr ParamSpec kDamp{.name = "damp",
                          .type = ParamType::Real,
                          .defaultText = "0.01",
                          .min = 0,
                          .max = 1000,
                          .label = "Damping",
                          .help = "Added to the diagonal of H = 2X'X, in shares of its mean."};
constexpr ParamSpec kBlock{
    .name = "block",
    .type = ParamType::Integer,
    .defaultText = "128",
    .min = 1,
    .max = 65536,
    .label = "Block",
    .help =
        "Columns whose weights compete with each other; beside a pattern it only sets how often "
        "errors are carried to the columns right of the block.",
    .unit = "columns",
    .powersOfTwo = true};
constexpr ParamSpec kBits{
    .name = "bits",
    .type = ParamType::Integer,
    .defaultText = "",
    .min = 2,
    .max = 8,
    .label = "Bits",
    .help =
        "Rounds what is kept in the same sweep, on an asymmetric grid for each row that is laid "
        "over the dense weights; absent: not quantized.",
    .unit = "bit"};
constexpr ParamSpec kParams[] = {kShare, kPattern, kDamp, kBlock, kBits};

template <class T>
RowGrids gridsOf(const Matrix<T>& weights, int bits, bool isDouble) {
    RowGrids grids;
    grids.spec.bits = bits;
    grids.spec.asymmetric = true;
    grids.spec.range = GridRange::Full;
    grids.spec.per = ScalePer::Row;
    grids.isDouble = isDouble;
    for (std::int64_t row = 0; row < weights.rows(); ++row) {
        const auto values = weights.row(row);
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        const T least = std::min(*low, T{0});
        const T most = std::max(*high, T{0});
        if (isDouble) {
            const UniformGrid<double> grid =
                gridFor<double>(grids.spec, static_cast<double>(least), static_cast<double>(most));
            grids.scales.push_back(grid.scale);
            grids.zeros.push_back(grid.zeroPoint);
        } else {
            const UniformGrid<float> grid =
                gridFor<float>(grids.spec, static_cast<float>(least), static_cast<float>(most));
            grids.scales.push_back(static_cast<double>(grid.scale));
            grids.zeros.push_back(grid.zeroPoint);
        }
    }
    return grids;
}

ScaleGrid perRow(const RowSource& weights, std::vector<double> values) {
    ScaleGrid grid;
    grid.rows = weights.rows();
    grid.cols = 1;
    grid.rowsPerEntry = 1;
    grid.colsPerEntry = weights.cols();
    grid.values = std::move(values);
    return grid;
}

std::shared_ptr<const QuantizedMatrix> codedOf(const StepInput& input,
                                               const RowGrids& grids,
                                               SparseGptResult& result) {
    CodedMatrix::Parts parts;
    parts.rows = input.weights->rows();
    parts.cols = input.weights->cols();
    parts.bits = grids.spec.bits;
    parts.isDouble = grids.isDouble;
    parts.codes = std::move(result.codes);
    parts.scales = perRow(*input.weights, grids.scales);
    parts.zeroPoints =
        perRow(*input.weights, std::vector<double>(grids.zeros.begin(), grids.zeros.end()));
    parts.original = input.weights;
    parts.rounded = std::move(result.rounded);
    return std::make_shared<CodedMatrix>(std::move(parts));
}

template <class T>
Result<StepOutput> applyAs(const StepInput& input, const Params& params, const JobContext& ctx) {
    SparseGptRun<T> run;
    if (Result<void> done = runSparseGpt<T>(input, params, false, nullptr, ctx, run); !done) {
        return fail(done.error());
    }
    return outputOf(input, run);
}

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return sparseGptInDouble(input) ? applyAs<double>(input, params, ctx)
                                    : applyAs<float>(input, params, ctx);
}

std::string titleOf(const Params& params) {
    std::string text = prunerTitle("SparseGPT", params);
    if (params.has("bits")) {
        text.append(", int").append(params.text("bits"));
    }
    return text;
}

constexpr std::string_view kLadder[] = {
    "sparsegpt", "sparsegpt:pattern=2:4", "sparsegpt:bits=4", "sparsegpt:pattern=2:4,bits=4"};

}  // namespace

template <class T>
Result<void> runSparseGpt(const StepInput& input,
                          const Params& params,
                          bool keepHessian,
                          SparseGptRecorder<T>* recorder,
                          const JobContext& ctx,
                          SparseGptRun<T>& run) {
    Result<LayerProblem<T>> problem = readLayerProblem<T>(input, ctx);
    if (!problem) {
        return fail(problem.error());
    }
    run.problem = std::move(*problem);
    Matrix<T> worked = keepHessian ? run.problem.hessian : std::move(run.problem.hessian);
    Result<HessianFactor<T>> factor =
        factorHessian<T>(std::move(worked),
                         params.real("damp"),
                         {},
                         ctx,
                         keepHessian ? FactorParts::Whole : FactorParts::Root);
    if (!factor) {
        return fail(factor.error());
    }
    run.factor = std::move(*factor);
    if (params.has("bits")) {
        run.grids = gridsOf(run.problem.weights,
                            static_cast<int>(params.integer("bits")),
                            input.weights->isDouble());
    }
    run.spec.selection = selectionOf(params);
    run.spec.block = params.integer("block");
    run.spec.earlier = input.mask;
    run.spec.grids = run.grids ? &*run.grids : nullptr;
    clearDeadColumns(run.factor, run.problem.weights);
    run.solved =
        keepHessian ? run.problem.weights : std::exchange(run.problem.weights, Matrix<T>{});
    run.result = solveSparseGpt<T>(run.solved, run.factor, run.spec, recorder, ctx);
    return {};
}

template <class T>
StepOutput outputOf(const StepInput& input, SparseGptRun<T>& run) {
    std::shared_ptr<const QuantizedMatrix> values;
    if (run.grids) {
        values = codedOf(input, *run.grids, run.result);
    } else {
        values = std::make_shared<SolvedMatrix>(input.weights, run.solved);
    }
    StepOutput output = solvedOutput(input, std::move(values), run.result.mask);
    if (run.grids) {
        const auto cols = static_cast<double>(std::max<std::int64_t>(input.weights->cols(), 1));
        output.cost.valueBits = run.grids->spec.bits;
        output.cost.overheadBits = (16.0 + run.grids->spec.bits) / cols;
    }
    return output;
}

template Result<void> runSparseGpt<double>(const StepInput&,
                                           const Params&,
                                           bool,
                                           SparseGptRecorder<double>*,
                                           const JobContext&,
                                           SparseGptRun<double>&);
template StepOutput outputOf<double>(const StepInput&, SparseGptRun<double>&);
template Result<void> runSparseGpt<float>(const StepInput&,
                                          const Params&,
                                          bool,
                                          SparseGptRecorder<float>*,
                                          const JobContext&,
                                          SparseGptRun<float>&);
template StepOutput outputOf<float>(const StepInput&, SparseGptRun<float>&);

extern const StepDefinition kStep_sparsegpt;
const StepDefinition kStep_sparsegpt{
    .id = "sparsegpt",
    .title = "SparseGPT",
    .summary =
        "Prunes column by column and moves the weights to the right of each pruned one, so that "
        "the layer's output changes least.",
    .source = "Frantar, Alistarh 2023, SparseGPT (arXiv:2301.00774), section 3 and algorithm 1",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .needsActivations = true,
    .shortTitle = titleOf,
    .family = StepFamily::Pruning,
    .isSolver = true,
    .ladder = kLadder,
    .trace = traceSparseGpt};

}  // namespace loupe
