// SPDX-License-Identifier: GPL-3.0-or-later
// loupe sweep PATH --tensor NAME --scheme S... --vary KEY=RANGE: one parameter, several methods.
#include "core/experiment/sweep.hpp"

#include "app/cli/command.hpp"
#include "app/cli/figure_text.hpp"
#include "app/cli/scheme_input.hpp"
#include "core/base/text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace loupe::cli {

namespace {

struct Options {
    SchemeInputOptions input;
    std::vector<std::string> schemes;
    std::string vary;
    std::string figure;
    bool csv = false;
};

void writeValue(JsonWriter& json, bool numeric, const std::string& value) {
    const std::optional<double> number = numeric ? parseDouble(value) : std::nullopt;
    if (number) {
        json.value(*number);
    } else {
        json.value(value);
    }
}

std::string jsonText(const TensorInfo& tensor, const SweepResult& result) {
    JsonWriter json;
    const bool numeric = result.axis.numeric;
    json.beginObject().key("tensor").value(tensor.name).key("key").value(result.axis.key);
    json.key("series").beginArray();
    for (const SweepSeries& series : result.series) {
        json.beginObject().key("scheme").value(series.scheme).key("title").value(series.title);
        json.key("points").beginArray();
        for (const SweepPoint& point : series.points) {
            json.beginObject().key("value");
            writeValue(json, numeric, point.value);
            json.key("scheme").value(point.scheme);
            writeFigures(json, point.figures);
            json.endObject();
        }
        json.endArray().key("errors").beginArray();
        for (const SweepError& error : series.errors) {
            json.beginObject().key("value");
            writeValue(json, numeric, error.value);
            json.key("error").value(error.what).endObject();
        }
        json.endArray().endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string csvText(const SweepResult& result) {
    std::string text = "scheme,key,value," + figureCsvHeader() + "\n";
    for (const SweepSeries& series : result.series) {
        for (const SweepPoint& point : series.points) {
            text += csvField(series.scheme) + "," + csvField(result.axis.key) + "," +
                    csvField(point.value) + "," + figureCsv(point.figures) + "\n";
        }
    }
    return text;
}

std::string humanText(const SweepResult& result, const FigureDefinition& figure) {
    std::string text(figure.title);
    text += figure.unit.empty() ? "" : " (" + std::string(figure.unit) + ")";
    text += " against " + result.axis.key + "\n";
    const std::size_t valueWidth = std::max<std::size_t>(result.axis.key.size(), 10);
    text += cell(result.axis.key, valueWidth, false);
    for (const SweepSeries& series : result.series) {
        text += cell(series.scheme, 12);
    }
    text += "\n";
    for (const std::string& value : result.axis.values) {
        text += cell(value, valueWidth, false);
        for (const SweepSeries& series : result.series) {
            const auto point = std::find_if(
                series.points.begin(), series.points.end(), [&](const SweepPoint& candidate) {
                    return candidate.value == value;
                });
            const std::size_t width = std::max<std::size_t>(series.scheme.size(), 12);
            text += cell(
                point == series.points.end() ? "failed" : fourDigits(figure.value(point->figures)),
                width);
        }
        text += "\n";
    }
    for (const SweepSeries& series : result.series) {
        for (const SweepError& error : series.errors) {
            text += series.scheme + " at " + error.value + ": " + error.what + "\n";
        }
    }
    return text;
}

Result<Output> run(const Options& options, const Common& common) {
    std::vector<Scheme> schemes;
    SweepAxis axis;
    for (const std::string& text : options.schemes) {
        const Result<Scheme> scheme = parseScheme(text);
        if (!scheme) {
            return fail(scheme.error());
        }
        // Each method must know the key; the values are those of the first.
        const Result<SweepAxis> own = parseSweepAxis(*scheme, options.vary);
        if (!own) {
            return fail(own.error());
        }
        if (schemes.empty()) {
            axis = *own;
        }
        schemes.push_back(*scheme);
    }
    const Result<OpenedInput> opened = openInput(options.input);
    if (!opened) {
        return fail(opened.error());
    }
    const SchemeInput& input = opened->input;
    const Result<SweepResult> result = runSweep(schemes, axis, input);
    if (!result) {
        return fail(result.error());
    }
    const bool nothing =
        std::all_of(result->series.begin(), result->series.end(), [](const SweepSeries& series) {
            return series.points.empty();
        });
    if (nothing && !result->series.front().errors.empty()) {
        return fail(ErrorCode::Invalid,
                    "tensor '" + opened->tensor.name +
                        "': no point of the sweep could be computed: " +
                        result->series.front().errors.front().what);
    }
    if (common.json) {
        return Output{jsonText(opened->tensor, *result)};
    }
    if (options.csv) {
        return Output{csvText(*result)};
    }
    const std::string figure = !options.figure.empty()
                                   ? options.figure
                                   : (input.activations != nullptr ? "output" : "rel");
    return Output{humanText(*result, *findFigure(figure))};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    options->input.addTo(app);
    app.add_option("--scheme", options->schemes, "The methods: one scheme or several")->required();
    app.add_option("--vary",
                   options->vary,
                   "KEY=2..8, KEY=0:1:0.05 (from:to:step), KEY=1e-4:1:x10 (from:to:factor) or "
                   "KEY=16,32,64; STEP.KEY where two steps know the key")
        ->required();
    std::vector<std::string> keys;
    for (const FigureDefinition& figure : allFigures()) {
        keys.emplace_back(figure.id);
    }
    app.add_option("--metric",
                   options->figure,
                   "Of the printed table (default: output with activations, else rel)")
        ->check(CLI::IsMember(keys));
    app.add_flag("--csv", options->csv, "Print CSV");
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_sweep;
const Command kCommand_sweep{
    "sweep", "Vary one parameter of one or several schemes on one tensor", configure};

}  // namespace loupe::cli
