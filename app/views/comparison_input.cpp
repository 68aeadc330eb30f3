// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/comparison_input.hpp"

namespace loupe::app {

ComparisonInput comparisonInput(const Document& document) {
    ComparisonInput made;
    const ExperimentSpec& spec = document.spec();
    const TensorInfo* info = document.tensor();
    if (document.weights() == nullptr || info == nullptr) {
        return made;
    }
    made.source = document.source();
    made.tensor = spec.tensor;
    made.input.weights = document.weights();
    made.input.storedBits = info->type != nullptr ? info->type->bits : 32;
    made.input.calibrationRows = spec.calibrationRows;
    made.input.calibrationChoice =
        parseCalibrationChoice(spec.calibrationChoice).value_or(CalibrationChoice::First);
    made.input.calibrationSeed = static_cast<std::uint64_t>(spec.calibrationSeed);
    made.activations = spec.activations == kNoData ? std::string() : spec.activations;
    made.gradients = spec.gradients == kNoData ? std::string() : spec.gradients;
    std::string& key = made.key;
    for (const std::string& part : {spec.tensor,
                                    spec.layout,
                                    made.activations,
                                    made.gradients,
                                    std::to_string(spec.calibrationRows),
                                    spec.calibrationChoice,
                                    std::to_string(spec.calibrationSeed)}) {
        key += part;
        key += '\n';
    }
    for (const Edit& edit : spec.edits) {
        if (edit.tensor == spec.tensor) {
            key += std::to_string(edit.index) + "=" + std::to_string(edit.code) + "\n";
        }
    }
    return made;
}

SchemeInput ComparisonInput::open() const {
    SchemeInput opened = input;
    if (!activations.empty()) {
        if (auto rows = openActivations(activations, tensor, input.weights->cols())) {
            opened.activations = *rows;
        }
    }
    if (!gradients.empty()) {
        if (auto rows = openGradients(gradients, tensor, *input.weights, {})) {
            opened.gradients = *rows;
        }
    }
    return opened;
}

}  // namespace loupe::app
