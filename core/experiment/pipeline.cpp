// SPDX-License-Identifier: Apache-2.0
// Applies a scheme step by step and measures the result in one streamed pass.
#include "core/experiment/pipeline.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/experiment/column_norms.hpp"
#include "core/experiment/output_error.hpp"
#include "core/prune/pruner.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/measurement.hpp"
#include "core/quant/uniform_kernels.hpp"
#include "core/scheme/masked_matrix.hpp"
#include "core/scheme/rotated.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <type_traits>
#include <utility>

namespace loupe {

namespace {

/// The matrix as it is: what an empty scheme gives.
class Unchanged final : public QuantizedMatrix {
public:
    explicit Unchanged(std::shared_ptr<const RowSource> source) : source_(std::move(source)) {}
    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return source_->read(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return source_->read(first, count, out);
    }
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }

private:
    std::shared_ptr<const RowSource> source_;
};

Result<void> checkShapes(const SchemeInput& input) {
    if (input.activations != nullptr && input.activations->cols() != input.weights->cols()) {
        return fail(ErrorCode::Invalid,
                    "activations have " + std::to_string(input.activations->cols()) +
                        " columns, the weight has " + std::to_string(input.weights->cols()) +
                        " inputs");
    }
    if (input.gradients != nullptr && (input.gradients->cols() != input.weights->cols() ||
                                       input.gradients->rows() != input.weights->rows())) {
        return fail(ErrorCode::Invalid,
                    "gradients have shape [" + std::to_string(input.gradients->rows()) + ", " +
                        std::to_string(input.gradients->cols()) + "], the weight [" +
                        std::to_string(input.weights->rows()) + ", " +
                        std::to_string(input.weights->cols()) + "]");
    }
    return {};
}

/// Partial results of one chunk of rows.
struct Part {
    ErrorSums sums;
    std::uint64_t zeros = 0;
    std::uint64_t clipped = 0;
    std::vector<double> colSquared;
    std::vector<std::uint64_t> codeCounts;
    std::vector<std::int32_t> codes;    ///< of the rows at hand
    std::vector<std::uint32_t> tables;  ///< their counts
};

/// Some rows before and after.
template <class T>
struct Rows {
    std::vector<T> before;
    std::vector<T> after;
};

/// Chunks share the accumulators of columns and codes in slots, so that memory stays O(cols)
/// whatever the number of rows. Slot s takes the chunks s, s + kSlots, ... in order: the sums do
/// not depend on threads.
constexpr std::int64_t kSlots = 16;

class Measurer {
public:
    Measurer(const RowSource& reference, const QuantizedMatrix& quantized, const JobContext& ctx)
        : reference_(reference), quantized_(quantized), ctx_(ctx), cols_(reference.cols()) {
        const auto [low, high] = quantized.codeRange();
        constexpr std::int64_t kMostCodes = 65536;
        countCodes_ = quantized.hasCodes() && high >= low && high - low < kMostCodes;
        firstCode_ = low;
        codeCount_ = countCodes_ ? high - low + 1 : 0;
        clips_ = reference.rows() > 0 && cols_ > 0 && quantized.clipInterval(0, 0).has_value();
    }

    template <class T>
    Result<Measurement> run() {
        Measurement all;
        all.rowSquared.assign(static_cast<std::size_t>(reference_.rows()), 0.0);
        all.colSquared.assign(static_cast<std::size_t>(cols_), 0.0);
        all.firstCode = firstCode_;
        all.codeCounts.assign(static_cast<std::size_t>(codeCount_), 0);
        const std::int64_t step = rowsPerChunk(cols_);
        const std::int64_t chunks = (reference_.rows() + step - 1) / step;
        FirstError errors;
        std::vector<Part> parts(
            static_cast<std::size_t>(std::min(kSlots, std::max<std::int64_t>(chunks, 1))));
        parallelFor(
            static_cast<std::int64_t>(parts.size()),
            1,
            ctx_,
            [&](std::int64_t slot, std::int64_t, std::int64_t) {
                Part& part = parts[static_cast<std::size_t>(slot)];
                Rows<T> rows;
                part.colSquared.assign(static_cast<std::size_t>(cols_), 0.0);
                part.codeCounts.assign(static_cast<std::size_t>(codeCount_), 0);
                // Neighbouring chunks in one slot: each thread reads a stretch of the file.
                const std::int64_t perSlot =
                    (chunks + static_cast<std::int64_t>(parts.size()) - 1) /
                    static_cast<std::int64_t>(parts.size());
                for (std::int64_t chunk = slot * perSlot;
                     chunk < std::min((slot + 1) * perSlot, chunks);
                     ++chunk) {
                    ctx_.checkpoint();
                    const std::int64_t first = chunk * step;
                    const std::int64_t count = std::min(step, reference_.rows() - first);
                    // Few rows at a time: what is written stays in the cache.
                    const std::int64_t few = rowsPerChunk(cols_, 16384);
                    for (std::int64_t row = first; row < first + count; row += few) {
                        if (Result<void> done = measureRows<T>(row,
                                                               std::min(few, first + count - row),
                                                               rows,
                                                               part,
                                                               all.rowSquared);
                            !done) {
                            errors.report(chunk, done.error());
                            return;
                        }
                    }
                    reference_.release(first, count);
                    ctx_.advance(static_cast<std::uint64_t>(count * cols_));
                }
            });
        if (errors.any()) {
            return fail(errors.result().error());
        }
        for (const Part& part : parts) {
            all.sums.add(part.sums);
            all.zeros += part.zeros;
            all.clipped += part.clipped;
            std::transform(part.colSquared.begin(),
                           part.colSquared.end(),
                           all.colSquared.begin(),
                           all.colSquared.begin(),
                           std::plus<>());
            std::transform(part.codeCounts.begin(),
                           part.codeCounts.end(),
                           all.codeCounts.begin(),
                           all.codeCounts.begin(),
                           std::plus<>());
        }
        return all;
    }

private:
    template <class T>
    Result<void> measureRows(std::int64_t first,
                             std::int64_t count,
                             Rows<T>& rows,
                             Part& part,
                             std::vector<double>& rowSquared) {
        const auto size = static_cast<std::size_t>(count * cols_);
        std::vector<T>& before = rows.before;
        std::vector<T>& after = rows.after;
        before.resize(size);
        after.resize(size);
        if (Result<void> done = reference_.read(first, count, before.data()); !done) {
            return done;
        }
        if (Result<void> done = checkFinite<T>(before, first); !done) {
            return done;
        }
        if (Result<void> done = quantized_.read(first, count, after.data()); !done) {
            return done;
        }
        for (std::int64_t row = 0; row < count; ++row) {
            const std::span<const T> x(before.data() + row * cols_,
                                       static_cast<std::size_t>(cols_));
            const std::span<const T> y(after.data() + row * cols_, static_cast<std::size_t>(cols_));
            const ErrorSums sums = errorSums(x, y);
            part.sums.add(sums);
            rowSquared[static_cast<std::size_t>(first + row)] = sums.squaredError;
            addColumns<T>(x, y, part);
            if (clips_) {
                part.clipped += countClipped<T>(first + row, x);
            }
        }
        return countCodes_ ? countCodes(first, count, part) : Result<void>{};
    }

    template <class T>
    static void addColumns(std::span<const T> x, std::span<const T> y, Part& part) {
        if constexpr (std::is_same_v<T, float>) {
            part.zeros += static_cast<std::uint64_t>(uniformKernels().columnErrors(
                x.data(), y.data(), static_cast<std::int64_t>(x.size()), part.colSquared.data()));
        } else {
            for (std::size_t i = 0; i < x.size(); ++i) {
                const double error = x[i] - y[i];
                part.colSquared[i] += error * error;
                part.zeros += y[i] == 0 ? 1U : 0U;
            }
        }
    }

    template <class T>
    std::uint64_t countClipped(std::int64_t row, std::span<const T> x) const {
        std::uint64_t clipped = 0;
        // With a scale for each channel, bounds differ from column to column of a group.
        const bool byColumn = !quantized_.channelScale().empty();
        for (std::int64_t col = 0; col < cols_;) {
            const std::int64_t end = byColumn ? col + 1 : quantized_.groupColumns(row, col).second;
            const auto interval = quantized_.clipInterval(row, col);
            if (interval) {
                const auto [low, high] = *interval;
                const auto part =
                    x.subspan(static_cast<std::size_t>(col), static_cast<std::size_t>(end - col));
                std::uint32_t outside = 0;
                for (const T value : part) {
                    outside += static_cast<std::uint32_t>(static_cast<double>(value) < low) |
                               static_cast<std::uint32_t>(static_cast<double>(value) > high);
                }
                clipped += outside;
            }
            col = end;
        }
        return clipped;
    }

    Result<void> countCodes(std::int64_t first, std::int64_t count, Part& part) const {
        part.codes.resize(static_cast<std::size_t>(count * cols_));
        if (Result<void> done = quantized_.codes(first, count, part.codes.data()); !done) {
            return done;
        }
        // Several tables in turn: increments of one code do not wait for each other.
        constexpr std::size_t kTables = 4;
        constexpr std::int64_t kMostCodes = 1024;
        const auto codeCount = static_cast<std::size_t>(codeCount_);
        const auto first0 = static_cast<std::int32_t>(firstCode_);
        std::size_t i = 0;
        if (codeCount_ <= kMostCodes) {
            part.tables.assign(kTables * codeCount, 0);
            std::uint32_t* const tables = part.tables.data();
            for (; i + kTables <= part.codes.size(); i += kTables) {
                for (std::size_t k = 0; k < kTables; ++k) {
                    ++tables[k * codeCount + static_cast<std::size_t>(part.codes[i + k] - first0)];
                }
            }
            for (std::size_t k = 0; k < kTables; ++k) {
                for (std::size_t code = 0; code < codeCount; ++code) {
                    part.codeCounts[code] += tables[k * codeCount + code];
                }
            }
        }
        for (; i < part.codes.size(); ++i) {
            ++part.codeCounts[static_cast<std::size_t>(part.codes[i] - first0)];
        }
        return {};
    }

    static bool allFinite(const std::vector<float>& values) {
        constexpr std::uint32_t kInfinityBits = 0x7f800000U;
        std::uint32_t most = 0;
        const auto count = static_cast<std::int64_t>(values.size());
        uniformKernels().magnitudesF32(
            reinterpret_cast<const unsigned char*>(values.data()), count, count, &most);
        return most < kInfinityBits;
    }
    static bool allFinite(const std::vector<double>& values) {
        return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
    }

    template <class T>
    Result<void> checkFinite(const std::vector<T>& values, std::int64_t firstRow) const {
        if (allFinite(values)) {
            return {};
        }
        const auto bad =
            std::find_if(values.begin(), values.end(), [](T x) { return !std::isfinite(x); });
        const std::int64_t at = bad - values.begin();
        return fail(ErrorCode::Invalid,
                    std::string(std::isnan(*bad) ? "NaN" : "infinite value") + " at row " +
                        std::to_string(firstRow + at / cols_) + ", column " +
                        std::to_string(at % cols_) + ": a scheme needs finite values");
    }

    const RowSource& reference_;
    const QuantizedMatrix& quantized_;
    const JobContext& ctx_;
    std::int64_t cols_;
    bool countCodes_ = false;
    bool clips_ = false;
    std::int64_t firstCode_ = 0;
    std::int64_t codeCount_ = 0;
};

Result<Measurement> measure(const RowSource& reference,
                            const QuantizedMatrix& quantized,
                            const JobContext& ctx) {
    if (const auto* measured = dynamic_cast<const SelfMeasured*>(&quantized)) {
        if (const Measurement* found = measured->measurement(reference)) {
            return *found;
        }
    }
    Measurer measurer(reference, quantized, ctx);
    return reference.isDouble() ? measurer.run<double>() : measurer.run<float>();
}

void fill(SchemeResult& result, Measurement&& measurement, std::int64_t rows, std::int64_t cols) {
    result.metrics = measurement.sums.metrics();
    result.count = static_cast<std::uint64_t>(rows * cols);
    result.zeros = measurement.zeros;
    result.clipped = measurement.clipped;
    result.rowMse = std::move(measurement.rowSquared);
    result.colMse = std::move(measurement.colSquared);
    for (double& value : result.rowMse) {
        value /= static_cast<double>(std::max<std::int64_t>(cols, 1));
    }
    for (double& value : result.colMse) {
        value /= static_cast<double>(std::max<std::int64_t>(rows, 1));
    }
    for (std::size_t i = 0; i < measurement.codeCounts.size(); ++i) {
        if (measurement.codeCounts[i] > 0) {
            result.codeUsage.emplace_back(measurement.firstCode + static_cast<std::int64_t>(i),
                                          measurement.codeCounts[i]);
        }
    }
}

/// The mask of a matrix as bits; null where it has none.
Result<std::shared_ptr<const BitMask>> maskOf(const QuantizedMatrix& matrix) {
    if (!matrix.hasMask()) {
        return std::shared_ptr<const BitMask>{};
    }
    if (const auto* masked = dynamic_cast<const MaskedMatrix*>(&matrix)) {
        return masked->bits();
    }
    auto bits = std::make_shared<BitMask>(matrix.rows(), matrix.cols(), false);
    std::vector<std::uint8_t> kept(static_cast<std::size_t>(matrix.cols()));
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        if (Result<void> done = matrix.mask(row, 1, kept.data()); !done) {
            return fail(done.error());
        }
        for (std::int64_t col = 0; col < matrix.cols(); ++col) {
            bits->set(row, col, kept[static_cast<std::size_t>(col)] != 0);
        }
    }
    return std::shared_ptr<const BitMask>(std::move(bits));
}

/// Does a step look at its inputs' column norms alone? Those can be had from an importance matrix.
bool usesColumnNormsAlone(const Step& step) {
    return step.name == "wanda" || step.name == "obd" || step.name == "structured";
}

Result<void> checkGiven(const StepDefinition& definition,
                        const Step& given,
                        const StepInput& input) {
    const std::string step = "step '" + std::string(definition.id) + "' ";
    if (isColumnNorms(input.activations.get()) && !usesColumnNormsAlone(given)) {
        if (definition.needsActivations || given.values.contains("act_bits")) {
            return fail(ErrorCode::Unsupported,
                        step +
                            "needs the activations themselves; an importance matrix holds only "
                            "each input's sum of squares, enough for wanda, obd and structured");
        }
    }
    if (definition.needsActivations && input.activations == nullptr) {
        return fail(ErrorCode::Missing, step + "needs --activations FILE[:TENSOR]");
    }
    if (definition.needsGradients && input.gradients == nullptr) {
        return fail(ErrorCode::Missing, step + "needs --gradients FILE[:TENSOR]");
    }
    return {};
}

/// Applies the steps one after the other: a mask outlives the steps after it, a rotation is undone
/// at the end.
class StepRunner {
public:
    StepRunner(const SchemeInput& input, const JobContext& ctx)
        : ctx_(ctx),
          next_{input.weights,
                input.activations,
                input.calibrationRows,
                input.gradients,
                input.storedBits},
          selectionMask_(input.selectionMask) {
        next_.cost.valueBits = input.storedBits;
        now_.weights = std::make_shared<Unchanged>(input.weights);
        now_.activations = input.activations;
        now_.cost = next_.cost;
    }

    Result<void> run(const Step& step) {
        const StepDefinition* definition = findStep(step.name);
        if (definition == nullptr) {
            return fail(ErrorCode::NotFound, "no step named '" + step.name + "'");
        }
        if (normsLost_ && definition->needsActivations) {
            return fail(ErrorCode::Unsupported,
                        "step '" + step.name +
                            "' cannot follow 'rotate' with an importance matrix: what it says of "
                            "each input does not tell the mixed ones");
        }
        if (Result<void> given = checkGiven(*definition, step, next_); !given) {
            return given;
        }
        if (definition->needsGradients && !rotations_.empty()) {
            return fail(ErrorCode::Unsupported,
                        "step '" + step.name +
                            "' cannot follow 'rotate': the gradients belong to the unrotated "
                            "weights");
        }
        if (definition->family == StepFamily::Rotation && isColumnNorms(next_.activations.get())) {
            next_.activations = nullptr;  // the norms of mixed inputs are unknown
            normsLost_ = true;
        }
        Result<StepOutput> output =
            selectionMask_ != nullptr
                ? Result<StepOutput>(selectedOutput())
                : definition->apply(next_, Params(definition->params, step), ctx_);
        Result<void> taken = output ? take(std::move(*output)) : fail(output.error());
        if (!taken) {
            Error error = taken.error();
            error.what = "step '" + step.name + "': " + error.what;
            return fail(std::move(error));
        }
        return {};
    }

    /// What `step` would be given now.
    [[nodiscard]] Result<StepInput> inputFor(const Step& step) const {
        const StepDefinition* definition = findStep(step.name);
        if (definition == nullptr) {
            return fail(ErrorCode::NotFound, "no step named '" + step.name + "'");
        }
        if (Result<void> given = checkGiven(*definition, step, next_); !given) {
            return fail(given.error());
        }
        return next_;
    }

    /// The result in original coordinates.
    [[nodiscard]] StepOutput finish() const {
        StepOutput result = now_;
        for (std::size_t left = rotations_.size(); left > 0; --left) {
            const std::shared_ptr<const InputRotation>& rotation = rotations_[left - 1];
            result.weights = std::make_shared<RotatedBack>(result.weights, rotation);
            if (result.activations != nullptr) {
                result.activations = std::make_shared<RotatedBack>(result.activations, rotation);
            }
        }
        return result;
    }

private:
    /// The first step's output where its mask is known already.
    StepOutput selectedOutput() {
        const std::shared_ptr<const BitMask> mask = std::exchange(selectionMask_, nullptr);
        LOUPE_ASSERT(mask->rows() == next_.weights->rows() && mask->cols() == next_.weights->cols(),
                     "a selection's mask has the tensor's shape");
        ctx_.advance(static_cast<std::uint64_t>(mask->rows() * mask->cols()));
        return maskedOutput(next_, mask);
    }

    Result<void> take(StepOutput&& output) {
        if (output.rotation != nullptr) {
            if (next_.mask != nullptr) {
                return fail(ErrorCode::Unsupported,
                            "a rotation mixes the inputs, so the zeros of an earlier pruning step "
                            "would be lost: put 'rotate' before it");
            }
            rotations_.push_back(output.rotation);
        }
        Result<std::shared_ptr<const BitMask>> mask = maskOf(*output.weights);
        if (!mask) {
            return fail(mask.error());
        }
        if (*mask != nullptr) {
            next_.mask = *mask;
        } else if (next_.mask != nullptr) {
            output.weights = std::make_shared<MaskedMatrix>(output.weights, next_.mask);
        }
        now_.weights = output.weights;
        now_.cost = output.cost;
        if (output.activations != nullptr) {
            now_.activations = output.activations;
            next_.activations = output.activations;
        }
        next_.weights = output.weights;
        next_.previous = output.weights;
        next_.cost = output.cost;
        return {};
    }

    const JobContext& ctx_;
    StepInput next_;
    StepOutput now_;
    std::vector<std::shared_ptr<const InputRotation>> rotations_;
    std::shared_ptr<const BitMask> selectionMask_;  ///< until the first step has run
    bool normsLost_ = false;  ///< an importance matrix stood for the activations before a rotation
};

Result<StepOutput> runSteps(const Scheme& scheme, const SchemeInput& input, const JobContext& ctx) {
    StepRunner runner(input, ctx);
    for (const Step& step : scheme.steps) {
        if (Result<void> done = runner.run(step); !done) {
            return fail(done.error());
        }
    }
    return runner.finish();
}

/// The input with the rows that calibrate first; `order` says where each was.
SchemeInput calibratedInput(const SchemeInput& given, std::vector<std::int64_t>& order) {
    SchemeInput input = given;
    CalibratedRows rows = calibrated(
        given.activations, {given.calibrationRows, given.calibrationChoice, given.calibrationSeed});
    input.activations = std::move(rows.rows);
    order = std::move(rows.order);
    return input;
}

Result<void> measureOutput(const SchemeInput& input,
                           const std::vector<std::int64_t>& order,
                           const StepOutput& output,
                           SchemeResult& result,
                           const JobContext& ctx) {
    const Result<OutputErrors> errors = outputErrors(
        {*input.activations, *output.activations, *input.weights, *result.quantized}, ctx);
    if (!errors) {
        return fail(errors.error());
    }
    result.metrics.outputRelativeError = errors->relative();
    result.outputSqnrDb = errors->sqnrDb();
    result.outputChannelError = errors->channels();
    result.outputTokenError = errors->tokens();
    if (!order.empty()) {
        std::vector<double> inOrder(result.outputTokenError.size());
        for (std::size_t place = 0; place < order.size(); ++place) {
            inOrder[static_cast<std::size_t>(order[place])] = result.outputTokenError[place];
        }
        result.outputTokenError = std::move(inOrder);
    }
    return {};
}

}  // namespace

Result<std::shared_ptr<const SchemeResult>> applyScheme(const Scheme& scheme,
                                                        const SchemeInput& given,
                                                        const JobContext& ctx) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::int64_t> order;
    const SchemeInput input = calibratedInput(given, order);
    if (Result<void> shapes = checkShapes(input); !shapes) {
        return fail(shapes.error());
    }
    const auto weights = static_cast<std::uint64_t>(input.weights->rows() * input.weights->cols());
    ctx.setTotal(weights * (scheme.steps.size() + 1));
    auto result = std::make_shared<SchemeResult>();
    result->scheme = scheme;
    Result<StepOutput> output = runSteps(scheme, input, ctx);
    if (!output) {
        return fail(output.error());
    }
    result->bitsPerWeight = output->cost.bitsPerWeight();
    result->cost = output->cost;
    result->quantized = output->weights;
    Result<Measurement> measurement = measure(*input.weights, *result->quantized, ctx);
    if (!measurement) {
        return fail(measurement.error());
    }
    fill(*result, std::move(*measurement), input.weights->rows(), input.weights->cols());
    if (input.activations != nullptr && !isColumnNorms(input.activations.get())) {
        if (Result<void> done = measureOutput(input, order, *output, *result, ctx); !done) {
            return fail(done.error());
        }
    }
    result->seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::shared_ptr<const SchemeResult>(std::move(result));
}

Result<StepInput> inputOfLastStep(const Scheme& scheme,
                                  const SchemeInput& given,
                                  const JobContext& ctx) {
    LOUPE_ASSERT(!scheme.steps.empty(), "a scheme has at least one step");
    std::vector<std::int64_t> order;
    const SchemeInput input = calibratedInput(given, order);
    if (Result<void> shapes = checkShapes(input); !shapes) {
        return fail(shapes.error());
    }
    StepRunner runner(input, ctx);
    for (std::size_t i = 0; i + 1 < scheme.steps.size(); ++i) {
        if (Result<void> done = runner.run(scheme.steps[i]); !done) {
            return fail(done.error());
        }
    }
    return runner.inputFor(scheme.steps.back());
}

}  // namespace loupe
