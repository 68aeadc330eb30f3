// SPDX-License-Identifier: GPL-3.0-or-later
// loupe trace PATH --tensor NAME --scheme S: what the Algorithms workspace plays, as text or JSON.
#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/experiment/trace_scheme.hpp"
#include "core/study/slice.hpp"

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
    std::string gradients;
    std::int64_t calibrationRows = 0;
    std::vector<std::int64_t> slice;
    std::int64_t state = -1;
    std::vector<std::int64_t> cell;
};

std::string significant(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.6g", value);
    return text.data();
}

void writeFigures(JsonWriter& json, const std::vector<TraceFigure>& figures) {
    json.beginArray();
    for (const TraceFigure& figure : figures) {
        json.beginObject()
            .key("label")
            .value(figure.label)
            .key("value")
            .value(figure.value)
            .key("note")
            .value(figure.note)
            .endObject();
    }
    json.endArray();
}

void writeNotes(JsonWriter& json, const std::vector<TraceNote>& notes) {
    json.beginArray();
    for (const TraceNote& note : notes) {
        json.beginObject()
            .key("title")
            .value(note.title)
            .key("formula")
            .value(note.formula)
            .key("substituted")
            .value(note.substituted)
            .key("result")
            .value(note.result)
            .key("note")
            .value(note.note)
            .endObject();
    }
    json.endArray();
}

/// What is worked out: which state, which cell.
struct Told {
    std::size_t state = 0;
    TraceCell cell;
    std::vector<TraceNote> notes;
};

Result<Told> tell(const Trace& trace, const Options& options) {
    const auto count = static_cast<std::int64_t>(trace.states.size());
    const std::int64_t index = options.state < 0 ? count - 1 : options.state;
    if (index >= count) {
        return fail(ErrorCode::Usage,
                    "--state: expected 0 to " + std::to_string(count - 1) + ", found " +
                        std::to_string(index));
    }
    Told told;
    told.state = static_cast<std::size_t>(index);
    const TraceState& state = trace.states[told.state];
    told.cell = options.cell.empty() ? state.focus : TraceCell{options.cell[0], options.cell[1]};
    if (!state.panels.empty() && state.panels.front().values) {
        const Matrix<double>& first = *state.panels.front().values;
        if (told.cell.row < 0 || told.cell.col < 0 || told.cell.row >= first.rows() ||
            told.cell.col >= first.cols()) {
            return fail(ErrorCode::Usage,
                        "--cell: expected a row below " + std::to_string(first.rows()) +
                            " and a column below " + std::to_string(first.cols()) + ", found " +
                            std::to_string(told.cell.row) + "," + std::to_string(told.cell.col));
        }
        if (trace.explain) {
            told.notes = trace.explain(told.state, told.cell);
        }
    }
    return told;
}

std::string jsonText(const std::string& tensor, const Trace& trace, const Told& told) {
    JsonWriter json;
    json.beginObject().key("tensor").value(tensor).key("scheme").value(toString(trace.scheme));
    json.key("states").beginArray();
    for (const TraceState& state : trace.states) {
        json.beginObject()
            .key("title")
            .value(state.title)
            .key("sentence")
            .value(state.sentence)
            .key("panels")
            .beginArray();
        for (const TracePanel& panel : state.panels) {
            json.value(panel.id);
        }
        json.endArray().key("figures");
        writeFigures(json, state.figures);
        json.endObject();
    }
    json.endArray().key("summary");
    writeFigures(json, trace.summary);
    json.key("lesson").value(trace.lesson).key("loss");
    if (trace.loss) {
        json.beginObject()
            .key("summed")
            .value(trace.loss->summed)
            .key("direct")
            .value(trace.loss->direct)
            .endObject();
    } else {
        json.null();
    }
    json.key("told").beginObject().key("state").value(static_cast<std::int64_t>(told.state));
    json.key("cell").beginArray().value(told.cell.row).value(told.cell.col).endArray();
    json.key("notes");
    writeNotes(json, told.notes);
    json.endObject().key("result");
    if (trace.result) {
        json.beginArray();
        for (std::int64_t row = 0; row < trace.result->rows(); ++row) {
            json.beginArray();
            for (const double value : trace.result->row(row)) {
                json.value(value);
            }
            json.endArray();
        }
        json.endArray();
    } else {
        json.null();
    }
    json.endObject();
    return json.text() + "\n";
}

std::string humanText(const Trace& trace, const Told& told) {
    std::string text;
    for (std::size_t i = 0; i < trace.states.size(); ++i) {
        const TraceState& state = trace.states[i];
        text += (i == told.state ? "> " : "  ") + std::to_string(i) + "  " + state.title;
        for (const TraceFigure& figure : state.figures) {
            text += "  " + figure.label + " " + significant(figure.value);
        }
        text += "\n";
    }
    text += "\nstate " + std::to_string(told.state) + ", row " + std::to_string(told.cell.row) +
            ", column " + std::to_string(told.cell.col) + ": " + trace.states[told.state].sentence +
            "\n";
    for (const TraceNote& note : told.notes) {
        text += "  " + note.title + ":";
        text += note.formula.empty() ? "" : " " + note.formula + " =";
        text += note.substituted.empty() ? "" : " " + note.substituted + " =";
        text += " " + note.result + (note.note.empty() ? "" : "  " + note.note) + "\n";
    }
    if (trace.loss) {
        text += "\nlosses " + significant(trace.loss->summed) + ", computed directly " +
                significant(trace.loss->direct) + "\n";
    }
    for (const TraceFigure& figure : trace.summary) {
        text += figure.label + " " + significant(figure.value) +
                (figure.note.empty() ? "" : "  " + figure.note) + "\n";
    }
    return text + (trace.lesson.empty() ? "" : trace.lesson + "\n");
}

Result<Output> run(const Options& options, const Common& common) {
    const Result<Scheme> scheme = parseScheme(options.scheme);
    if (!scheme) {
        return fail(scheme.error());
    }
    const Result<std::shared_ptr<const TensorSource>> source = openSource(options.path);
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
    SchemeInput layer;
    layer.weights = *weights;
    layer.storedBits = tensor.type != nullptr ? tensor.type->bits : 32;
    layer.calibrationRows = options.calibrationRows;
    if (!options.activations.empty()) {
        const auto opened = openActivations(options.activations, tensor.name, tensor.cols);
        if (!opened) {
            return fail(opened.error());
        }
        layer.activations = *opened;
    }
    if (!options.gradients.empty()) {
        const auto opened = openGradients(options.gradients, tensor.name, **weights, {});
        if (!opened) {
            return fail(opened.error());
        }
        layer.gradients = *opened;
    }
    if (!options.slice.empty()) {
        const Slice slice{options.slice[0], options.slice[1], options.slice[2], options.slice[3]};
        if (fitted(slice, tensor.rows, tensor.cols) != slice) {
            return fail(ErrorCode::Usage,
                        "--slice: expected ROW,COLUMN,ROWS,COLUMNS within " +
                            std::to_string(tensor.rows) + " x " + std::to_string(tensor.cols) +
                            " and at most " + std::to_string(kMostTracedWeights) + " weights");
        }
        Result<SchemeInput> part = sliceOf(layer, slice);
        if (!part) {
            return fail(part.error());
        }
        layer = *part;
    }
    const Result<std::shared_ptr<const Trace>> trace = traceScheme(*scheme, layer);
    if (!trace) {
        Error error = trace.error();
        error.what = "tensor '" + tensor.name + "': " + error.what;
        return fail(std::move(error));
    }
    const Result<Told> told = tell(**trace, options);
    if (!told) {
        return fail(told.error());
    }
    return Output{common.json ? jsonText(tensor.name, **trace, *told) : humanText(**trace, *told)};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    app.add_option("path", options->path, "File, sharded index, model folder or synthetic:...")
        ->required();
    app.add_option(
        "--tensor", options->tensor, "Name of the tensor; may be left out where there is only one");
    app.add_option("--scheme", options->scheme, "Its last step is told; see 'loupe schemes'")
        ->required();
    app.add_option("--activations", options->activations, "FILE[:TENSOR], [tokens, in]");
    app.add_option("--gradients", options->gradients, "FILE[:TENSOR], the weight's shape");
    app.add_option("--calibration-rows",
                   options->calibrationRows,
                   "The first N rows of the activations calibrate (default: all)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--slice",
                   options->slice,
                   "ROW,COLUMN,ROWS,COLUMNS of a larger tensor: at most 4096 weights")
        ->delimiter(',')
        ->expected(4);
    app.add_option("--state", options->state, "The state that is worked out (default: the last)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--cell", options->cell, "ROW,COLUMN that is worked out (default: the state's)")
        ->delimiter(',')
        ->expected(2);
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_trace;
const Command kCommand_trace{
    "trace", "Tell a scheme's last step state by state on a small layer", configure};

}  // namespace loupe::cli
