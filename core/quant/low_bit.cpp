// SPDX-License-Identifier: Apache-2.0
// w^ = alpha·code with codes in {-1, 1} or {-1, 0, 1}, computed on demand from the weights.
#include "core/quant/low_bit.hpp"

#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/trace_elementwise.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// Means of |w| over the kept weights of a row or tensor.
struct Means {
    double sum = 0;
    std::int64_t count = 0;
    [[nodiscard]] double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
};

class LowBitMatrix final : public QuantizedMatrix {
public:
    LowBitMatrix(const StepInput& input, LowBitRule rule, bool perRow)
        : source_(input.weights), mask_(input.mask), rule_(rule) {
        grid_.rows = perRow ? source_->rows() : 1;
        grid_.cols = 1;
        grid_.rowsPerEntry = perRow ? 1 : source_->rows();
        grid_.colsPerEntry = source_->cols();
    }

    Result<void> calibrate(const JobContext& ctx);

    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return dequantize(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return dequantize(first, count, out);
    }
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return {-1, 1};
    }
    [[nodiscard]] int codeBits() const override { return rule_ == LowBitRule::Binary ? 1 : 2; }
    [[nodiscard]] const ScaleGrid* scales() const override { return &grid_; }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t) const override {
        const double alpha = scale(row);
        if (rule_ == LowBitRule::Binary) {
            return {{-1, -alpha}, {1, alpha}};
        }
        return {{-1, -alpha}, {0, 0}, {1, alpha}};
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    [[nodiscard]] std::size_t entry(std::int64_t row) const {
        return grid_.rows == 1 ? 0 : static_cast<std::size_t>(row);
    }
    [[nodiscard]] double scale(std::int64_t row) const { return grid_.values[entry(row)]; }
    [[nodiscard]] int codeOf(std::int64_t row, double weight) const;
    template <class T>
    Result<void> dequantize(std::int64_t first, std::int64_t count, T* out) const;
    /// Adds each kept |w| above the row's threshold to its entry's mean.
    /// @param passes over the weights that the step makes in all
    Result<std::vector<Means>> means(std::int64_t passes, const JobContext& ctx) const;

    std::shared_ptr<const RowSource> source_;
    std::shared_ptr<const BitMask> mask_;
    LowBitRule rule_;
    ScaleGrid grid_;
    std::vector<double> thresholds_;  ///< |w| must be above it to count, by entry
};

int LowBitMatrix::codeOf(std::int64_t row, double weight) const {
    switch (rule_) {
        case LowBitRule::Binary:
            return weight < 0 ? -1 : 1;
        case LowBitRule::Twn:
            return std::fabs(weight) > thresholds_[entry(row)] ? (weight < 0 ? -1 : 1) : 0;
        case LowBitRule::AbsMean:
            break;
    }
    const double ratio = std::nearbyint(weight / scale(row));
    return ratio > 0.5 ? 1 : (ratio < -0.5 ? -1 : 0);
}

Result<std::vector<Means>> LowBitMatrix::means(std::int64_t passes, const JobContext& ctx) const {
    std::vector<Means> ofRows(static_cast<std::size_t>(rows()));
    FirstError errors;
    const std::int64_t step = rowsPerChunk(cols());
    parallelFor(rows(), step, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        std::vector<double> weights;
        if (Result<void> done = readFinite(*source_, begin, end - begin, weights); !done) {
            errors.report(chunk, done.error());
            return;
        }
        const double* weight = weights.data();
        for (std::int64_t row = begin; row < end; ++row) {
            Means& means = ofRows[static_cast<std::size_t>(row)];
            const double threshold = thresholds_[entry(row)];
            for (std::int64_t col = 0; col < cols(); ++col, ++weight) {
                const double size = std::fabs(*weight);
                if ((mask_ == nullptr || mask_->kept(row, col)) && size > threshold) {
                    means.sum += size;
                    ++means.count;
                }
            }
        }
        ctx.advance(static_cast<std::uint64_t>((end - begin) * cols() / passes));
    });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    if (grid_.rows == rows()) {
        return ofRows;
    }
    Means whole;
    for (const Means& row : ofRows) {  // in order: the same on any number of threads
        whole.sum += row.sum;
        whole.count += row.count;
    }
    return std::vector<Means>(static_cast<std::size_t>(grid_.rows), whole);
}

Result<void> LowBitMatrix::calibrate(const JobContext& ctx) {
    thresholds_.assign(static_cast<std::size_t>(grid_.rows), -1.0);
    const std::int64_t passes = rule_ == LowBitRule::Twn ? 2 : 1;
    Result<std::vector<Means>> found = means(passes, ctx);
    if (found && rule_ == LowBitRule::Twn) {
        constexpr double kShare = 0.7;
        for (std::size_t i = 0; i < found->size(); ++i) {
            thresholds_[i] = kShare * (*found)[i].mean();
        }
        found = means(passes, ctx);
    }
    if (!found) {
        return fail(found.error());
    }
    grid_.values.clear();
    for (const Means& means : *found) {
        const double alpha =
            isDouble() ? means.mean() : static_cast<double>(static_cast<float>(means.mean()));
        // All zero: the scale is 1 and the codes 0. A binary code has no 0, its scale is 0.
        grid_.values.push_back(alpha == 0 && rule_ != LowBitRule::Binary ? 1.0 : alpha);
    }
    return {};
}

template <class T>
Result<void> LowBitMatrix::dequantize(std::int64_t first, std::int64_t count, T* out) const {
    if (Result<void> done = source_->read(first, count, out); !done) {
        return done;
    }
    for (std::int64_t row = first; row < first + count; ++row) {
        const T alpha = static_cast<T>(scale(row));
        if (rule_ == LowBitRule::Binary) {
            std::transform(out, out + cols(), out, [alpha](T w) { return w < 0 ? -alpha : alpha; });
            out += cols();
            continue;
        }
        for (std::int64_t col = 0; col < cols(); ++col, ++out) {
            *out = alpha * static_cast<T>(codeOf(row, static_cast<double>(*out)));
        }
    }
    return {};
}

Result<void> LowBitMatrix::codes(std::int64_t first, std::int64_t count, std::int32_t* out) const {
    std::vector<double> weights(static_cast<std::size_t>(count * cols()));
    if (Result<void> done = source_->read(first, count, weights.data()); !done) {
        return done;
    }
    for (std::int64_t i = 0; i < count * cols(); ++i) {
        out[i] = codeOf(first + i / cols(), weights[static_cast<std::size_t>(i)]);
    }
    return {};
}

std::vector<EquationLine> LowBitMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<double> weights(static_cast<std::size_t>(cols()));
    if (!source_->read(row, 1, weights.data())) {
        return {};
    }
    const double weight = weights[static_cast<std::size_t>(col)];
    const double alpha = scale(row);
    const int code = codeOf(row, weight);
    const auto text = [this](double x) {
        return isDouble() ? shortest(x) : shortest(static_cast<float>(x));
    };
    std::vector<EquationLine> lines;
    const bool twn = rule_ == LowBitRule::Twn;
    if (twn) {
        lines.push_back({"threshold", "0.7 · mean|w|", shortest(thresholds_[entry(row)]), {}});
    }
    lines.push_back({"scale", twn ? "mean of |w| above it" : "mean|w|", text(alpha), {}});
    lines.push_back(
        {"code",
         rule_ == LowBitRule::AbsMean
             ? "clamp(round(" + text(weight) + " / " + text(alpha) + "))"
             : (twn ? "sign(" + text(weight) + ") if above" : "sign(" + text(weight) + ")"),
         std::to_string(code),
         {}});
    lines.push_back(
        {"becomes", std::to_string(code) + " · " + text(alpha), text(alpha * code), {}});
    return lines;
}

}  // namespace

Result<StepOutput> applyLowBit(const StepInput& input,
                               const Params& params,
                               LowBitRule rule,
                               const JobContext& ctx) {
    auto matrix = std::make_shared<LowBitMatrix>(input, rule, params.is("per", "row"));
    if (Result<void> done = matrix->calibrate(ctx); !done) {
        return fail(done.error());
    }
    StepOutput output;
    output.cost = input.cost;
    // A ternary weight carries log2 3 bits, as the format `ternary` counts it.
    output.cost.valueBits = rule == LowBitRule::Binary ? 1 : std::log2(3.0);
    const auto weights = static_cast<double>(matrix->rows() * matrix->cols());
    output.cost.overheadBits =
        weights > 0 ? 16 * static_cast<double>(matrix->scales()->values.size()) / weights : 0;
    output.weights = std::move(matrix);
    return output;
}

Result<std::shared_ptr<const Trace>> traceLowBit(const StepInput& input,
                                                 const Params& params,
                                                 LowBitRule rule,
                                                 const JobContext& ctx) {
    const Result<StepOutput> output = applyLowBit(input, params, rule, ctx);
    if (!output) {
        return fail(output.error());
    }
    ElementwiseStory story;
    story.scaleLabels = {"threshold", "scale"};
    story.formulas = {{"threshold", "d = 0.7 · mean|w|"},
                      {"becomes", "w^ = alpha · q"},
                      {"scale", "alpha = mean|w|"},
                      {"code", "q = sign(w)"}};
    story.scaleSentence = "The mean magnitude: no other scale comes closer to the weights.";
    story.codeSentence = "Only the sign is left.";
    story.endSentence = "Each sign times the scale.";
    story.lesson = "One bit a weight: of a normal distribution it leaves 4.4 dB.";
    if (rule == LowBitRule::Twn) {
        story.formulas["scale"] = "alpha = mean of |w| > d";
        story.formulas["code"] = "q = sign(w) where |w| > d, else 0";
        story.scaleSentence =
            "Weights up to 0.7 · mean|w| become zero; the scale is the mean magnitude of the "
            "others.";
        story.codeSentence = "Minus one, zero or one.";
        story.endSentence = "Each code times the scale.";
        story.lesson =
            "A zero costs 0.585 bits more than a sign alone and buys 2.8 dB on a normal "
            "distribution.";
    } else if (rule == LowBitRule::AbsMean) {
        story.formulas["code"] = "q = clamp(round(w / alpha), -1, 1)";
        story.scaleSentence = "The mean magnitude of all weights.";
        story.codeSentence = "Rounded to minus one, zero or one.";
        story.endSentence = "Each code times the scale.";
        story.lesson =
            "Made for training with it: for finished weights the scale is too small, "
            "since zeros count in the mean.";
    }
    return traceElementwise(input, *output, story);
}

}  // namespace loupe
