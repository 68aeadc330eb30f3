// SPDX-License-Identifier: Apache-2.0
// One value of one parameter: reading it, its canonical text, and when it has an effect. Everything
// from the table.
#include "core/base/text.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// The shortest text that reads back; a plus sign would end the step.
std::string canonicalNumber(double value) {
    std::string text = shortest(value == 0 ? 0.0 : value);
    text.erase(std::remove(text.begin(), text.end(), '+'), text.end());
    return text;
}

Error invalid(const StepDefinition& definition,
              const ParamSpec& spec,
              std::string_view text,
              std::string hint = {}) {
    std::string what = "step '" + std::string(definition.id) + "': key '" + std::string(spec.name) +
                       "' takes " + acceptedValues(spec) + ", not '" + std::string(text) + "'";
    return Error{ErrorCode::Usage, std::move(what), {}, std::move(hint)};
}

std::optional<std::string> integerText(const ParamSpec& spec, std::string_view text) {
    const std::optional<std::int64_t> value = parseInteger(text);
    if (!value || static_cast<double>(*value) < spec.min ||
        static_cast<double>(*value) > spec.max) {
        return std::nullopt;
    }
    return std::to_string(*value);
}

std::optional<std::string> realText(const ParamSpec& spec, std::string_view text) {
    const std::optional<double> value = parseDouble(text);
    if (!value || !std::isfinite(*value) || *value < spec.min || *value > spec.max) {
        return std::nullopt;
    }
    return canonicalNumber(*value);
}

std::optional<std::string> boundText(const ParamSpec& spec, std::string_view text) {
    const std::optional<std::pair<double, double>> bound = parseBound(text);
    const bool interval = text.find("..") != std::string_view::npos;
    if (!bound || (interval && !spec.allowsInterval) ||
        std::max(std::fabs(bound->first), std::fabs(bound->second)) > spec.max) {
        return std::nullopt;
    }
    return interval ? canonicalNumber(bound->first) + ".." + canonicalNumber(bound->second)
                    : canonicalNumber(bound->second);
}

std::optional<std::string> patternText(std::string_view text) {
    const std::vector<std::string_view> parts = split(text, ':');
    if (parts.size() != 2) {
        return std::nullopt;
    }
    const std::optional<std::int64_t> kept = parseInteger(parts[0]);
    const std::optional<std::int64_t> block = parseInteger(parts[1]);
    if (!kept || !block || *kept < 1 || *block < 2 || *kept >= *block || *block > 64) {
        return std::nullopt;
    }
    return std::to_string(*kept) + ":" + std::to_string(*block);
}

bool holds(const StepDefinition& definition, const Step& step, std::string_view condition) {
    if (condition.substr(0, 1) == "!" && condition.find('=') != std::string_view::npos) {
        // "!format=mxfp4|nvfp4": where the key has none of these values.
        return !holds(definition, step, condition.substr(1));
    }
    if (condition.substr(0, 1) == "!") {
        return !Params(definition.params, step).has(condition.substr(1));
    }
    const std::size_t equals = condition.find('=');
    const std::string_view key = condition.substr(0, equals);
    const Params params(definition.params, step);
    if (!isRelevant(definition, step, key)) {
        return false;
    }
    if (equals == std::string_view::npos) {
        return params.has(key);
    }
    const std::vector<std::string_view> values = split(condition.substr(equals + 1), '|');
    return std::find(values.begin(), values.end(), params.text(key)) != values.end();
}

}  // namespace

std::optional<std::pair<double, double>> parseBound(std::string_view text) {
    const std::size_t dots = text.find("..");
    if (dots == std::string_view::npos) {
        const std::optional<double> value = parseDouble(text);
        if (!value || !std::isfinite(*value) || *value <= 0) {
            return std::nullopt;
        }
        return std::pair{-*value, *value};
    }
    const std::optional<double> low = parseDouble(text.substr(0, dots));
    const std::optional<double> high = parseDouble(text.substr(dots + 2));
    if (!low || !high || !std::isfinite(*low) || !std::isfinite(*high) || *low >= *high) {
        return std::nullopt;
    }
    return std::pair{*low, *high};
}

std::string acceptedValues(const ParamSpec& spec) {
    switch (spec.type) {
        case ParamType::Integer:
            return spec.max >= 0x1p53
                       ? "a whole number from " + shortest(spec.min)
                       : canonicalNumber(spec.min) + " to " + canonicalNumber(spec.max);
        case ParamType::Real:
            return "a number from " + canonicalNumber(spec.min) + " to " +
                   canonicalNumber(spec.max);
        case ParamType::Flag:
            return "true|false";
        case ParamType::Bound:
            return spec.allowsInterval ? "a positive number or LOW..HIGH" : "a positive number";
        case ParamType::Pattern:
            return "N:M with 0 < N < M <= 64";
        case ParamType::Choice:
        case ParamType::Format:
            break;
    }
    std::string text;
    for (const std::string_view choice : spec.choices) {
        text += text.empty() ? "" : "|";
        text += choice;
    }
    return text;
}

Result<std::string> canonicalValue(const StepDefinition& definition,
                                   const ParamSpec& spec,
                                   std::string_view text) {
    std::optional<std::string> canonical;
    switch (spec.type) {
        case ParamType::Integer:
            canonical = integerText(spec, text);
            break;
        case ParamType::Real:
            canonical = realText(spec, text);
            break;
        case ParamType::Bound:
            canonical = boundText(spec, text);
            break;
        case ParamType::Pattern:
            canonical = patternText(text);
            break;
        case ParamType::Flag:
            if (text == "true" || text == "false") {
                canonical = std::string(text);
            }
            break;
        case ParamType::Choice:
        case ParamType::Format: {
            if (std::find(spec.choices.begin(), spec.choices.end(), text) != spec.choices.end()) {
                return std::string(text);
            }
            const std::vector<std::string> names(spec.choices.begin(), spec.choices.end());
            const std::vector<std::string> near = nearest(text, names, 3);
            std::string hint;
            for (const std::string& name : near) {
                hint += hint.empty() ? "did you mean " : ", ";
                hint += name;
            }
            return fail(invalid(definition, spec, text, hint.empty() ? hint : hint + "?"));
        }
    }
    if (!canonical) {
        return fail(invalid(definition, spec, text));
    }
    return *canonical;
}

std::string unmetCondition(const ParamSpec& spec) {
    const bool excluded = spec.onlyWith.substr(0, 1) == "!";
    return "key '" + std::string(spec.name) + "' has no effect " +
           (excluded ? "beside " : "without ") +
           std::string(spec.onlyWith.substr(excluded ? 1 : 0));
}

bool isRelevant(const StepDefinition& definition, const Step& step, std::string_view key) {
    for (const ParamSpec& spec : definition.params) {
        if (spec.name == key) {
            return spec.onlyWith.empty() || holds(definition, step, spec.onlyWith);
        }
    }
    return false;
}

}  // namespace loupe
