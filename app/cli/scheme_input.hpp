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

/// @errors of the files; NotFound: no such tensor
[[nodiscard]] Result<OpenedInput> openInput(const SchemeInputOptions& options);

}  // namespace loupe::cli
