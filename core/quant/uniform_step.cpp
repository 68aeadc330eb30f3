// SPDX-License-Identifier: Apache-2.0
// What absmax and zeropoint share: from parameters to matrices, activations included.
#include "core/base/text.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>

namespace loupe {

namespace {

/// The first rows of a matrix: what calibrates a static range.
class FirstRows final : public RowSource {
public:
    FirstRows(std::shared_ptr<const RowSource> source, std::int64_t rows)
        : source_(std::move(source)), rows_(rows) {}
    [[nodiscard]] std::int64_t rows() const override { return rows_; }
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

private:
    std::shared_ptr<const RowSource> source_;
    std::int64_t rows_;
};

GridRange rangeOf(std::string_view text) {
    return text == "full" ? GridRange::Full
                          : (text == "power" ? GridRange::Power : GridRange::Restricted);
}

ScalePer perOf(std::string_view text) {
    return text == "row"
               ? ScalePer::Row
               : (text == "column" ? ScalePer::Column
                                   : (text == "group" ? ScalePer::Group : ScalePer::Tensor));
}

UniformSpec weightSpec(const Params& params, bool asymmetric) {
    UniformSpec spec;
    spec.bits = static_cast<int>(params.integer("bits"));
    spec.asymmetric = asymmetric;
    spec.forceZero = !asymmetric || params.flag("force_zero");
    spec.range = rangeOf(params.text("range"));
    spec.per = perOf(params.text("per"));
    spec.group = params.integer("group");
    spec.clip = clipRuleOf(params.text("clip"));
    if (spec.clip == ClipRule::Value) {
        const std::optional<std::pair<double, double>> bound =
            parseBound(params.text("clip_value"));
        spec.clipLow = bound ? bound->first : 0;
        spec.clipHigh = bound ? bound->second : 0;
    }
    spec.percentile = params.real("percentile");
    spec.stochastic = params.is("rounding", "stochastic");
    spec.seed = static_cast<std::uint64_t>(params.integer("seed"));
    return spec;
}

UniformSpec activationSpec(const Params& params, const UniformSpec& weights) {
    UniformSpec spec;
    spec.bits = static_cast<int>(params.integer("act_bits"));
    spec.asymmetric = weights.asymmetric;
    spec.forceZero = weights.forceZero;
    spec.range = weights.range;
    spec.per = params.is("act_per", "token") ? ScalePer::Row : ScalePer::Tensor;
    spec.clip = clipRuleOf(params.text("act_range"));  // dynamic and max: the extremes
    return spec;
}

}  // namespace

ClipRule clipRuleOf(std::string_view text) {
    if (text == "value") {
        return ClipRule::Value;
    }
    if (text == "percentile") {
        return ClipRule::Percentile;
    }
    return text == "mse" ? ClipRule::Mse : (text == "entropy" ? ClipRule::Entropy : ClipRule::None);
}

Result<std::shared_ptr<const UniformMatrix>> makeUniformActivations(
    std::shared_ptr<const RowSource> source,
    const UniformSpec& spec,
    std::int64_t calibrationRows,
    const JobContext& ctx) {
    auto matrix = std::make_shared<UniformMatrix>(source, spec);
    const bool all =
        calibrationRows <= 0 || calibrationRows >= source->rows() || spec.per != ScalePer::Tensor;
    const FirstRows first(source, all ? source->rows() : calibrationRows);
    if (Result<void> done = matrix->calibrate(first, ctx); !done) {
        Error error = done.error();
        error.what = "activations: " + error.what;
        return fail(std::move(error));
    }
    return std::shared_ptr<const UniformMatrix>(std::move(matrix));
}

Result<StepOutput> applyUniform(const StepInput& input,
                                const Params& params,
                                bool asymmetric,
                                const JobContext& ctx) {
    const UniformSpec spec = weightSpec(params, asymmetric);
    StepOutput output;
    if (params.has("act_bits") && input.activations == nullptr) {
        return fail(
            ErrorCode::Missing,
            "act_bits quantizes activations, but none were given: --activations FILE[:TENSOR]",
            {},
            "choose activations [tokens, in] of this layer, or leave act_bits out for weights "
            "only");
    }
    Result<std::shared_ptr<const UniformMatrix>> weights =
        makeUniform(input.weights, spec, ctx, true);
    if (!weights) {
        return fail(weights.error());
    }
    output.cost = input.cost;
    output.cost.valueBits = (*weights)->codeBits();
    output.cost.overheadBits = (*weights)->scaleBitsPerWeight();
    output.weights = *weights;
    if (params.has("act_bits")) {
        const bool dynamic = params.is("act_range", "dynamic");
        Result<std::shared_ptr<const UniformMatrix>> activations =
            makeUniformActivations(input.activations,
                                   activationSpec(params, spec),
                                   dynamic ? 0 : input.calibrationRows,
                                   ctx);
        if (!activations) {
            return fail(activations.error());
        }
        output.activations = *activations;
    }
    return output;
}

std::string uniformTitle(std::string_view name, const Params& params) {
    std::string text = std::string(name) + " int" + std::string(params.text("bits"));
    text += params.is("per", "group") ? ", group " + std::string(params.text("group"))
                                      : ", per " + std::string(params.text("per"));
    if (params.is("clip", "value")) {
        text += ", clip " + std::string(params.text("clip_value"));
    } else if (params.is("clip", "percentile")) {
        text += ", clip " + std::string(params.text("percentile")) + " %";
    } else if (!params.is("clip", "none")) {
        text += ", clip " + std::string(params.text("clip"));
    }
    if (params.is("range", "power") || (name == "Absmax" && params.is("range", "full")) ||
        (name != "Absmax" && params.is("range", "restricted"))) {
        text += ", " + std::string(params.text("range")) + " range";
    }
    if (params.is("rounding", "stochastic")) {
        text += ", stochastic";
    }
    if (params.has("act_bits")) {
        text += ", activations int" + std::string(params.text("act_bits")) + " per " +
                std::string(params.text("act_per"));
        if (!params.is("act_range", "dynamic")) {
            text += " (" + std::string(params.text("act_range")) + ")";
        }
    }
    return text;
}

}  // namespace loupe
