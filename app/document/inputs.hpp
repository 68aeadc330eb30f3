// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/experiment/pipeline.hpp"

#include <QString>

#include <string>

namespace loupe::app {

class Document;

/// What the experiment's layer is given beside its weights, as references that a job can open.
struct InputReferences {
    std::string activations;      ///< empty: none
    bool ownActivations = false;  ///< those that the source itself comes with
    std::string gradients;
    bool ownGradients = false;
    std::string tensor;
    OpenOptions options;  ///< as the weights are read
    Calibration calibration;
    /// Tells them apart from others: part of the key of a result.
    [[nodiscard]] std::string key() const;
};

/// Of the document as it is now; where the spec names nothing, the source's own.
[[nodiscard]] InputReferences inputReferences(const Document& document);

/// Opens what there is and puts it into `input`. What cannot be used is left out: a step that needs
/// it fails by itself, and Analyses::activations() says why. Call it in a job.
void openInputs(const InputReferences& references, SchemeInput& input);

/// An undoable edit. An empty reference: none, also not the source's own.
void setActivations(Document& document, const QString& reference);
void setGradients(Document& document, const QString& reference);

}  // namespace loupe::app
