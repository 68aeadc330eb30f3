// SPDX-License-Identifier: GPL-3.0-or-later
// loupe schemes [STEP]: what scheme strings may say, from the same tables as the parser and the
// application's forms.
#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/scheme/step.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>

namespace loupe::cli {

namespace {

std::string_view typeName(ParamType type) {
    switch (type) {
        case ParamType::Integer:
            return "integer";
        case ParamType::Real:
            return "real";
        case ParamType::Choice:
            return "choice";
        case ParamType::Flag:
            return "flag";
        case ParamType::Bound:
            return "bound";
        case ParamType::Format:
            return "format";
        case ParamType::Pattern:
            return "pattern";
    }
    return "";
}

void writeOptional(JsonWriter& json, std::string_view text) {
    json.value(text.empty() ? std::optional<std::string_view>() : std::optional(text));
}

void writeParam(JsonWriter& json, const ParamSpec& spec) {
    const bool ranged = spec.type == ParamType::Integer || spec.type == ParamType::Real ||
                        spec.type == ParamType::Bound;
    json.beginObject()
        .key("key")
        .value(spec.name)
        .key("type")
        .value(typeName(spec.type))
        .key("default");
    writeOptional(json, spec.defaultText);
    json.key("min").value(ranged ? std::optional(spec.min) : std::nullopt);
    json.key("max").value(ranged ? std::optional(spec.max) : std::nullopt);
    json.key("choices").beginArray();
    for (const std::string_view choice : spec.choices) {
        json.value(choice);
    }
    json.endArray().key("label").value(spec.label).key("help").value(spec.help).key("unit");
    writeOptional(json, spec.unit);
    json.key("only_with");
    writeOptional(json, spec.onlyWith);
    json.key("implies");
    writeOptional(json, spec.implies);
    json.endObject();
}

std::string jsonText(const std::vector<const StepDefinition*>& steps) {
    JsonWriter json;
    json.beginObject().key("steps").beginArray();
    for (const StepDefinition* step : steps) {
        json.beginObject()
            .key("name")
            .value(step->id)
            .key("title")
            .value(step->title)
            .key("summary")
            .value(step->summary);
        json.key("source")
            .value(step->source)
            .key("needs_activations")
            .value(step->needsActivations)
            .key("keys")
            .beginArray();
        for (const ParamSpec& spec : step->params) {
            writeParam(json, spec);
        }
        json.endArray().endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

/// `text` in lines of at most `width` characters, each begun with `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    std::string line(indent, ' ');
    while (!text.empty()) {
        const std::size_t blank = std::min(text.find(' '), text.size());
        if (line.size() > indent && line.size() + 1 + blank > width) {
            out += line + "\n";
            line.assign(indent, ' ');
        }
        line += line.size() > indent ? " " : "";
        line += text.substr(0, blank);
        text.remove_prefix(std::min(blank + 1, text.size()));
    }
    return out + line + "\n";
}

std::string humanText(const std::vector<const StepDefinition*>& steps, bool keys) {
    constexpr std::size_t kWidth = 100;
    std::string text;
    for (const StepDefinition* step : steps) {
        text += std::string(step->id) + "  " + std::string(step->title) + "\n" +
                wrapped(step->summary, 4, kWidth);
        if (!keys) {
            continue;
        }
        text += "    Source: " + std::string(step->source) + "\n\n";
        for (const ParamSpec& spec : step->params) {
            std::string head = "  " + std::string(spec.name) + "=" + std::string(spec.defaultText);
            head.resize(std::max<std::size_t>(head.size() + 2, 24), ' ');
            text += head + acceptedValues(spec) + "\n" + wrapped(spec.help, 6, kWidth);
            if (!spec.onlyWith.empty()) {
                const bool excluded = spec.onlyWith.front() == '!';
                text += (excluded ? "      Not beside " : "      Only with ") +
                        std::string(spec.onlyWith.substr(excluded ? 1 : 0)) +
                        (spec.implies.empty() ? ".\n" : ", which it implies.\n");
            }
        }
    }
    if (!keys) {
        text +=
            "\nSCHEME := STEP[:KEY=VALUE,...][+STEP...]   e.g. absmax:bits=4,group=128\n'loupe "
            "schemes STEP' lists a step's keys.\n";
    }
    return text;
}

Result<Output> run(const std::string& name, const Common& common) {
    std::vector<const StepDefinition*> steps(allSteps().begin(), allSteps().end());
    if (!name.empty()) {
        const Result<Scheme> known = parseScheme(name);  // its error names the nearest steps
        if (!known) {
            return fail(known.error());
        }
        steps = {findStep(known->steps.front().name)};
    }
    return Output{common.json ? jsonText(steps) : humanText(steps, !name.empty())};
}

}  // namespace

extern const Command kCommand_schemes;
const Command kCommand_schemes{
    "schemes",
    "List the steps of scheme strings and their keys",
    [](CLI::App& app, const Common& common) -> std::function<Result<Output>()> {
        auto name = std::make_shared<std::string>();
        app.add_option("step", *name, "A step: lists its keys");
        return [name, &common] { return run(*name, common); };
    }};

}  // namespace loupe::cli
