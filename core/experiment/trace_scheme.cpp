// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/trace_scheme.hpp"

namespace loupe {

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
    return std::shared_ptr<const Trace>(std::move(whole));
}

}  // namespace loupe
