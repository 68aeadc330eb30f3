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
    made.input.weights = document.weights();
    made.input.storedBits = info->type != nullptr ? info->type->bits : 32;
    made.references = inputReferences(document);
    std::string& key = made.key;
    const std::string view = spec.stored ? "stored" : "logical";
    for (const std::string& part : {spec.tensor, spec.layout, view, made.references.key()}) {
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
    openInputs(references, opened);
    return opened;
}

}  // namespace loupe::app
