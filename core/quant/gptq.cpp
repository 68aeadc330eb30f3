// SPDX-License-Identifier: Apache-2.0
// GPTQ: columns are rounded one after the other, and each one's error is pushed to the columns that
// follow so that the layer's output changes least. H = 2X'X, inv(H) = U'U, e = (w_i - q_i) / U_ii,
// w_j -= e·U_ij.
#include "core/quant/gptq.hpp"

#include "core/base/text.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/uniform_params.hpp"

#include <algorithm>
#include <numeric>

namespace loupe {

namespace {

using uniform_params::kGroup;

constexpr std::string_view kGroupRow[] = {"group", "row"};
constexpr ParamSpec kBits{.name = "bits",
                          .type = ParamType::Integer,
                          .defaultText = "4",
                          .min = 2,
                          .max = 8,
                          .label = "Bits",
                          .help = "Width b of a code: 2^b integer levels.",
                          .unit = "bit"};
constexpr ParamSpec kPer{.name = "per",
                         .type = ParamType::Choice,
                         .defaultText = "group",
                         .choices = kGroupRow,
                         .label = "Scale per",
                         .help = "One scale for a group of inputs of a row, or for the whole row."};
constexpr ParamSpec kDamp{
    .name = "damp",
    .type = ParamType::Real,
    .defaultText = "0.01",
    .min = 0,
    .max = 100,
    .label = "Damping",
    .help =
        "This share of the mean of H's diagonal is added to the diagonal: steadier, less exact."};
constexpr ParamSpec kBlock{
    .name = "block",
    .type = ParamType::Integer,
    .defaultText = "128",
    .min = 1,
    .max = 4096,
    .label = "Block",
    .help =
        "Columns after which errors are pushed to the rest in one product: speed, and which "
        "updates a group's scale has seen.",
    .unit = "columns",
    .powersOfTwo = true};
constexpr ParamSpec kActOrder{
    .name = "act_order",
    .type = ParamType::Flag,
    .defaultText = "false",
    .label = "Loud inputs first",
    .help =
        "Columns in falling order of H's diagonal: the inputs that matter most still have all "
        "others to push their error to."};
constexpr ParamSpec kStaticGroups{
    .name = "static_groups",
    .type = ParamType::Flag,
    .defaultText = "false",
    .label = "Static groups",
    .help = "Scales from the weights before the sweep, for runs of neighbours even with act_order.",
    .onlyWith = "per=group"};
constexpr ParamSpec kSymmetric{
    .name = "symmetric",
    .type = ParamType::Flag,
    .defaultText = "false",
    .label = "Symmetric",
    .help = "scale = 2·max|w|/(2^b-1), no zero point; else the range from min to max, 0 included."};
constexpr ParamSpec kParams[] = {
    kBits, kPer, kGroup, kDamp, kBlock, kActOrder, kStaticGroups, kSymmetric};

SweepSpec specOf(const Params& params) {
    SweepSpec spec;
    spec.grid.bits = static_cast<int>(params.integer("bits"));
    spec.grid.range = GridRange::Full;
    spec.grid.asymmetric = !params.flag("symmetric");
    const bool grouped = params.is("per", "group");
    spec.group = grouped ? params.integer("group") : 0;
    spec.staticGroups = grouped && params.flag("static_groups");
    spec.block = params.integer("block");
    return spec;
}

/// Places in falling order of the diagonal; ties keep their order. Dead inputs count as 1, as in
/// the reference.
template <class T>
std::vector<std::int64_t> loudestFirst(const Matrix<T>& hessian) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(hessian.rows()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto loudness = [&](std::int64_t i) {
        return hessian(i, i) == T(0) ? T(1) : hessian(i, i);
    };
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return loudness(a) > loudness(b);
    });
    return order;
}

std::int64_t tokensOf(const StepInput& input) {
    const std::int64_t rows = input.activations->rows();
    return input.calibrationRows > 0 ? std::min(input.calibrationRows, rows) : rows;
}

template <class T>
Result<StepOutput> solve(const StepInput& input, const Params& params, const JobContext& ctx) {
    const Result<GptqSetup<T>> setup = setUpGptq<T>(input, params, false, ctx);
    if (!setup) {
        return fail(setup.error());
    }
    Result<GptqSweepResult> result =
        gptqSweep<T>(*input.weights, input.mask.get(), setup->factor, setup->spec, nullptr, ctx);
    if (!result) {
        return fail(result.error());
    }
    const int bits = setup->spec.grid.bits;
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = bits;
    const double perEntry = setup->spec.grid.asymmetric ? 16 + bits : 16;
    const auto weights = static_cast<double>(input.weights->rows() * input.weights->cols());
    double overhead = perEntry * static_cast<double>(result->scales.values.size());
    if (params.flag("act_order") && !setup->spec.staticGroups) {
        overhead += 32.0 * static_cast<double>(input.weights->cols());  // the column order
    }
    output.cost.overheadBits = weights == 0 ? 0 : overhead / weights;
    output.weights = codedBy(std::move(*result), input, bits);
    return output;
}

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return solvesInDouble(*input.weights) ? solve<double>(input, params, ctx)
                                          : solve<float>(input, params, ctx);
}

std::string shortTitle(const Params& params) {
    std::string text = "GPTQ int" + std::string(params.text("bits"));
    text += params.is("per", "group") ? joined({", group ", params.text("group")}) : ", per row";
    text += params.flag("act_order") ? ", loud inputs first" : "";
    text += params.flag("symmetric") ? ", symmetric" : "";
    return text;
}

constexpr std::string_view kLadder[] = {"gptq:group=128",
                                        "gptq:group=128,act_order=true",
                                        "gptq:bits=3,group=128",
                                        "gptq:bits=2,group=128"};

}  // namespace

template <class T>
Result<GptqSetup<T>> setUpGptq(const StepInput& input,
                               const Params& params,
                               bool keepHessian,
                               const JobContext& ctx) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing, "needs activations: --activations FILE[:TENSOR]");
    }
    GptqSetup<T> setup;
    setup.spec = specOf(params);
    Result<Matrix<T>> h =
        hessian<T>(*input.activations, input.calibrationRows, ctx.withoutProgress());
    if (!h) {
        return fail(h.error());
    }
    // Progress counts weights: a quarter for the Hessian, a quarter for its factor, half for the
    // sweep.
    const auto quarter =
        static_cast<std::uint64_t>(input.weights->rows() * input.weights->cols() / 4);
    ctx.advance(quarter);
    std::vector<std::int64_t> order;
    if (params.flag("act_order")) {
        order = loudestFirst(*h);
    }
    if (keepHessian) {
        setup.hessian = *h;
    }
    Result<HessianFactor<T>> factor =
        factorHessian<T>(std::move(*h),
                         params.real("damp"),
                         order,
                         ctx,
                         keepHessian ? FactorParts::Whole : FactorParts::Root);
    if (!factor) {
        Error error = factor.error();
        const std::int64_t tokens = tokensOf(input);
        if (tokens < input.weights->cols()) {
            error.what += joined({" and ",
                                  std::to_string(tokens),
                                  " calibration tokens are fewer than the ",
                                  std::to_string(input.weights->cols()),
                                  " inputs"});
        }
        return fail(std::move(error));
    }
    setup.factor = std::move(*factor);
    ctx.advance(quarter);
    return setup;
}

template Result<GptqSetup<float>> setUpGptq<float>(const StepInput&,
                                                   const Params&,
                                                   bool,
                                                   const JobContext&);
template Result<GptqSetup<double>> setUpGptq<double>(const StepInput&,
                                                     const Params&,
                                                     bool,
                                                     const JobContext&);

std::shared_ptr<const CodedMatrix> codedBy(GptqSweepResult result,
                                           const StepInput& input,
                                           int bits) {
    CodedMatrix::Parts parts;
    parts.rows = input.weights->rows();
    parts.cols = input.weights->cols();
    parts.bits = bits;
    parts.isDouble = input.weights->isDouble();
    parts.codes = std::move(result.codes);
    parts.scales = std::move(result.scales);
    parts.zeroPoints = std::move(result.zeroPoints);
    parts.original = input.weights;
    parts.rounded = std::move(result.rounded);
    return std::make_shared<CodedMatrix>(std::move(parts));
}

extern const StepDefinition kStep_gptq;
const StepDefinition kStep_gptq{
    .id = "gptq",
    .title = "GPTQ",
    .summary =
        "Rounds one input column after the other and pushes each one's error to the columns that "
        "follow, so that the layer's output changes least.",
    .source = "Frantar et al. 2023, GPTQ, algorithm 1 (arXiv:2210.17323)",
    .params = kParams,
    .apply = apply,
    .needsActivations = true,
    .shortTitle = shortTitle,
    .family = StepFamily::WithHessian,
    .isSolver = true,
    .ladder = kLadder,
    .trace = traceGptq};

}  // namespace loupe
