// SPDX-License-Identifier: Apache-2.0
// One parameter over a range of values, several methods overlaid.
#include "core/experiment/sweep.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace loupe {

namespace {

constexpr std::size_t kMostValues = 1000;

/// "wanda.sparsity" -> {"wanda", "sparsity"}; "bits" -> {"", "bits"}.
std::pair<std::string_view, std::string_view> splitKey(std::string_view key) {
    const std::size_t dot = key.find('.');
    return dot == std::string_view::npos ? std::pair(std::string_view(), key)
                                         : std::pair(key.substr(0, dot), key.substr(dot + 1));
}

const ParamSpec* findParam(const StepDefinition& definition, std::string_view name) {
    const auto found = std::find_if(definition.params.begin(),
                                    definition.params.end(),
                                    [name](const ParamSpec& spec) { return spec.name == name; });
    return found == definition.params.end() ? nullptr : &*found;
}

struct Place {
    std::size_t step = 0;
    const ParamSpec* spec = nullptr;
};

Result<Place> findPlace(const Scheme& scheme, std::string_view key) {
    const auto [stepName, name] = splitKey(key);
    for (std::size_t i = 0; i < scheme.steps.size(); ++i) {
        const StepDefinition* definition = findStep(scheme.steps[i].name);
        if (definition == nullptr || (!stepName.empty() && definition->id != stepName)) {
            continue;
        }
        if (const ParamSpec* spec = findParam(*definition, name)) {
            return Place{i, spec};
        }
    }
    std::string known;
    for (const SweepKey& other : sweepKeys(scheme)) {
        known += known.empty() ? "" : ", ";
        known += other.key;
    }
    return fail(ErrorCode::Usage,
                "scheme '" + toString(scheme) + "' has no key '" + std::string(key) +
                    "' to vary: expected one of " + known);
}

std::string numberText(double value, bool whole) {
    if (whole) {
        return std::to_string(static_cast<std::int64_t>(std::llround(value)));
    }
    // 0.1 + 2 · 0.1 reads 0.3: twelve digits, far beyond what a step of a sweep means.
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.12g", value);
    return shortest(parseDouble(text.data()).value_or(value));
}

tl::unexpected<Error> badRange(std::string_view text, const std::string& why) {
    return fail(ErrorCode::Usage,
                "range '" + std::string(text) + "': " + why,
                {},
                "2..8, 0:1:0.05 (from:to:step), 1e-4:1:x10 (from:to:factor) or a list 16,32,64");
}

Result<void> steps(const ParamSpec& spec, std::string_view range, SweepAxis& axis) {
    const std::vector<std::string_view> parts = split(range, ':');
    const bool factor = !parts[2].empty() && (parts[2].front() == 'x' || parts[2].front() == '*');
    const auto low = parseDouble(parts[0]);
    const auto high = parseDouble(parts[1]);
    const auto step = parseDouble(factor ? parts[2].substr(1) : parts[2]);
    if (!low || !high || !step || !std::isfinite(*low) || !std::isfinite(*high) ||
        !std::isfinite(*step)) {
        return badRange(range, "expected from:to:step with three numbers");
    }
    if (*high < *low || (factor ? *step <= 1 || *low <= 0 : *step <= 0)) {
        return badRange(range,
                        factor ? "expected 0 < from <= to and a factor above 1"
                               : "expected from <= to and a step above 0");
    }
    const double count = factor ? std::log(*high / *low) / std::log(*step) : (*high - *low) / *step;
    if (count >= static_cast<double>(kMostValues)) {
        return badRange(range, "more than " + std::to_string(kMostValues) + " values");
    }
    const auto last = static_cast<int>(std::floor(count + 1e-9));
    for (int i = 0; i <= last; ++i) {
        const double value = factor ? *low * std::pow(*step, i) : *low + i * *step;
        axis.values.push_back(numberText(value, spec.type == ParamType::Integer));
    }
    axis.logarithmic = factor;
    return {};
}

Result<void> wholeNumbers(const ParamSpec& spec, std::string_view range, SweepAxis& axis) {
    const std::size_t dots = range.find("..");
    const auto low = parseInteger(range.substr(0, dots));
    const auto high = parseInteger(range.substr(dots + 2));
    if (!low || !high || *high < *low) {
        return badRange(range, "expected two whole numbers, the smaller first");
    }
    if (spec.powersOfTwo) {
        for (std::int64_t value = 1; value <= *high && value <= (std::int64_t{1} << 40);
             value *= 2) {
            if (value >= *low) {
                axis.values.push_back(std::to_string(value));
            }
        }
        axis.logarithmic = true;
        return axis.values.empty() ? badRange(range, "holds no power of two") : Result<void>{};
    }
    if (*high - *low >= static_cast<std::int64_t>(kMostValues)) {
        return badRange(range, "more than " + std::to_string(kMostValues) + " values");
    }
    for (std::int64_t value = *low; value <= *high; ++value) {
        axis.values.push_back(std::to_string(value));
    }
    return {};
}

bool isNumeric(const ParamSpec& spec) {
    return spec.type == ParamType::Integer || spec.type == ParamType::Real ||
           spec.type == ParamType::Bound;
}

std::string joined(std::span<const std::string_view> words) {
    std::string text;
    for (const std::string_view word : words) {
        text += text.empty() ? "" : ",";
        text += word;
    }
    return text;
}

/// "2..8".
std::string span(double low, double high) {
    std::string text = std::to_string(static_cast<std::int64_t>(low));
    text += "..";
    text += std::to_string(static_cast<std::int64_t>(high));
    return text;
}

/// A range that shows what the parameter does.
std::string suggestion(const ParamSpec& spec) {
    const std::string_view name = spec.name;
    switch (spec.type) {
        case ParamType::Choice:
        case ParamType::Format:
            return joined(spec.choices);
        case ParamType::Flag:
            return "false,true";
        case ParamType::Pattern:
            return "1:4,2:4,3:4";
        default:
            break;
    }
    if (name == "sparsity") {
        return "0.1:0.9:0.1";
    }
    if (name == "bits" || name == "act_bits") {
        return span(spec.min, std::min(spec.max, 8.0));
    }
    if (name == "damp") {
        return "0.0001:1:x10";
    }
    if (name == "percentile") {
        return "99,99.5,99.9,99.95,99.99,100";
    }
    if (name == "threshold") {
        return "1:10:1";
    }
    if (spec.powersOfTwo) {
        return "16..1024";
    }
    if (spec.type == ParamType::Integer) {
        return span(spec.min, std::min(spec.max, spec.min + 9));
    }
    const double low = spec.min;
    const double high = spec.max > low && spec.max <= 1e6 ? spec.max : low + 1;
    std::string text = numberText(low, false);
    text += ':';
    text += numberText(high, false);
    text += ':';
    text += numberText((high - low) / 10, false);
    return text;
}

}  // namespace

std::vector<SweepKey> sweepKeys(const Scheme& scheme) {
    std::vector<SweepKey> keys;
    for (const Step& step : scheme.steps) {
        const StepDefinition* definition = findStep(step.name);
        if (definition == nullptr) {
            continue;
        }
        for (const ParamSpec& spec : definition->params) {
            const std::string plain(spec.name);
            const bool taken = std::any_of(
                keys.begin(), keys.end(), [&](const SweepKey& key) { return key.key == plain; });
            std::string key = taken ? step.name : plain;
            if (taken) {
                key += '.';
                key += plain;
            }
            keys.push_back({std::move(key),
                            &spec,
                            std::string(Params(definition->params, step).text(spec.name)),
                            suggestion(spec)});
        }
    }
    return keys;
}

std::string sweepTitle(const Scheme& scheme, std::string_view key) {
    const Result<Place> place = findPlace(scheme, key);
    if (!place) {
        return title(scheme);
    }
    std::string text;
    for (std::size_t i = 0; i < scheme.steps.size(); ++i) {
        const Step& step = scheme.steps[i];
        const StepDefinition* definition = findStep(step.name);
        text += i == 0 ? "" : " + ";
        text += definition->title;
        for (const ParamSpec& spec : definition->params) {
            const auto given = step.values.find(std::string(spec.name));
            if (given != step.values.end() && (i != place->step || &spec != place->spec)) {
                text += ", ";
                text += spec.name;
                text += '=';
                text += given->second;
            }
        }
    }
    return text;
}

Result<Scheme> withSweepValue(const Scheme& scheme, std::string_view key, std::string_view value) {
    const Result<Place> place = findPlace(scheme, key);
    if (!place) {
        return fail(place.error());
    }
    Result<Step> step = withValue(scheme.steps[place->step], place->spec->name, value);
    if (!step) {
        return fail(step.error());
    }
    Scheme changed = scheme;
    changed.steps[place->step] = *std::move(step);
    // Through the parser: what a scheme may not say, a sweep may not either.
    return parseScheme(toString(changed));
}

Result<SweepAxis> parseSweepAxis(const Scheme& scheme, std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
        return badRange(text, "expected KEY=RANGE");
    }
    SweepAxis axis;
    axis.key = std::string(text.substr(0, equals));
    const std::string_view range = text.substr(equals + 1);
    const Result<Place> place = findPlace(scheme, axis.key);
    if (!place) {
        return fail(place.error());
    }
    const ParamSpec& spec = *place->spec;
    axis.numeric = isNumeric(spec);
    const bool interval = spec.type != ParamType::Bound && range.find("..") != range.npos;
    if (axis.numeric && interval) {
        if (Result<void> done = wholeNumbers(spec, range, axis); !done) {
            return fail(done.error());
        }
    } else if (axis.numeric && std::count(range.begin(), range.end(), ':') == 2) {
        if (Result<void> done = steps(spec, range, axis); !done) {
            return fail(done.error());
        }
    } else {
        for (const std::string_view item : split(range, ',')) {
            if (item.empty()) {
                return badRange(range, "an empty item");
            }
            if (axis.numeric && spec.type != ParamType::Bound && !parseDouble(item)) {
                std::string why(item);
                why += " is not a number";
                return badRange(range, why);
            }
            axis.values.emplace_back(item);
        }
        axis.logarithmic = spec.powersOfTwo;
    }
    if (axis.values.size() > kMostValues) {
        return badRange(range, "more than " + std::to_string(kMostValues) + " values");
    }
    return axis;
}

Result<SweepResult> runSweep(const std::vector<Scheme>& schemes,
                             const SweepAxis& axis,
                             const SchemeInput& input,
                             const SweepObserver& observer,
                             const JobContext& ctx) {
    SweepResult result;
    result.axis = axis;
    std::vector<std::size_t> order[2];
    for (const Scheme& scheme : schemes) {
        const bool solver =
            std::any_of(scheme.steps.begin(), scheme.steps.end(), [](const Step& step) {
                const StepDefinition* definition = findStep(step.name);
                return definition != nullptr && definition->isSolver;
            });
        order[solver ? 1 : 0].push_back(result.series.size());
        result.series.push_back({toString(scheme), sweepTitle(scheme, axis.key), {}, {}});
    }
    constexpr std::uint64_t kUnits = 1000;
    ctx.setTotal(schemes.size() * axis.values.size() * kUnits);
    for (const std::vector<std::size_t>& group : order) {
        for (const std::string& value : axis.values) {
            for (const std::size_t index : group) {
                ctx.checkpoint();
                SweepSeries& series = result.series[index];
                const JobContext part = ctx.part(kUnits);
                const Result<Scheme> scheme = withSweepValue(schemes[index], axis.key, value);
                const auto applied =
                    scheme ? applyScheme(*scheme, input, part)
                           : Result<std::shared_ptr<const SchemeResult>>(fail(scheme.error()));
                if (applied) {
                    series.points.push_back({value,
                                             axis.numeric ? parseDouble(value) : std::nullopt,
                                             toString(*scheme),
                                             figuresOf(**applied)});
                } else {
                    series.errors.push_back({value, applied.error().what});
                }
                if (observer) {
                    observer(index,
                             applied ? &series.points.back() : nullptr,
                             applied ? nullptr : &series.errors.back());
                }
                part.finishPart();
            }
        }
    }
    return result;
}

}  // namespace loupe
