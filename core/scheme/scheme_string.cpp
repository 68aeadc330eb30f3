// SPDX-License-Identifier: Apache-2.0
// Scheme strings to schemes and back: the only converters.
#include "core/base/text.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>

namespace loupe {

namespace {

const ParamSpec* findParam(const StepDefinition& definition, std::string_view key) {
    for (const ParamSpec& spec : definition.params) {
        if (spec.name == key) {
            return &spec;
        }
    }
    return nullptr;
}

std::string didYouMean(std::string_view word, const std::vector<std::string>& candidates) {
    std::string hint;
    for (const std::string& name : nearest(word, candidates, 3)) {
        hint += hint.empty() ? "did you mean " : ", ";
        hint += name;
    }
    return hint.empty() ? hint : hint + "?";
}

std::string inStep(const StepDefinition& definition) {
    return "step '" + std::string(definition.id) + "': ";
}

tl::unexpected<Error> unknownStep(std::string_view name) {
    std::vector<std::string> names;
    std::string list;
    for (const StepDefinition* step : allSteps()) {
        names.emplace_back(step->id);
        list += list.empty() ? "" : ", ";
        list += step->id;
    }
    std::string hint = didYouMean(name, names);
    return fail(ErrorCode::Usage,
                "unknown step '" + std::string(name) + "' in the scheme; known: " + list,
                {},
                std::move(hint));
}

tl::unexpected<Error> unknownKey(const StepDefinition& definition, std::string_view key) {
    std::vector<std::string> names;
    std::string list;
    for (const ParamSpec& spec : definition.params) {
        names.emplace_back(spec.name);
        list += list.empty() ? "" : ", ";
        list += spec.name;
    }
    std::string hint = didYouMean(key, names);
    return fail(ErrorCode::Usage,
                inStep(definition) + "unknown key '" + std::string(key) + "'; keys: " + list,
                {},
                std::move(hint));
}

/// "key=value" of an `implies` or `requiredWith`.
std::pair<std::string, std::string> setting(std::string_view text) {
    const std::size_t equals = text.find('=');
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

/// Reads the pairs of one step as they were written.
Result<std::map<std::string, std::string>> readPairs(const StepDefinition& definition,
                                                     std::string_view text) {
    std::map<std::string, std::string> given;
    for (const std::string_view pair : split(text, ',')) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos || equals == 0 ||
            pair.find('=', equals + 1) != std::string_view::npos) {
            return fail(
                ErrorCode::Usage,
                inStep(definition) + "expected KEY=VALUE, found '" + std::string(pair) + "'");
        }
        const std::string_view key = pair.substr(0, equals);
        const ParamSpec* spec = findParam(definition, key);
        if (spec == nullptr) {
            return unknownKey(definition, key);
        }
        Result<std::string> value = canonicalValue(definition, *spec, pair.substr(equals + 1));
        if (!value) {
            return fail(value.error());
        }
        if (!given.emplace(std::string(key), *value).second) {
            return fail(ErrorCode::Usage,
                        inStep(definition) + "key '" + std::string(key) + "' is given twice");
        }
    }
    return given;
}

/// Adds what the given keys imply. @errors Usage where that contradicts what was given
Result<void> applyImplications(const StepDefinition& definition, Step& step) {
    const std::map<std::string, std::string> given = step.values;
    for (const ParamSpec& spec : definition.params) {
        if (spec.implies.empty() || !given.contains(std::string(spec.name))) {
            continue;
        }
        const auto [key, value] = setting(spec.implies);
        const auto [place, added] = step.values.emplace(key, value);
        if (!added && place->second != value) {
            return fail(ErrorCode::Usage,
                        inStep(definition) + "key '" + std::string(spec.name) +
                            "' has no effect with " + key + "=" + place->second + " (it needs " +
                            std::string(spec.implies) + ")");
        }
    }
    return {};
}

Result<void> checkRequired(const StepDefinition& definition, const Step& step) {
    for (const ParamSpec& spec : definition.params) {
        if (spec.requiredWith.empty() || step.values.contains(std::string(spec.name))) {
            continue;
        }
        const auto [key, value] = setting(spec.requiredWith);
        const Params params(definition.params, step);
        if (params.is(key, value)) {
            return fail(ErrorCode::Usage,
                        inStep(definition) + "'" + std::string(spec.requiredWith) +
                            "' needs the key '" + std::string(spec.name) +
                            "': " + acceptedValues(spec));
        }
    }
    return {};
}

/// Drops defaults, adds what is always written.
void canonicalise(const StepDefinition& definition, Step& step) {
    for (const ParamSpec& spec : definition.params) {
        const std::string name(spec.name);
        const auto found = step.values.find(name);
        const bool relevant = isRelevant(definition, step, spec.name);
        if (spec.alwaysWritten && relevant) {
            if (found == step.values.end()) {
                step.values.emplace(name, std::string(spec.defaultText));
            }
        } else if (found != step.values.end() && found->second == spec.defaultText) {
            step.values.erase(found);
        }
    }
}

Result<void> validate(const StepDefinition& definition, const Step& step) {
    if (Result<void> required = checkRequired(definition, step); !required) {
        return required;
    }
    if (definition.validate != nullptr) {
        return definition.validate(Params(definition.params, step));
    }
    return {};
}

Result<Step> parseStep(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (name.empty()) {
        return fail(ErrorCode::Usage,
                    text.empty() ? "empty step in the scheme"
                                 : "a step has no name: '" + std::string(text) + "'");
    }
    const StepDefinition* definition = findStep(name);
    if (definition == nullptr) {
        return unknownStep(name);
    }
    Step step{std::string(name), {}};
    if (colon == std::string_view::npos) {
        if (Result<void> valid = validate(*definition, step); !valid) {
            return fail(valid.error());
        }
        canonicalise(*definition, step);
        return step;
    }
    Result<std::map<std::string, std::string>> given =
        readPairs(*definition, text.substr(colon + 1));
    if (!given) {
        return fail(given.error());
    }
    step.values = *given;
    if (Result<void> implied = applyImplications(*definition, step); !implied) {
        return fail(implied.error());
    }
    for (const ParamSpec& spec : definition->params) {
        if (given->contains(std::string(spec.name)) && !isRelevant(*definition, step, spec.name)) {
            return fail(ErrorCode::Usage, inStep(*definition) + unmetCondition(spec));
        }
    }
    if (Result<void> valid = validate(*definition, step); !valid) {
        return fail(valid.error());
    }
    canonicalise(*definition, step);
    return step;
}

std::string stepToString(const Step& original) {
    const StepDefinition* definition = findStep(original.name);
    Step step = original;
    if (definition == nullptr) {
        return step.name;
    }
    canonicalise(*definition, step);
    std::string pairs;
    for (const ParamSpec& spec : definition->params) {
        const auto found = step.values.find(std::string(spec.name));
        if (found == step.values.end()) {
            continue;
        }
        const std::string pair = found->first + "=" + found->second;
        const bool implied = std::any_of(
            definition->params.begin(), definition->params.end(), [&](const ParamSpec& other) {
                return other.implies == pair && step.values.contains(std::string(other.name));
            });
        if (!implied) {
            pairs += pairs.empty() ? ':' : ',';
            pairs += pair;
        }
    }
    return step.name + pairs;
}

}  // namespace

Result<Scheme> parseScheme(std::string_view text) {
    Scheme scheme;
    if (text.empty()) {
        return fail(ErrorCode::Usage, "empty scheme; expected STEP[:KEY=VALUE,...][+STEP...]");
    }
    for (const std::string_view part : split(text, '+')) {
        Result<Step> step = parseStep(part);
        if (!step) {
            return fail(step.error());
        }
        scheme.steps.push_back(std::move(*step));
    }
    return scheme;
}

std::string toString(const Scheme& scheme) {
    std::string text;
    for (const Step& step : scheme.steps) {
        text += text.empty() ? "" : "+";
        text += stepToString(step);
    }
    return text;
}

Result<Step> withValue(const Step& original, std::string_view key, std::string_view text) {
    const StepDefinition* definition = findStep(original.name);
    if (definition == nullptr) {
        return unknownStep(original.name);
    }
    const ParamSpec* changed = findParam(*definition, key);
    if (changed == nullptr) {
        return unknownKey(*definition, key);
    }
    Step step = original;
    if (text.empty()) {
        step.values.erase(std::string(key));
    } else {
        Result<std::string> value = canonicalValue(*definition, *changed, text);
        if (!value) {
            return fail(value.error());
        }
        step.values[std::string(key)] = *value;
        if (!changed->implies.empty()) {
            const auto [impliedKey, impliedValue] = setting(changed->implies);
            step.values[impliedKey] = impliedValue;
        }
        if (!isRelevant(*definition, step, key)) {
            return fail(ErrorCode::Usage, inStep(*definition) + unmetCondition(*changed));
        }
    }
    // A key may depend on one that depends on another: until nothing is dropped any more.
    for (bool dropped = true; dropped;) {
        dropped = std::erase_if(step.values, [&](const auto& entry) {
                      return !isRelevant(*definition, step, entry.first);
                  }) > 0;
    }
    for (const ParamSpec& spec : definition->params) {
        if (!spec.requiredWith.empty()) {
            const auto [requiredKey, requiredValue] = setting(spec.requiredWith);
            if (Params(definition->params, step).is(requiredKey, requiredValue)) {
                step.values.emplace(std::string(spec.name), std::string(spec.startText));
            }
        }
    }
    canonicalise(*definition, step);
    if (Result<void> valid = validate(*definition, step); !valid) {
        return fail(valid.error());
    }
    return step;
}

std::string title(const Scheme& scheme) {
    std::string text;
    for (const Step& step : scheme.steps) {
        const StepDefinition* definition = findStep(step.name);
        std::string name = step.name;
        if (definition != nullptr && definition->shortTitle != nullptr) {
            name = definition->shortTitle(Params(definition->params, step));
        } else if (definition != nullptr) {
            name = std::string(definition->title);
            for (const auto& [key, value] : step.values) {
                name += ", " + key + " " + value;
            }
        }
        text += text.empty() ? "" : " + ";
        text += name;
    }
    return text.empty() ? "Unchanged" : text;
}

}  // namespace loupe
