// SPDX-License-Identifier: GPL-3.0-or-later
// loupe quantize PATH --tensor NAME --scheme S, and its alias prune: one scheme on one tensor, or
// on each that --select names, measured over every weight.
#include "app/cli/command.hpp"
#include "app/cli/scheme_input.hpp"
#include "app/cli/scheme_result.hpp"
#include "app/cli/selection.hpp"
#include "core/base/text.hpp"
#include "core/experiment/column_norms.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/experiment/selection_output.hpp"
#include "core/io/tensor_source.hpp"
#include "core/prune/storage_cost.hpp"
#include "core/scheme/step.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace loupe::cli {

namespace {

struct Options {
    SchemeInputOptions data;
    std::string scheme;
    std::vector<std::string> select;
    bool perChannel = false;
    std::string output;
};

std::string significant(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.6g", value);
    return text.data();
}

/// The largest of the numbers, and where it is; empty where there is none.
std::optional<std::size_t> worst(const std::vector<double>& errors) {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < errors.size(); ++i) {
        if (!std::isnan(errors[i]) && (!found || errors[i] > errors[*found])) {
            found = i;
        }
    }
    return found;
}

void writeErrors(JsonWriter& json, const char* key, const std::vector<double>& errors) {
    json.key(key).beginArray();
    for (const double error : errors) {
        json.value(error);
    }
    json.endArray();
}

void writeWorst(JsonWriter& json, const char* key, const std::vector<double>& errors) {
    json.key(key);
    if (const std::optional<std::size_t> at = worst(errors)) {
        json.beginObject().key("index").value(static_cast<std::int64_t>(*at));
        json.key("relative_error").value(errors[*at]).endObject();
    } else {
        json.null();
    }
}

/// Errors channel by channel, of the weights and of the outputs.
void writePerChannel(JsonWriter& json, const SchemeResult& result) {
    json.key("weight_error").beginObject();
    writeErrors(json, "output_channel_mse", result.rowMse);
    writeErrors(json, "input_channel_mse", result.colMse);
    json.endObject().key("output_error");
    if (result.outputChannelError.empty()) {
        json.null();
        return;
    }
    json.beginObject().key("relative").value(result.metrics.outputRelativeError);
    json.key("sqnr_db").value(result.outputSqnrDb);
    writeErrors(json, "channels", result.outputChannelError);
    writeErrors(json, "tokens", result.outputTokenError);
    writeWorst(json, "worst_channel", result.outputChannelError);
    writeWorst(json, "worst_token", result.outputTokenError);
    json.endObject();
}

/// What the pruned matrix costs in each layout; nothing where the scheme has no mask.
Result<void> writeStorage(JsonWriter& json, const TensorInfo& tensor, const SchemeResult& result) {
    const int storedBits = tensor.type != nullptr ? tensor.type->bits : 32;
    const Result<std::optional<StorageTable>> found =
        storageTable(*result.quantized, storedBits, {});
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return {};
    }
    const StorageTable& table = **found;
    json.key("storage").beginObject().key("value_bits").value(table.valueBits);
    json.key("density").value(table.density).key("kept").value(table.kept);
    json.key("scale_bits_per_weight").value(table.scaleBits).key("layouts").beginArray();
    for (const StorageEntry& entry : table.entries) {
        json.beginObject().key("layout").value(entry.name).key("fits").value(entry.fits);
        json.key("bits_per_weight").value(entry.bitsPerWeight).key("ratio").value(entry.ratio);
        json.key("break_even_sparsity").value(entry.breakEven).endObject();
    }
    json.endArray().endObject();
    return {};
}

Result<std::string> jsonText(const TensorInfo& tensor,
                             const SchemeResult& result,
                             bool perChannel) {
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
    json.key("seconds").value(result.seconds);
    if (Result<void> written = writeStorage(json, tensor, result); !written) {
        return fail(written.error());
    }
    if (perChannel) {
        writePerChannel(json, result);
    }
    json.endObject();
    return json.text() + "\n";
}

std::string worstText(const std::vector<double>& errors) {
    const std::optional<std::size_t> at = worst(errors);
    return at ? std::to_string(*at) + " (" + significant(errors[*at]) + ")" : "none";
}

std::string outputText(const SchemeResult& result, bool columnNorms) {
    if (!result.metrics.outputRelativeError) {
        return columnNorms ? "needs the activations themselves, not an importance matrix"
                           : "needs --activations";
    }
    return significant(*result.metrics.outputRelativeError) + "  (relative, Frobenius; SQNR " +
           significant(result.outputSqnrDb.value_or(0)) + " dB)";
}

/// With `--per-channel`: a table of the outputs' errors.
std::string channelText(const SchemeResult& result) {
    std::string text = "\nrelative output error of each output channel, and weights' RMSE\n";
    for (std::size_t i = 0; i < result.rowMse.size(); ++i) {
        std::string line = std::to_string(i);
        line.resize(std::max<std::size_t>(line.size() + 1, 9), ' ');
        std::string error =
            result.outputChannelError.empty() ? "-" : significant(result.outputChannelError[i]);
        error.resize(std::max<std::size_t>(error.size() + 1, 15), ' ');
        text += line + error + significant(std::sqrt(result.rowMse[i])) + "\n";
    }
    if (!result.outputTokenError.empty()) {
        text += "\nrelative output error of each token\n";
        for (std::size_t i = 0; i < result.outputTokenError.size(); ++i) {
            std::string line = std::to_string(i);
            line.resize(std::max<std::size_t>(line.size() + 1, 9), ' ');
            text += line + significant(result.outputTokenError[i]) + "\n";
        }
    }
    return text;
}

std::string humanText(const TensorInfo& tensor, const SchemeResult& result, bool columnNorms) {
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
        {"output error", outputText(result, columnNorms)},
        {"worst channel", worstText(result.outputChannelError)},
        {"worst token", worstText(result.outputTokenError)},
        {"zeros", share(result.zeros)},
        {"clipped", share(result.clipped)},
        {"time", significant(result.seconds) + " s"},
    };
    std::string text;
    for (const auto& [label, value] : lines) {
        if (result.outputChannelError.empty() && std::string_view(label).starts_with("worst")) {
            continue;
        }
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
    if (!options.select.empty()) {
        return runSelection(options.data, options.select, *scheme, options.output, common);
    }
    const Result<OpenedInput> opened = openInput(options.data);
    if (!opened) {
        return fail(opened.error());
    }
    const TensorInfo& tensor = opened->tensor;
    const SchemeInput& input = opened->input;
    const auto result = applyScheme(*scheme, input);
    if (!result) {
        Error error = result.error();
        error.what = "tensor '" + tensor.name + "': " + error.what;
        return fail(std::move(error));
    }
    if (!options.output.empty()) {
        const bool gguf = std::filesystem::path(options.output).extension() == ".gguf";
        if (Result<void> written =
                gguf ? writeGgufResult(options.output, tensor, **result, &opened->source->info())
                     : writeResult(options.output, tensor, **result);
            !written) {
            return fail(written.error());
        }
    }
    if (common.json) {
        const Result<std::string> text = jsonText(tensor, **result, options.perChannel);
        return text ? Result<Output>(Output{*text}) : fail(text.error());
    }
    return Output{humanText(tensor, **result, isColumnNorms(input.activations.get())) +
                  (options.perChannel ? channelText(**result) : std::string())};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    options->data.addTo(app);
    app.add_option(
           "--scheme", options->scheme, "STEP[:KEY=VALUE,...][+STEP...]; see 'loupe schemes'")
        ->required();
    app.add_option(
        "--output",
        options->output,
        "OUT.safetensors (values, codes or blocks, scales, mask), OUT.gguf (the blocks of a ggml "
        "type, else values in FP32), both with --select of every tensor, or OUT.npy (values of one "
        "tensor)");
    CLI::Option* const perChannel =
        app.add_flag("--per-channel",
                     options->perChannel,
                     "Also the errors of each channel, and of each token of the activations");
    app.add_option("--select",
                   options->select,
                   "GLOB: every tensor of two or more dimensions whose name matches, a row for "
                   "each; may be repeated. A pruning step with scope=global then prunes "
                   "floor(count·sparsity) of all their weights together, with one threshold; with "
                   "one tensor that is scope=tensor")
        ->allow_extra_args(false)
        ->excludes("--tensor")
        ->excludes(perChannel);
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
