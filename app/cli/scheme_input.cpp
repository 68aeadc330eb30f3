// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/scheme_input.hpp"

#include <CLI/CLI.hpp>

namespace loupe::cli {

void SchemeInputOptions::addTo(CLI::App& app) {
    app.add_option("path", path, "File, sharded index, model folder or synthetic:...")->required();
    app.add_option(
        "--tensor", tensor, "Name of the tensor; may be left out where there is only one");
    app.add_option(
        "--activations",
        activations,
        "FILE[:TENSOR], [tokens, in]: for the output error and activation quantization; or an "
        "importance matrix (imatrix), for wanda, obd and structured");
    app.add_option("--calibration-rows",
                   calibrationRows,
                   "N rows of the activations calibrate, all are judged (default: all do both)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--calibration-choice",
                   calibrationChoice,
                   "Which N rows calibrate: first, spread (at equal distances), random")
        ->check(CLI::IsMember({"first", "spread", "random"}));
    app.add_option("--calibration-seed", calibrationSeed, "Seed of --calibration-choice random");
    app.add_option("--gradients", gradients, "FILE[:TENSOR], the weight's shape");
    app.add_option("--layout", layout, "How matrices are stored: auto, out_in, in_out")
        ->check(CLI::IsMember({"auto", "out_in", "in_out"}));
}

Result<OpenedInput> openInput(const SchemeInputOptions& options) {
    const OpenOptions open{options.layout == "in_out"
                               ? Layout::InOut
                               : (options.layout == "out_in" ? Layout::OutIn : Layout::Auto)};
    const Result<std::shared_ptr<const TensorSource>> source = openSource(options.path, open);
    if (!source) {
        return fail(source.error());
    }
    const Result<std::size_t> index = findTensor(**source, options.tensor);
    if (!index) {
        return fail(index.error());
    }
    OpenedInput opened{*source, (*source)->tensors()[*index], {}};
    const TensorInfo& tensor = opened.tensor;
    const Result<std::shared_ptr<const RowSource>> weights = (*source)->matrix(*index);
    if (!weights) {
        return fail(weights.error());
    }
    opened.input.weights = *weights;
    opened.input.storedBits = tensor.type != nullptr ? tensor.type->bits : 32;
    opened.input.calibrationRows = options.calibrationRows;
    opened.input.calibrationChoice =
        parseCalibrationChoice(options.calibrationChoice).value_or(CalibrationChoice::First);
    opened.input.calibrationSeed = options.calibrationSeed;
    if (!options.activations.empty()) {
        const auto activations = openActivations(options.activations, tensor.name, tensor.cols);
        if (!activations) {
            return fail(activations.error());
        }
        opened.input.activations = *activations;
    }
    if (!options.gradients.empty()) {
        const auto gradients = openGradients(options.gradients, tensor.name, **weights, open);
        if (!gradients) {
            return fail(gradients.error());
        }
        opened.input.gradients = *gradients;
    }
    return opened;
}

}  // namespace loupe::cli
