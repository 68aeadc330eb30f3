// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/trace.hpp"

#include <map>
#include <string>
#include <vector>

namespace loupe {

/// How a step whose weights are worked out one by one is told.
struct ElementwiseStory {
    std::string scaleSentence;  ///< empty: there is no scale to show
    std::string codeSentence;   ///< empty: codes are not shown
    std::string endSentence;
    std::string lesson;
    /// The rule of each line of QuantizedMatrix::explain(), by its label.
    std::map<std::string, std::string> formulas;
    /// Labels of the lines that belong to the scale.
    std::vector<std::string> scaleLabels{"scale"};
};

/// Tells such a step: weights, scales, weights in units of their scale, codes, result. `output` is
/// what the step's apply() gave for `input`. @errors Invalid: NaN or infinite weights
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceElementwise(const StepInput& input,
                                                                    const StepOutput& output,
                                                                    const ElementwiseStory& story);

}  // namespace loupe
