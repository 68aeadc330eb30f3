// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/onnx_model.hpp"

#include <memory>
#include <vector>

namespace loupe {

/// A model and the files that its values lie in.
struct OnnxStore {
    /// Where the values of a tensor lie, or why they cannot be read.
    struct Place {
        std::size_t file = 0;  ///< index into files
        std::uint64_t begin = 0;
        MaybeError problem;
    };

    OnnxModel model;
    std::vector<std::shared_ptr<const MappedFile>> files;  ///< the model first
    std::vector<Place> places;                             ///< parallel to model.tensors

    /// Finds the values of all tensors; opens what lies beside the model. Names may not lead out of
    /// the model's folder, nor may links.
    void locate();
    /// A stored tensor, without rows and cols.
    [[nodiscard]] TensorInfo info(std::size_t index) const;
    /// Its rows as `tensor` describes them. Numbers kept one by one are decoded into memory, at
    /// most eight bytes for each of the file.
    [[nodiscard]] Result<std::shared_ptr<const RowSource>> rows(const TensorInfo& tensor,
                                                                std::size_t index) const;
};

}  // namespace loupe
