// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "app/document/inputs.hpp"
#include "core/experiment/pipeline.hpp"

#include <memory>
#include <string>

namespace loupe::app {

/// What comparisons of schemes work on, taken on the UI thread; files are opened in the job.
struct ComparisonInput {
    std::weak_ptr<const TensorSource> source;  ///< what the key belongs to
    std::string key;    ///< tensor, edits, activations, calibration; empty: nothing to work on
    SchemeInput input;  ///< without activations and gradients
    InputReferences references;

    [[nodiscard]] bool empty() const { return key.empty(); }
    [[nodiscard]] bool sameAs(const ComparisonInput& other) const {
        return key == other.key && source.lock() == other.source.lock();
    }
    /// With the files opened; those that do not fit are left out (the data row of the scheme panel
    /// says why). May read files: not on the UI thread.
    [[nodiscard]] SchemeInput open() const;
};

[[nodiscard]] ComparisonInput comparisonInput(const Document& document);

}  // namespace loupe::app
