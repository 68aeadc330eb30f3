// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace loupe {

/// What goes into one layer, and where it was had from.
struct LayerActivations {
    std::shared_ptr<const RowSource> rows;  ///< [tokens, in]; see also isColumnNorms()
    std::string provenance;                 ///< "tensor fc of x.safetensors, [256, 64]"
};

/// Somebody who knows the inputs of layers: a file of recorded ones, or a model that runs.
/// Thread-safe.
class ActivationProvider {
public:
    virtual ~ActivationProvider() = default;
    ActivationProvider(const ActivationProvider&) = delete;
    ActivationProvider& operator=(const ActivationProvider&) = delete;

    /// The inputs of the layer with this weight.
    /// @errors NotFound: it knows none, and what there is instead; those of reading
    [[nodiscard]] virtual Result<LayerActivations> activationsOf(
        const std::string& weightName) const = 0;

protected:
    ActivationProvider() = default;
};

/// The inputs that `FILE[:TENSOR]` holds. Without :TENSOR those named like the weight, with or
/// without `.weight`, else the only tensor. An importance matrix (`NAME.in_sum2`) gives column
/// norms.
/// @errors those of opening the file
[[nodiscard]] Result<std::shared_ptr<const ActivationProvider>> openActivationFile(
    const std::string& reference);

/// The provider's activations, checked against the weight.
/// @errors Invalid: another number of inputs
[[nodiscard]] Result<LayerActivations> fittingActivations(const ActivationProvider& provider,
                                                          const std::string& weightName,
                                                          std::int64_t inFeatures);

/// The reference "SOURCE:activations" where an open checkpoint has such a tensor itself and it fits
/// the weight `tensor`; empty where not. What made-up layers come with.
[[nodiscard]] std::string ownActivations(const TensorSource& source, const TensorInfo& tensor);
/// The same for a tensor `gradients` of the weight's shape.
[[nodiscard]] std::string ownGradients(const TensorSource& source, const TensorInfo& tensor);

}  // namespace loupe
