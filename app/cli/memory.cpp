// SPDX-License-Identifier: GPL-3.0-or-later
// loupe memory --parameters N | PATH: what a model needs in memory, format by format.
#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/memory/memory_estimate.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

namespace loupe::cli {

namespace {

constexpr std::int64_t kDefaultContext = 4096;

struct Options {
    std::string path;
    std::string parameters;
    std::string format;
    std::int64_t context = 0;
    std::int64_t batch = 1;
    bool keepEmbeddings = false;
};

struct Answer {
    MemorySubject subject;
    MemoryRequest request;
    MemoryEstimate estimate;
};

Result<MemorySubject> subjectFor(const Options& options) {
    if (options.path.empty() == options.parameters.empty()) {
        return fail(ErrorCode::Usage,
                    "memory: expected either --parameters or a checkpoint, found " +
                        std::string(options.path.empty() ? "neither" : "both"));
    }
    if (!options.parameters.empty()) {
        const Result<std::int64_t> count = parseParameterCount(options.parameters);
        if (!count) {
            return fail(count.error());
        }
        return subjectOf(*count);
    }
    if (const ModelShape* preset = findModelPreset(options.path)) {
        return subjectOf(*preset);
    }
    const auto source = openSource(options.path);
    if (!source) {
        return fail(source.error());
    }
    return subjectOf(**source);
}

Result<const WeightFormat*> formatFor(const Options& options, const MemorySubject& subject) {
    if (options.format.empty()) {
        return subject.storedBytes ? nullptr : findWeightFormat("bf16");
    }
    if (const WeightFormat* format = findWeightFormat(options.format)) {
        return format;
    }
    std::vector<std::string> names;
    for (const WeightFormat& format : allWeightFormats()) {
        names.emplace_back(format.id);
    }
    std::string known;
    for (const std::string& name : nearest(options.format, names)) {
        known += (known.empty() ? "" : ", ") + name;
    }
    return fail(ErrorCode::Usage,
                "no format \"" + options.format + "\" for weights in memory",
                {},
                known.empty() ? "loupe memory lists them all" : "did you mean " + known + "?");
}

Result<Answer> answerTo(const Options& options) {
    Answer answer;
    Result<MemorySubject> subject = subjectFor(options);
    if (!subject) {
        return fail(subject.error());
    }
    answer.subject = std::move(*subject);
    const Result<const WeightFormat*> format = formatFor(options, answer.subject);
    if (!format) {
        return fail(format.error());
    }
    if (answer.subject.parameters < 1) {
        return fail(ErrorCode::Invalid, "memory: the checkpoint holds no parameters", options.path);
    }
    const std::optional<ModelShape>& shape = answer.subject.shape;
    if (options.context > 0 && !shape) {
        return fail(ErrorCode::Missing,
                    "memory: --context needs to know layers and heads, but " + answer.subject.note,
                    options.path,
                    "Give a model folder with its config.json, or a preset such as llama-2-7b");
    }
    answer.request.format = *format;
    answer.request.keepEmbeddings = options.keepEmbeddings;
    answer.request.batch = options.batch;
    answer.request.context = options.context > 0 ? options.context
                             : shape ? (shape->context > 0 ? shape->context : kDefaultContext)
                                     : 0;
    const std::optional<MemoryEstimate> estimate = estimateMemory(answer.subject, answer.request);
    if (!estimate) {
        return fail(ErrorCode::Missing,
                    "memory: \"" + options.format +
                        "\" has one scale a row, and a number of parameters has no rows");
    }
    answer.estimate = *estimate;
    return answer;
}

struct FormatRow {
    const WeightFormat* format;
    double bits;
    std::int64_t bytes;
};

/// Every format that can be told for this subject, dearest first.
std::vector<FormatRow> formatRows(const Answer& answer) {
    std::vector<FormatRow> rows;
    for (const WeightFormat& format : allWeightFormats()) {
        const std::optional<WeightBytes> bytes =
            weightBytes(answer.subject, &format, answer.request.keepEmbeddings);
        if (!bytes) {
            continue;
        }
        const double bits = answer.subject.tensors.empty()
                                ? *bitsPerWeight(format)
                                : 8 * static_cast<double>(bytes->total()) /
                                      static_cast<double>(answer.subject.parameters);
        rows.push_back({&format, bits, bytes->total()});
    }
    std::stable_sort(rows.begin(), rows.end(), [](const FormatRow& a, const FormatRow& b) {
        return a.bytes > b.bytes;
    });
    return rows;
}

std::string jsonText(const Answer& answer) {
    const MemoryEstimate& e = answer.estimate;
    JsonWriter json;
    json.beginObject().key("parameters").value(e.parameters);
    json.key("format").value(answer.request.format != nullptr ? answer.request.format->id
                                                              : std::string_view("stored"));
    json.key("weights_bytes").value(e.weights.codes);
    json.key("scales_bytes").value(e.weights.sides);
    json.key("kv_cache_bytes").value(e.kvCache);
    json.key("total_bytes").value(e.resident());
    json.key("human").beginObject();
    json.key("decimal").value(gigabyteText(static_cast<double>(e.resident())));
    json.key("binary").value(gibibyteText(static_cast<double>(e.resident())));
    json.endObject();
    const bool known = answer.subject.shape.has_value();
    json.key("context").value(known ? std::optional(answer.request.context) : std::nullopt);
    json.key("batch").value(answer.request.batch);
    json.key("activations_bytes").value(known ? std::optional(e.activationPeak()) : std::nullopt);
    json.key("formats").beginArray();
    for (const FormatRow& row : formatRows(answer)) {
        json.beginObject().key("format").value(row.format->id);
        json.key("bits_per_weight").value(row.bits);
        json.key("weights_bytes").value(row.bytes).endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string padded(std::string text, std::size_t width, bool right) {
    const std::string fill(text.size() < width ? width - text.size() : 0, ' ');
    return right ? fill + text : text + fill;
}

std::string line(const std::string& what, std::int64_t bytes) {
    return padded(what, 14, false) + padded(gigabyteText(static_cast<double>(bytes)), 11, true) +
           padded(gibibyteText(static_cast<double>(bytes)), 13, true) + "\n";
}

std::string humanText(const Answer& answer) {
    const MemoryEstimate& e = answer.estimate;
    std::string text =
        answer.subject.title +
        (answer.subject.tensors.empty() ? ""
                                        : ": " + std::to_string(e.parameters) + " parameters") +
        ", " +
        (answer.request.format != nullptr ? std::string(answer.request.format->title)
                                          : std::string("as stored")) +
        "\n";
    text += line("weights", e.weights.codes);
    if (e.weights.sides > 0) {
        text += line("scales", e.weights.sides);
    }
    if (e.kvCache) {
        text += line("KV cache", *e.kvCache);
    }
    text += line("total", e.resident());
    if (e.kvCache) {
        text += "KV cache of " + std::to_string(answer.request.context) + " tokens";
        text += answer.request.batch > 1
                    ? " for each of " + std::to_string(answer.request.batch) + "\n"
                    : "\n";
    } else {
        text += "no KV cache: " + answer.subject.note + "\n";
    }
    text += "\n" + padded("format", 16, false) + padded("bits/weight", 12, true) +
            padded("GB", 12, true) + padded("GiB", 13, true) + "\n";
    for (const FormatRow& row : formatRows(answer)) {
        std::array<char, 32> bits{};
        std::snprintf(bits.data(), bits.size(), "%.4f", row.bits);
        text += padded(std::string(row.format->id), 16, false) + padded(bits.data(), 12, true) +
                padded(gigabyteText(static_cast<double>(row.bytes)), 12, true) +
                padded(gibibyteText(static_cast<double>(row.bytes)), 13, true) + "\n";
    }
    return text;
}

Result<Output> run(const Options& options, const Common& common) {
    const Result<Answer> answer = answerTo(options);
    if (!answer) {
        return fail(answer.error());
    }
    return Output{common.json ? jsonText(*answer) : humanText(*answer)};
}

}  // namespace

extern const Command kCommand_memory;
const Command kCommand_memory{
    "memory",
    "What a model needs in memory: weights, scales, KV cache, format by format",
    [](CLI::App& app, const Common& common) -> std::function<Result<Output>()> {
        const auto options = std::make_shared<Options>();
        app.add_option("PATH",
                       options->path,
                       "A file, a sharded index, a model folder, or a preset: llama-2-7b, "
                       "llama-2-13b, llama-2-70b, llama-3-8b, llama-3.1-405b, deepseek-v3");
        app.add_option("--parameters", options->parameters, "How many, such as 7e9");
        app.add_option("--format",
                       options->format,
                       "How weights are stored (default: bf16; of a checkpoint, as they are)");
        app.add_option("--context",
                       options->context,
                       "Tokens in the KV cache (default: what the model was made for)")
            ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31));
        app.add_option("--batch", options->batch, "Sequences at once")
            ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
        app.add_flag("--keep-embeddings",
                     options->keepEmbeddings,
                     "Embedding and output matrix stay in 16 bits");
        return [options, &common] { return run(*options, common); };
    }};

}  // namespace loupe::cli
