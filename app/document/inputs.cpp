// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/inputs.hpp"

#include "app/document/document.hpp"
#include "core/experiment/activation_provider.hpp"

#include <QCoreApplication>

namespace loupe::app {

std::string InputReferences::key() const {
    std::string text = activations + '\n' + gradients + '\n' + std::to_string(calibration.rows);
    if (calibration.rows > 0) {
        text += ' ' + std::to_string(static_cast<int>(calibration.choice));
        text += calibration.choice == CalibrationChoice::Random
                    ? ' ' + std::to_string(calibration.seed)
                    : std::string();
    }
    return text;
}

InputReferences inputReferences(const Document& document) {
    const ExperimentSpec& spec = document.spec();
    InputReferences found;
    found.tensor = spec.tensor;
    found.options.layout = spec.layout == "in_out"   ? Layout::InOut
                           : spec.layout == "out_in" ? Layout::OutIn
                                                     : Layout::Auto;
    found.options.stored = spec.stored;
    found.calibration = {
        spec.calibrationRows,
        parseCalibrationChoice(spec.calibrationChoice).value_or(CalibrationChoice::First),
        static_cast<std::uint64_t>(spec.calibrationSeed)};
    const bool open = document.source() != nullptr && document.tensor() != nullptr;
    const auto choose =
        [&](const std::string& given, auto own, std::string& reference, bool& isOwn) {
            if (given == kNoData) {
                return;
            }
            reference = given.empty() && open ? own(*document.source(), *document.tensor()) : given;
            isOwn = given.empty() && !reference.empty();
        };
    choose(spec.activations, ownActivations, found.activations, found.ownActivations);
    choose(spec.gradients, ownGradients, found.gradients, found.ownGradients);
    return found;
}

void openInputs(const InputReferences& references, SchemeInput& input) {
    input.calibrationRows = references.calibration.rows;
    input.calibrationChoice = references.calibration.choice;
    input.calibrationSeed = references.calibration.seed;
    if (!references.activations.empty()) {
        if (auto opened =
                openActivations(references.activations, references.tensor, input.weights->cols())) {
            input.activations = *opened;
        }
    }
    if (!references.gradients.empty()) {
        if (auto opened = openGradients(
                references.gradients, references.tensor, *input.weights, references.options)) {
            input.gradients = *opened;
        }
    }
}

namespace {

/// What the spec says: nothing at all where the source has its own.
std::string referenceOf(const Document& document,
                        const QString& reference,
                        std::string (*own)(const TensorSource&, const TensorInfo&)) {
    if (!reference.isEmpty() || document.source() == nullptr || document.tensor() == nullptr) {
        return reference.toStdString();
    }
    return own(*document.source(), *document.tensor()).empty() ? std::string()
                                                               : std::string(kNoData);
}

}  // namespace

void setActivations(Document& document, const QString& reference) {
    const std::string chosen = referenceOf(document, reference, ownActivations);
    document.edit(reference.isEmpty() ? QCoreApplication::translate("Inputs", "Remove activations")
                                      : QCoreApplication::translate("Inputs", "Add activations"),
                  [&](ExperimentSpec& spec) { spec.activations = chosen; });
}

void setGradients(Document& document, const QString& reference) {
    const std::string chosen = referenceOf(document, reference, ownGradients);
    document.edit(reference.isEmpty() ? QCoreApplication::translate("Inputs", "Remove gradients")
                                      : QCoreApplication::translate("Inputs", "Add gradients"),
                  [&](ExperimentSpec& spec) { spec.gradients = chosen; });
}

}  // namespace loupe::app
