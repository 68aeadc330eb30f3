// SPDX-License-Identifier: GPL-3.0-or-later
// loupe ladder PATH --tensor NAME: every scheme on one tensor, compared.
#include "core/experiment/ladder.hpp"

#include "app/cli/command.hpp"
#include "app/cli/figure_text.hpp"
#include "app/cli/scheme_input.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace loupe::cli {

namespace {

struct Options {
    SchemeInputOptions input;
    std::vector<std::string> schemes;
    std::string sort;
    bool pictures = false;
    bool csv = false;
};

void writeHistogram(JsonWriter& json, const Histogram& histogram) {
    json.beginObject().key("min").value(histogram.min).key("max").value(histogram.max);
    json.key("counts").beginArray();
    for (const std::uint64_t count : histogram.counts) {
        json.value(count);
    }
    json.endArray().endObject();
}

void writePictures(JsonWriter& json, const LadderRow& row) {
    const LadderPictures& p = row.pictures;
    json.key("unit").value(p.inSteps ? "steps" : "value").key("levels").beginArray();
    for (const double level : p.levels) {
        json.value(level);
    }
    json.endArray().key("below").value(p.below).key("above").value(p.above);
    json.key("histogram_before");
    writeHistogram(json, p.before);
    json.key("histogram_after");
    writeHistogram(json, p.after);
    json.key("histogram_error");
    writeHistogram(json, p.errors);
    json.key("code_usage").beginArray();
    for (const auto& [code, count] : row.codeUsage) {
        json.beginArray().value(code).value(count).endArray();
    }
    json.endArray();
}

void writeEntry(JsonWriter& json, const LadderEntry& entry) {
    json.beginObject().key("scheme").value(entry.scheme).key("title").value(entry.title);
    json.key("family").value(familyId(entry.family));
}

std::string jsonText(const TensorInfo& tensor, const LadderResult& result, bool pictures) {
    JsonWriter json;
    json.beginObject().key("tensor").value(tensor.name).key("rows").beginArray();
    for (const LadderRow& row : result.rows) {
        writeEntry(json, row.entry);
        writeFigures(json, row.figures);
        json.key("pareto").value(row.isPareto);
        if (pictures) {
            writePictures(json, row);
        }
        json.endObject();
    }
    json.endArray().key("skipped").beginArray();
    for (const LadderSkip& skip : result.skipped) {
        writeEntry(json, skip.entry);
        json.key("reason").value(skip.reason);
        if (skip.expectedSeconds > 0) {
            json.key("expected_seconds").value(skip.expectedSeconds);
        }
        json.endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string csvText(const LadderResult& result) {
    std::string text = "scheme,title,family," + figureCsvHeader() + ",pareto\n";
    for (const LadderRow& row : result.rows) {
        text += csvField(row.entry.scheme) + "," + csvField(row.entry.title) + ",";
        text += familyId(row.entry.family);
        text += "," + figureCsv(row.figures) + (row.isPareto ? ",true\n" : ",false\n");
    }
    return text;
}

std::string humanText(const TensorInfo& tensor, const LadderResult& result) {
    std::string text = tensor.name + "  [" + std::to_string(tensor.rows) + ", " +
                       std::to_string(tensor.cols) + "]\n";
    std::size_t width = 10;
    for (const LadderRow& row : result.rows) {
        width = std::max(width, row.entry.scheme.size());
    }
    const char* const columns[] = {"bits", "sqnr", "rel", "output", "max", "zeros", "seconds"};
    text += cell("scheme", width, false);
    for (const char* column : columns) {
        text += cell(column, 9);
    }
    text += "\n";
    for (const LadderRow& row : result.rows) {
        text += cell(row.entry.scheme, width, false);
        for (const char* column : columns) {
            text += cell(fourDigits(findFigure(column)->value(row.figures)), 9);
        }
        text += row.isPareto ? "  *\n" : "\n";
    }
    text += "* no other row has as few bits and a smaller error\n";
    if (!result.skipped.empty()) {
        text += "\nNot run:\n";
        for (const LadderSkip& skip : result.skipped) {
            text += "  " + skip.entry.scheme + ": " + skip.reason +
                    (skip.expectedSeconds > 0 ? "; --schemes runs it\n" : "\n");
        }
    }
    return text;
}

Result<Output> run(const Options& options, const Common& common) {
    const Result<OpenedInput> opened = openInput(options.input);
    if (!opened) {
        return fail(opened.error());
    }
    const SchemeInput& input = opened->input;
    const Result<LadderPlan> plan =
        options.schemes.empty() ? planLadder(input) : planLadder(input, options.schemes);
    if (!plan) {
        return fail(plan.error());
    }
    Result<LadderResult> result = runLadder(*plan, input);
    if (!result) {
        Error error = result.error();
        error.what = "tensor '" + opened->tensor.name + "': " + error.what;
        return fail(std::move(error));
    }
    const std::string key =
        options.sort.empty() ? (input.activations != nullptr ? "output" : "sqnr") : options.sort;
    const FigureDefinition& figure = *findFigure(key);
    std::stable_sort(
        result->rows.begin(), result->rows.end(), [&](const LadderRow& a, const LadderRow& b) {
            return isBetter(figure, a.figures, b.figures);
        });
    if (common.json) {
        return Output{jsonText(opened->tensor, *result, options.pictures)};
    }
    return Output{options.csv ? csvText(*result) : humanText(opened->tensor, *result)};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    options->input.addTo(app);
    app.add_option("--schemes", options->schemes, "Only these schemes (default: all)");
    std::vector<std::string> keys;
    for (const FigureDefinition& figure : allFigures()) {
        keys.emplace_back(figure.id);
    }
    app.add_option("--sort",
                   options->sort,
                   "Best first by this figure (default: output with activations, else sqnr)")
        ->check(CLI::IsMember(keys));
    app.add_flag("--pictures", options->pictures, "Histograms, levels and code usage too (--json)");
    app.add_flag("--csv", options->csv, "Print CSV");
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_ladder;
const Command kCommand_ladder{
    "ladder", "Compare every scheme on one tensor: bits against error", configure};

}  // namespace loupe::cli
