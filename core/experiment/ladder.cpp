// SPDX-License-Identifier: Apache-2.0
// The Format Ladder: which schemes are compared, in which order, and the loop that runs them.
#include "core/experiment/ladder.hpp"

#include "core/base/worker_pool.hpp"
#include "core/formats/number_format.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace loupe {

namespace {

const NumberFormat* castFormat(const Scheme& scheme) {
    if (scheme.steps.size() != 1 || scheme.steps.front().name != "cast") {
        return nullptr;
    }
    const StepDefinition* cast = findStep("cast");
    return findFormat(Params(cast->params, scheme.steps.front()).text("format"));
}

/// Why the scheme cannot run on what is given; empty: it may.
std::string missingInput(const Scheme& scheme, const SchemeInput& input) {
    bool rotated = false;
    for (const Step& step : scheme.steps) {
        const StepDefinition* definition = findStep(step.name);
        if (definition == nullptr) {
            continue;
        }
        const Params params(definition->params, step);
        const bool quantizesActivations = std::any_of(
            definition->params.begin(), definition->params.end(), [&](const ParamSpec& spec) {
                return spec.name == "act_bits" && params.has("act_bits");
            });
        if ((definition->needsActivations || quantizesActivations) &&
            input.activations == nullptr) {
            return "needs activations [tokens, " + std::to_string(input.weights->cols()) +
                   "] of this layer";
        }
        if (definition->needsGradients && input.gradients == nullptr) {
            return "needs gradients [" + std::to_string(input.weights->rows()) + ", " +
                   std::to_string(input.weights->cols()) + "] of this weight";
        }
        if (definition->needsGradients && rotated) {
            return "gradients belong to the weights before the rotation";
        }
        rotated = rotated || definition->family == StepFamily::Rotation;
    }
    return {};
}

LadderEntry entryOf(const Scheme& scheme, StepFamily family) {
    LadderEntry entry{toString(scheme), title(scheme), family, false};
    entry.isSolver = std::any_of(scheme.steps.begin(), scheme.steps.end(), [](const Step& step) {
        const StepDefinition* definition = findStep(step.name);
        return definition != nullptr && definition->isSolver;
    });
    return entry;
}

/// 0: element-wise; 1: searches, or looks at activations; 2: solvers.
int costClass(const LadderEntry& entry) {
    if (entry.isSolver) {
        return 2;
    }
    return entry.scheme.find("mse") != std::string::npos ||
                   entry.scheme.find("entropy") != std::string::npos ||
                   entry.family == StepFamily::WithActivations
               ? 1
               : 0;
}

class Planner {
public:
    Planner(const SchemeInput& input, double patience) : input_(input), patience_(patience) {}

    void add(const Scheme& scheme, StepFamily family) {
        LadderEntry entry = entryOf(scheme, family);
        if (!seen_.insert(entry.scheme).second) {
            return;
        }
        std::string reason = missingInput(scheme, input_);
        const NumberFormat* format = castFormat(scheme);
        if (reason.empty() && format != nullptr && format->bits >= input_.storedBits) {
            reason = std::string(format->title) + " has " + std::to_string(format->bits) +
                     " bits, the stored values " + std::to_string(input_.storedBits) +
                     ": nothing to save";
        }
        const double seconds = reason.empty() ? expectedSeconds(scheme, input_) : 0;
        if (seconds > patience_) {
            reason = "not run by itself: about " + roughDuration(seconds) + " expected";
            plan_.skipped.push_back({std::move(entry), std::move(reason), seconds});
        } else if (reason.empty()) {
            plan_.entries.push_back(std::move(entry));
        } else {
            plan_.skipped.push_back({std::move(entry), std::move(reason), 0});
        }
    }

    /// A cast to every format that no step's own list names, scaled per row; block formats bring
    /// their scales.
    void addFormats() {
        for (const NumberFormat* format : allFormats()) {
            const std::string id(format->id);
            if (named_.contains(id)) {
                continue;
            }
            const std::string text = "cast:format=" + id;
            Result<Scheme> scheme =
                parseScheme(format->kind == FormatKind::Block ? text : text + ",scale=row");
            if (scheme) {
                add(*scheme,
                    format->kind == FormatKind::Codebook ? StepFamily::Codebook
                                                         : StepFamily::Uniform);
            }
        }
    }

    void addSteps() {
        for (const StepDefinition* step : allSteps()) {
            for (const std::string_view text : step->ladder) {
                if (const Result<Scheme> scheme = parseScheme(text)) {
                    if (const NumberFormat* format = castFormat(*scheme)) {
                        named_.insert(std::string(format->id));
                    }
                    add(*scheme, step->family);
                }
            }
        }
    }

    LadderPlan take() {
        std::stable_sort(
            plan_.entries.begin(),
            plan_.entries.end(),
            [](const LadderEntry& a, const LadderEntry& b) { return costClass(a) < costClass(b); });
        return std::move(plan_);
    }

private:
    const SchemeInput& input_;
    double patience_;
    std::set<std::string> seen_;
    std::set<std::string> named_;
    LadderPlan plan_;
};

template <class T>
std::optional<std::int64_t> firstNotFinite(const std::vector<T>& values) {
    const auto bad =
        std::find_if(values.begin(), values.end(), [](T x) { return !std::isfinite(x); });
    return bad == values.end() ? std::nullopt : std::optional<std::int64_t>(bad - values.begin());
}

}  // namespace

LadderPlan planLadder(const SchemeInput& input) {
    Planner planner(input, kLadderPatience);
    planner.addSteps();
    planner.addFormats();
    return planner.take();
}

Result<LadderPlan> planLadder(const SchemeInput& input, std::span<const std::string> schemes) {
    Planner planner(input, std::numeric_limits<double>::infinity());
    for (const std::string& text : schemes) {
        const Result<Scheme> scheme = parseScheme(text);
        if (!scheme) {
            return fail(scheme.error());
        }
        planner.add(*scheme, findStep(scheme->steps.front().name)->family);
    }
    return planner.take();
}

Result<LadderReference> ladderReference(const RowSource& weights, const JobContext& ctx) {
    const std::int64_t rows = weights.rows();
    const std::int64_t cols = weights.cols();
    const std::int64_t step = rowsPerChunk(cols);
    std::vector<LadderReference> parts(static_cast<std::size_t>((rows + step - 1) / step));
    FirstError errors;
    parallelFor(rows, step, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        std::vector<double> values(static_cast<std::size_t>((end - begin) * cols));
        if (Result<void> done = weights.read(begin, end - begin, values.data()); !done) {
            errors.report(chunk, done.error());
            return;
        }
        if (const auto bad = firstNotFinite(values)) {
            const bool nan = std::isnan(values[static_cast<std::size_t>(*bad)]);
            errors.report(chunk,
                          {ErrorCode::Invalid,
                           std::string(nan ? "NaN" : "infinite value") + " at row " +
                               std::to_string(begin + *bad / cols) + ", column " +
                               std::to_string(*bad % cols) + ": a scheme needs finite values",
                           {},
                           {}});
            return;
        }
        LadderReference& part = parts[static_cast<std::size_t>(chunk)];
        for (const double value : values) {
            part.absmax = std::max(part.absmax, std::abs(value));
            part.hasNegative = part.hasNegative || value < 0;
        }
        weights.release(begin, end - begin);
    });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    LadderReference all;
    for (const LadderReference& part : parts) {
        all.absmax = std::max(all.absmax, part.absmax);
        all.hasNegative = all.hasNegative || part.hasNegative;
    }
    return all;
}

Result<LadderResult> runLadder(const LadderPlan& plan,
                               const SchemeInput& input,
                               const LadderObserver& observer,
                               const JobContext& ctx) {
    LadderResult result;
    result.skipped = plan.skipped;
    ctx.setTotal(plan.entries.size() * kLadderUnits);
    const Result<LadderReference> reference = ladderReference(*input.weights, ctx.withoutProgress());
    if (!reference) {
        return fail(reference.error());
    }
    for (const LadderEntry& entry : plan.entries) {
        ctx.checkpoint();
        if (observer.onStart) {
            observer.onStart(entry);
        }
        // An entry's scheme counts its own rows: a slow solver's share moves while it works.
        const JobContext part = ctx.part(kLadderUnits);
        Result<LadderRow> row = measureLadderRow(entry, input, *reference, part);
        if (row) {
            result.rows.push_back(std::move(*row));
            if (observer.onRow) {
                observer.onRow(result.rows.back());
            }
        } else {
            result.skipped.push_back({entry, row.error().what, 0});
            if (observer.onSkip) {
                observer.onSkip(result.skipped.back());
            }
        }
        part.finishPart();
    }
    markPareto(result.rows,
               *findFigure(input.activations != nullptr ? std::string_view("output")
                                                        : std::string_view("rel")));
    return result;
}

void markPareto(std::span<LadderRow> rows, const FigureDefinition& error) {
    std::vector<std::pair<double, std::optional<double>>> points;
    for (const LadderRow& row : rows) {
        std::optional<double> value = error.value(row.figures);
        if (value && !error.lowerIsBetter) {
            value = -*value;
        }
        points.emplace_back(row.figures.bitsPerWeight, value);
    }
    const std::vector<bool> front = paretoFront(points);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].isPareto = front[i];
    }
}

std::string_view familyId(StepFamily family) {
    switch (family) {
        case StepFamily::Uniform:
            return "uniform";
        case StepFamily::Codebook:
            return "codebook";
        case StepFamily::LowBit:
            return "low_bit";
        case StepFamily::WithActivations:
            return "activations";
        case StepFamily::WithHessian:
            return "hessian";
        case StepFamily::Rotation:
            return "rotation";
        case StepFamily::Pruning:
            return "pruning";
    }
    return "";
}

std::string_view familyTitle(StepFamily family) {
    switch (family) {
        case StepFamily::Uniform:
            return "Grids and formats";
        case StepFamily::Codebook:
            return "Codebooks";
        case StepFamily::LowBit:
            return "One or two bits";
        case StepFamily::WithActivations:
            return "With activations";
        case StepFamily::WithHessian:
            return "Solvers";
        case StepFamily::Rotation:
            return "Rotation";
        case StepFamily::Pruning:
            return "Pruning";
    }
    return "";
}

}  // namespace loupe
