// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/comparison_input.hpp"

#include "app/document/inputs.hpp"

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
    const InputReferences references = inputReferences(document);
    made.input.calibrationRows = references.calibration.rows;
    made.input.calibrationChoice = references.calibration.choice;
    made.input.calibrationSeed = references.calibration.seed;
    made.activations = references.activations;
    made.gradients = references.gradients;
    made.options = references.options;
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
        if (auto rows = openGradients(gradients, tensor, *input.weights, options)) {
            opened.gradients = *rows;
        }
    }
    return opened;
}

}  // namespace loupe::app
