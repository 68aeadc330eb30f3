// SPDX-License-Identifier: Apache-2.0
// LLM.int8(): X W' = scale·scale·(int8 codes) over ordinary inputs + 16-bit product over the inputs
// in which some |x| >= threshold.
#include "core/quant/llm_int8.hpp"

#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

constexpr std::string_view kVariants[] = {"paper", "bitsandbytes"};
constexpr ParamSpec kParams[] = {
    {.name = "threshold",
     .type = ParamType::Real,
     .defaultText = "6",
     .min = 0,
     .max = 1e30,
     .label = "Threshold",
     .help = "Inputs with any |x| >= this are multiplied in 16 bits. 0: all of them."},
    {.name = "variant",
     .type = ParamType::Choice,
     .defaultText = "paper",
     .choices = kVariants,
     .label = "Outlier weights",
     .help =
         "paper: outlier inputs keep their 16-bit weights. bitsandbytes: they use the int8 weights "
         "too, dequantized."}};

constexpr std::string_view kLadder[] = {"llm_int8", "llm_int8:variant=bitsandbytes"};

/// Row maxima and column maxima of some tokens.
template <class T>
Result<void> splitRows(std::int64_t begin,
                       std::int64_t end,
                       const RowSource& activations,
                       OutlierSplit& split,
                       std::vector<double>& columnMost) {
    const std::int64_t cols = activations.cols();
    const UniformSpec spec = int8PerRow();
    std::vector<T> row(static_cast<std::size_t>(cols));
    columnMost.assign(row.size(), 0.0);
    for (std::int64_t t = begin; t < end; ++t) {
        if (Result<void> done = activations.read(t, 1, row.data()); !done) {
            return done;
        }
        if (Result<void> finite = checkFinite<T>(row, cols, t, "activations: "); !finite) {
            return finite;
        }
        T most = 0;
        for (std::size_t j = 0; j < row.size(); ++j) {
            const T size = std::fabs(row[j]);
            const auto exact = static_cast<double>(size);
            columnMost[j] = std::max(columnMost[j], exact);
            most = exact < split.threshold ? std::max(most, size) : most;
        }
        const auto at = static_cast<std::size_t>(t);
        split.tokenMost[at] = static_cast<double>(most);
        split.tokenScale[at] = static_cast<double>(gridFor<T>(spec, -most, most).scale);
    }
    return {};
}

template <class From, class To>
void convert(const std::vector<From>& from, To* to) {
    std::transform(from.begin(), from.end(), to, [](From x) { return static_cast<To>(x); });
}

}  // namespace

UniformSpec int8PerRow() {
    UniformSpec spec;
    spec.bits = 8;
    spec.per = ScalePer::Row;
    return spec;
}

Result<std::shared_ptr<const OutlierSplit>> splitOutliers(const RowSource& activations,
                                                          double threshold,
                                                          const JobContext& ctx) {
    auto split = std::make_shared<OutlierSplit>();
    const auto cols = static_cast<std::size_t>(activations.cols());
    split->threshold = threshold;
    split->isOutlier.assign(cols, 0);
    split->columnMost.assign(cols, 0.0);
    split->tokenMost.assign(static_cast<std::size_t>(activations.rows()), 0.0);
    split->tokenScale.assign(static_cast<std::size_t>(activations.rows()), 1.0);
    const std::int64_t step = rowsPerChunk(activations.cols());
    std::vector<std::vector<double>> parts(
        static_cast<std::size_t>((activations.rows() + step - 1) / step));
    FirstError errors;
    parallelFor(activations.rows(),
                step,
                ctx,
                [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                    std::vector<double>& part = parts[static_cast<std::size_t>(chunk)];
                    Result<void> done =
                        activations.isDouble()
                            ? splitRows<double>(begin, end, activations, *split, part)
                            : splitRows<float>(begin, end, activations, *split, part);
                    if (!done) {
                        errors.report(chunk, done.error());
                    }
                });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    for (const std::vector<double>& part : parts) {
        for (std::size_t j = 0; j < cols; ++j) {
            split->columnMost[j] = std::max(split->columnMost[j], part[j]);
        }
    }
    for (std::size_t j = 0; j < cols; ++j) {
        if (split->columnMost[j] >= threshold) {
            split->isOutlier[j] = 1;
            split->columns.push_back(static_cast<std::int64_t>(j));
        }
    }
    return std::shared_ptr<const OutlierSplit>(std::move(split));
}

template <class T>
Result<void> SplitActivations::work(std::int64_t first,
                                    std::int64_t count,
                                    T* values,
                                    std::int32_t* codes) const {
    const UniformSpec spec = int8PerRow();
    const auto width = static_cast<std::size_t>(cols());
    std::vector<T> row(width);
    for (std::int64_t t = first; t < first + count; ++t) {
        if (Result<void> done = source_->read(t, 1, row.data()); !done) {
            return done;
        }
        const T scale = static_cast<T>(split_->tokenScale[static_cast<std::size_t>(t)]);
        for (std::size_t j = 0; j < width; ++j) {
            const bool outlier = split_->isOutlier[j] != 0;
            const std::int64_t code = outlier ? 0 : codeOf<T>(spec, scale, 0, row[j]);
            if (codes != nullptr) {
                *codes++ = static_cast<std::int32_t>(code);
            }
            if (values != nullptr) {
                *values++ = outlier ? row[j] : scale * static_cast<T>(code);
            }
        }
    }
    return {};
}

Result<void> SplitActivations::read(std::int64_t first, std::int64_t count, float* out) const {
    if (!isDouble()) {
        return work<float>(first, count, out, nullptr);
    }
    std::vector<double> values(static_cast<std::size_t>(count * cols()));
    Result<void> done = work<double>(first, count, values.data(), nullptr);
    convert(values, out);
    return done;
}

Result<void> SplitActivations::read(std::int64_t first, std::int64_t count, double* out) const {
    if (isDouble()) {
        return work<double>(first, count, out, nullptr);
    }
    std::vector<float> values(static_cast<std::size_t>(count * cols()));
    Result<void> done = work<float>(first, count, values.data(), nullptr);
    convert(values, out);
    return done;
}

Result<void> SplitActivations::codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const {
    return isDouble() ? work<double>(first, count, nullptr, out)
                      : work<float>(first, count, nullptr, out);
}

template <class T>
Result<void> SplitWeights::readAs(std::int64_t first, std::int64_t count, T* out) const {
    if (Result<void> done = inner_->read(first, count, out); !done || !keeps_) {
        return done;
    }
    if (split_->columns.empty()) {
        return {};
    }
    std::vector<T> original(static_cast<std::size_t>(count * cols()));
    if (Result<void> done = inner_->source().read(first, count, original.data()); !done) {
        return done;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        for (const std::int64_t col : split_->columns) {
            out[row * cols() + col] = original[static_cast<std::size_t>(row * cols() + col)];
        }
    }
    return {};
}

Result<void> SplitWeights::read(std::int64_t first, std::int64_t count, float* out) const {
    return readAs(first, count, out);
}

Result<void> SplitWeights::read(std::int64_t first, std::int64_t count, double* out) const {
    return readAs(first, count, out);
}

Result<void> SplitWeights::codes(std::int64_t first, std::int64_t count, std::int32_t* out) const {
    if (Result<void> done = inner_->codes(first, count, out); !done || !keeps_) {
        return done;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        for (const std::int64_t col : split_->columns) {
            out[row * cols() + col] = 0;
        }
    }
    return {};
}

std::vector<Level> SplitWeights::levels(std::int64_t row, std::int64_t col) const {
    return keeps(col) ? std::vector<Level>{} : inner_->levels(row, col);
}

std::vector<EquationLine> SplitWeights::explain(std::int64_t row, std::int64_t col) const {
    const auto number = [](double value) { return BoardNumbers::text(value, 6); };
    const auto at = static_cast<std::size_t>(col);
    const bool outlier = split_->isOutlier[at] != 0;
    EquationLine test{"input",
                      joined({"max |x| = ",
                              number(split_->columnMost[at]),
                              outlier ? " >= " : " < ",
                              number(split_->threshold)}),
                      outlier ? "outlier" : "ordinary",
                      {}};
    if (!keeps(col)) {
        test.note = outlier ? "its activations stay in 16 bits, its weights are int8" : "int8";
        std::vector<EquationLine> lines{std::move(test)};
        for (EquationLine& line : inner_->explain(row, col)) {
            lines.push_back(std::move(line));
        }
        return lines;
    }
    test.note = "multiplied in 16 bits";
    std::vector<double> values(static_cast<std::size_t>(cols()));
    if (!inner_->source().read(row, 1, values.data())) {
        return {std::move(test)};
    }
    return {std::move(test), {"becomes", "w, unchanged", number(values[at]), "no code"}};
}

Result<StepOutput> applyLlmInt8(const StepInput& input,
                                const Params& params,
                                const JobContext& ctx) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing, "llm_int8 needs activations: --activations FILE[:TENSOR]");
    }
    const auto weights = makeUniform(input.weights, int8PerRow(), ctx, false);
    if (!weights) {
        return fail(weights.error());
    }
    const auto split = splitOutliers(*input.activations, params.real("threshold"), ctx);
    if (!split) {
        return fail(split.error());
    }
    const bool paper = params.is("variant", "paper");
    StepOutput output;
    output.weights = std::make_shared<SplitWeights>(*weights, *split, paper);
    output.activations = std::make_shared<SplitActivations>(input.activations, *split);
    output.cost = input.cost;
    output.cost.valueBits = 8;
    output.cost.overheadBits = (*weights)->scaleBitsPerWeight();
    const auto cols = static_cast<double>(input.weights->cols());
    const auto rows = static_cast<double>(input.weights->rows());
    if (paper && rows > 0 && cols > 0) {  // 16-bit weights in place of codes, and where they are
        const auto share = static_cast<double>((*split)->columns.size()) / cols;
        output.cost.valueBits = 8 * (1 - share) + 16 * share;
        output.cost.overheadBits += 32 * share / rows;
    }
    return output;
}

extern const StepDefinition kStep_llm_int8;
const StepDefinition kStep_llm_int8{
    .id = "llm_int8",
    .title = "LLM.int8()",
    .summary =
        "Multiplies the few inputs with outlier activations in 16 bits and everything else in "
        "int8, with a scale per token and per output channel.",
    .source = "Dettmers et al. 2022, LLM.int8(), section 3 (arXiv:2208.07339)",
    .params = kParams,
    .apply = applyLlmInt8,
    .needsActivations = true,
    .shortTitle =
        [](const Params& params) {
            return joined({"LLM.int8(), threshold ",
                           params.text("threshold"),
                           params.is("variant", "paper") ? "" : ", int8 outlier weights"});
        },
    .family = StepFamily::WithActivations,
    .ladder = kLadder,
    .trace = traceLlmInt8};

}  // namespace loupe
