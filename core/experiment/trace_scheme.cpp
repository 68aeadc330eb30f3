// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/trace_scheme.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

namespace loupe {

namespace {

/// Panels of one id that share a colour range keep sharing one, wide enough for what each of them
/// holds: weights that make up for others grow beyond the largest that there was at the beginning.
/// Ranges of single pictures (limit 0) stay open.
void widenRanges(Trace& trace) {
    struct Range {
        double limit = 0;
        const Matrix<double>* last = nullptr;  ///< many states show the same matrix
    };
    std::map<std::pair<std::string_view, double>, Range> ranges;
    for (const TraceState& state : trace.states) {
        for (const TracePanel& panel : state.panels) {
            Range& range = ranges[{panel.id, panel.limit}];
            if (panel.limit == 0 || panel.values.get() == range.last) {
                continue;
            }
            range.limit = std::max(range.limit, panel.limit);
            range.last = panel.values.get();
            for (std::int64_t i = 0; i < panel.values->size(); ++i) {
                const double size = std::fabs(panel.values->data()[i]);
                range.limit = std::isfinite(size) ? std::max(range.limit, size) : range.limit;
            }
        }
    }
    for (TraceState& state : trace.states) {
        for (TracePanel& panel : state.panels) {
            if (panel.limit > 0) {
                panel.limit = ranges[{panel.id, panel.limit}].limit;
            }
        }
    }
}

}  // namespace

Result<std::shared_ptr<const Trace>> traceScheme(const Scheme& scheme,
                                                 const SchemeInput& input,
                                                 const JobContext& ctx) {
    const Step& last = scheme.steps.back();
    const StepDefinition* definition = findStep(last.name);
    if (definition == nullptr) {
        return fail(ErrorCode::NotFound, "no step named '" + last.name + "'");
    }
    if (definition->trace == nullptr) {
        return fail(ErrorCode::Unsupported,
                    "step '" + last.name + "' cannot be told state by state");
    }
    if (input.weights->rows() * input.weights->cols() > kMostTracedWeights) {
        return fail(ErrorCode::Unsupported,
                    "a layer of " + std::to_string(input.weights->rows()) + " x " +
                        std::to_string(input.weights->cols()) +
                        " weights is too large to be told state by state: at most " +
                        std::to_string(kMostTracedWeights),
                    {},
                    "take a slice of it");
    }
    const Result<StepInput> prepared = inputOfLastStep(scheme, input, ctx);
    if (!prepared) {
        return fail(prepared.error());
    }
    Result<std::shared_ptr<const Trace>> trace =
        definition->trace(*prepared, Params(definition->params, last), ctx);
    if (!trace) {
        return fail(trace.error());
    }
    auto whole = std::make_shared<Trace>(**trace);
    whole->scheme = scheme;
    widenRanges(*whole);
    return std::shared_ptr<const Trace>(std::move(whole));
}

}  // namespace loupe
