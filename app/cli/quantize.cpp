// SPDX-License-Identifier: GPL-3.0-or-later
// loupe quantize PATH --tensor NAME --scheme S, and its alias prune: one scheme on one tensor,
// measured over every weight.
#include "app/cli/command.hpp"
#include "app/cli/scheme_result.hpp"
#include "core/base/text.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/io/tensor_source.hpp"
#include "core/scheme/step.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>

namespace loupe::cli {

namespace {

struct Options {
    std::string path;
    std::string tensor;
    std::string scheme;
    std::string activations;
    std::int64_t calibrationRows = 0;
    std::string gradients;
    std::string layout = "auto";
    std::string output;
};

Layout layoutOf(const std::string& text) {
    return text == "in_out" ? Layout::InOut : (text == "out_in" ? Layout::OutIn : Layout::Auto);
}

std::string significant(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.6g", value);
    return text.data();
}

std::string jsonText(const TensorInfo& tensor, const SchemeResult& result) {
    JsonWriter json;
    json.beginObject()
        .key("tensor")
        .value(tensor.name)
        .key("scheme")
        .value(toString(result.scheme));
    json.key("bits_per_weight").value(result.bitsPerWeight).key("metrics");
    writeMetrics(json, result.metrics);
    json.key("zeros")
        .value(result.zeros)
        .key("clipped")
        .value(result.clipped)
        .key("count")
        .value(result.count);
    json.key("seconds").value(result.seconds).endObject();
    return json.text() + "\n";
}

std::string humanText(const TensorInfo& tensor, const SchemeResult& result) {
    const ErrorMetrics& m = result.metrics;
    const auto share = [&](std::uint64_t n) {
        const double percent =
            result.count == 0 ? 0
                              : 100 * static_cast<double>(n) / static_cast<double>(result.count);
        return std::to_string(n) + " of " + std::to_string(result.count) + " (" +
               significant(percent) + " %)";
    };
    const std::pair<const char*, std::string> lines[] = {
        {"tensor",
         tensor.name + "  [" + std::to_string(tensor.rows) + ", " + std::to_string(tensor.cols) +
             "]"},
        {"scheme", toString(result.scheme) + "  (" + title(result.scheme) + ")"},
        {"bits per weight", significant(result.bitsPerWeight)},
        {"SQNR", significant(m.sqnrDb) + " dB"},
        {"relative error", significant(m.relativeFrobenius) + "  (Frobenius)"},
        {"RMSE", significant(m.rmse) + "  (MSE " + significant(m.mse) + ")"},
        {"absolute error",
         "max " + significant(m.maxAbsError) + ", mean " + significant(m.meanAbsError)},
        {"cosine", significant(m.cosine)},
        {"output error",
         m.outputRelativeError ? significant(*m.outputRelativeError) + "  (relative, Frobenius)"
                               : "needs --activations"},
        {"zeros", share(result.zeros)},
        {"clipped", share(result.clipped)},
        {"time", significant(result.seconds) + " s"},
    };
    std::string text;
    for (const auto& [label, value] : lines) {
        std::string padded = label;
        padded.resize(17, ' ');
        text += padded + value + "\n";
    }
    return text;
}

Result<Output> run(const Options& options, const Common& common) {
    const Result<Scheme> scheme = parseScheme(options.scheme);
    if (!scheme) {
        return fail(scheme.error());
    }
    const OpenOptions open{layoutOf(options.layout)};
    const Result<std::shared_ptr<const TensorSource>> source = openSource(options.path, open);
    if (!source) {
        return fail(source.error());
    }
    const Result<std::size_t> index = findTensor(**source, options.tensor);
    if (!index) {
        return fail(index.error());
    }
    const TensorInfo& tensor = (*source)->tensors()[*index];
    const Result<std::shared_ptr<const RowSource>> weights = (*source)->matrix(*index);
    if (!weights) {
        return fail(weights.error());
    }
    SchemeInput input{*weights,
                      tensor.type != nullptr ? tensor.type->bits : 32,
                      nullptr,
                      options.calibrationRows,
                      nullptr};
    if (!options.activations.empty()) {
        const auto activations = openActivations(options.activations, tensor.name, tensor.cols);
        if (!activations) {
            return fail(activations.error());
        }
        input.activations = *activations;
    }
    if (!options.gradients.empty()) {
        const auto gradients = openGradients(options.gradients, tensor.name, **weights, open);
        if (!gradients) {
            return fail(gradients.error());
        }
        input.gradients = *gradients;
    }
    const auto result = applyScheme(*scheme, input);
    if (!result) {
        Error error = result.error();
        error.what = "tensor '" + tensor.name + "': " + error.what;
        return fail(std::move(error));
    }
    if (!options.output.empty()) {
        if (Result<void> written = writeResult(options.output, tensor, **result); !written) {
            return fail(written.error());
        }
    }
    return Output{common.json ? jsonText(tensor, **result) : humanText(tensor, **result)};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    app.add_option("path", options->path, "File, sharded index, model folder or synthetic:...")
        ->required();
    app.add_option(
        "--tensor", options->tensor, "Name of the tensor; may be left out where there is only one");
    app.add_option(
           "--scheme", options->scheme, "STEP[:KEY=VALUE,...][+STEP...]; see 'loupe schemes'")
        ->required();
    app.add_option("--activations",
                   options->activations,
                   "FILE[:TENSOR], [tokens, in]: for the output error and activation quantization");
    app.add_option("--calibration-rows",
                   options->calibrationRows,
                   "The first N rows of the activations calibrate (default: all)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--gradients", options->gradients, "FILE[:TENSOR], the weight's shape");
    app.add_option("--layout", options->layout, "How matrices are stored: auto, out_in, in_out")
        ->check(CLI::IsMember({"auto", "out_in", "in_out"}));
    app.add_option(
        "--output", options->output, "OUT.safetensors (values, codes, scales) or OUT.npy (values)");
    std::string steps = "Steps:";
    for (const StepDefinition* step : allSteps()) {
        steps += "\n  " + std::string(step->id) + ": " + std::string(step->summary);
    }
    app.footer(steps + "\n'loupe schemes STEP' lists a step's keys.");
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_quantize;
const Command kCommand_quantize{
    "quantize", "Apply a scheme to one tensor and measure what it did", configure};
extern const Command kCommand_prune;
const Command kCommand_prune{"prune", "The same as quantize", configure};

}  // namespace loupe::cli
