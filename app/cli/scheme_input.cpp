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

namespace {

OpenOptions openOptions(const SchemeInputOptions& options) {
    return {options.layout == "in_out"
                ? Layout::InOut
                : (options.layout == "out_in" ? Layout::OutIn : Layout::Auto)};
}

}  // namespace

Result<std::shared_ptr<const TensorSource>> openSourceOf(const SchemeInputOptions& options) {
    return openSource(options.path, openOptions(options));
}

Result<SchemeInput> inputOfTensor(const SchemeInputOptions& options,
                                  const TensorSource& source,
                                  std::size_t index) {
    const TensorInfo& tensor = source.tensors()[index];
    const Result<std::shared_ptr<const RowSource>> weights = source.matrix(index);
    if (!weights) {
        return fail(weights.error());
    }
    SchemeInput input;
    input.weights = *weights;
    input.storedBits = tensor.type != nullptr ? tensor.type->bits : 32;
    input.calibrationRows = options.calibrationRows;
    input.calibrationChoice =
        parseCalibrationChoice(options.calibrationChoice).value_or(CalibrationChoice::First);
    input.calibrationSeed = options.calibrationSeed;
    if (!options.activations.empty()) {
        const auto activations = openActivations(options.activations, tensor.name, tensor.cols);
        if (!activations) {
            return fail(activations.error());
        }
        input.activations = *activations;
    }
    if (!options.gradients.empty()) {
        const auto gradients =
            openGradients(options.gradients, tensor.name, **weights, openOptions(options));
        if (!gradients) {
            return fail(gradients.error());
        }
        input.gradients = *gradients;
    }
    return input;
}

Result<OpenedInput> openInput(const SchemeInputOptions& options) {
    const Result<std::shared_ptr<const TensorSource>> source = openSourceOf(options);
    if (!source) {
        return fail(source.error());
    }
    const Result<std::size_t> index = findTensor(**source, options.tensor);
    if (!index) {
        return fail(index.error());
    }
    Result<SchemeInput> input = inputOfTensor(options, **source, *index);
    if (!input) {
        return fail(input.error());
    }
    return OpenedInput{*source, (*source)->tensors()[*index], std::move(*input)};
}

}  // namespace loupe::cli
