// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/experiment/pipeline.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace loupe::cli {

/// Options of commands that run schemes on one tensor.
struct SchemeInputOptions {
    std::string path;
    std::string tensor;
    std::string activations;
    std::int64_t calibrationRows = 0;
    std::string calibrationChoice = "first";
    std::uint64_t calibrationSeed = 0;
    std::string gradients;
    std::string layout = "auto";

    void addTo(CLI::App& app);
};

/// The tensor and what was given beside it.
struct OpenedInput {
    std::shared_ptr<const TensorSource> source;
    TensorInfo tensor;
    SchemeInput input;
};

/// Opens the file or folder that the options name, not yet a tensor of it.
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openSourceOf(
    const SchemeInputOptions& options);

/// Tensor `index` and what the options give beside it. @errors of the files
[[nodiscard]] Result<SchemeInput> inputOfTensor(const SchemeInputOptions& options,
                                                const TensorSource& source,
                                                std::size_t index);

/// @errors of the files; NotFound: no such tensor
[[nodiscard]] Result<OpenedInput> openInput(const SchemeInputOptions& options);

}  // namespace loupe::cli
