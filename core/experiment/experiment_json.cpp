// SPDX-License-Identifier: Apache-2.0
// Experiments as JSON: the body of session files. Strict: what is not understood is an error, never
// dropped in silence.
#include "core/base/json_writer.hpp"
#include "core/experiment/calibration.hpp"
#include "core/experiment/experiment_spec.hpp"
#include "core/scheme/scheme.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <set>

namespace loupe {

namespace {

using nlohmann::json;

constexpr std::int64_t kVersion = 3;
constexpr std::size_t kMostEdits = 10000;
constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr int kMostDepth = 8;

tl::unexpected<Error> damaged(const std::string& what) {
    return fail(ErrorCode::Damaged, "experiment: " + what);
}

/// Reads the document with duplicate keys and deep nesting refused.
Result<json> parseStrictly(std::string_view text) {
    if (text.size() > kMostBytes) {
        return damaged("expected at most 64 MiB of JSON, found " + std::to_string(text.size()) +
                       " bytes");
    }
    std::string problem;
    std::vector<std::set<std::string>> keys;
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth > kMostDepth) {
            problem = "nested deeper than " + std::to_string(kMostDepth);
            return false;
        }
        if (event == json::parse_event_t::object_start) {
            keys.emplace_back();
        } else if (event == json::parse_event_t::object_end) {
            keys.pop_back();
        } else if (event == json::parse_event_t::key && !keys.empty()) {
            if (!keys.back().insert(parsed.get<std::string>()).second && problem.empty()) {
                problem = "key '" + parsed.get<std::string>() + "' occurs twice";
            }
        }
        return true;
    };
    json document = json::parse(text.begin(), text.end(), check, false);
    if (!problem.empty()) {
        return damaged(problem);
    }
    if (document.is_discarded()) {
        return damaged("not valid JSON");
    }
    return document;
}

/// Reads the members of one object and remembers the first thing that is wrong.
class Members {
public:
    Members(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

    void text(const char* key, std::string& out) {
        if (const json* value = member(key)) {
            if (value->is_string()) {
                out = value->get<std::string>();
            } else {
                wrong(key, "a string", *value);
            }
        }
    }
    void integer(const char* key, std::int64_t& out) {
        if (const json* value = member(key)) {
            const bool fits = value->is_number_integer() &&
                              (!value->is_number_unsigned() ||
                               value->get<std::uint64_t>() <= 0x7fffffffffffffffULL);
            if (fits && value->get<std::int64_t>() >= 0) {
                out = value->get<std::int64_t>();
            } else {
                wrong(key, "a whole number from 0", *value);
            }
        }
    }
    void code(const char* key, std::uint64_t& out) {
        if (const json* value = member(key)) {
            if (value->is_number_unsigned()) {
                out = value->get<std::uint64_t>();
            } else {
                wrong(key, "a code from 0", *value);
            }
        }
    }
    void positive(const char* key, double& out) {
        if (const json* value = member(key)) {
            if (value->is_number() && std::isfinite(value->get<double>()) &&
                value->get<double>() > 0) {
                out = value->get<double>();
            } else {
                wrong(key, "a positive number", *value);
            }
        }
    }
    void flag(const char* key, bool& out) {
        if (const json* value = member(key)) {
            if (value->is_boolean()) {
                out = value->get<bool>();
            } else {
                wrong(key, "true or false", *value);
            }
        }
    }
    const json* array(const char* key) {
        const json* value = member(key);
        if (value != nullptr && !value->is_array()) {
            wrong(key, "an array", *value);
            return nullptr;
        }
        return value;
    }
    /// The first problem; an unknown member is one.
    [[nodiscard]] std::string problem() const {
        if (!problem_.empty()) {
            return problem_;
        }
        for (const auto& [key, value] : object_.items()) {
            if (!known_.contains(key)) {
                return where_ + "unknown key '" + key + "'";
            }
        }
        return {};
    }

private:
    const json* member(const char* key) {
        known_.insert(key);
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }
    void wrong(const char* key, const char* expected, const json& found) {
        if (problem_.empty()) {
            problem_ =
                where_ + "'" + key + "': expected " + expected + ", found " + found.type_name();
        }
    }

    const json& object_;
    std::string where_;
    std::set<std::string> known_;
    std::string problem_;
};

Result<void> readEdits(const json& array, std::vector<Edit>& edits) {
    if (array.size() > kMostEdits) {
        return damaged("'edits': expected at most 10000, found " + std::to_string(array.size()));
    }
    for (std::size_t i = 0; i < array.size(); ++i) {
        const std::string where = "edit " + std::to_string(i) + ": ";
        if (!array[i].is_object()) {
            return damaged(where + "expected an object");
        }
        Edit edit;
        Members members(array[i], where);
        members.text("tensor", edit.tensor);
        members.integer("index", edit.index);
        members.code("code", edit.code);
        if (const std::string problem = members.problem(); !problem.empty()) {
            return damaged(problem);
        }
        edits.push_back(std::move(edit));
    }
    return {};
}

/// Schemes are kept canonical; one that does not parse any more is an error that says why.
Result<void> canonicalScheme(const char* key, std::string& text) {
    if (text.empty()) {
        return {};
    }
    const Result<Scheme> scheme = parseScheme(text);
    if (!scheme) {
        return damaged(std::string("'") + key + "': " + scheme.error().what);
    }
    text = toString(*scheme);
    return {};
}

}  // namespace

std::string toJson(const ExperimentSpec& spec) {
    JsonWriter out;
    out.beginObject().key("version").value(kVersion);
    out.key("source")
        .value(spec.source)
        .key("layout")
        .value(spec.layout)
        .key("stored")
        .value(spec.stored)
        .key("tensor")
        .value(spec.tensor);
    out.key("scheme_a").value(spec.schemeA).key("scheme_b").value(spec.schemeB);
    out.key("activations")
        .value(spec.activations)
        .key("gradients")
        .value(spec.gradients)
        .key("calibration_rows")
        .value(spec.calibrationRows)
        .key("calibration_choice")
        .value(spec.calibrationChoice)
        .key("calibration_seed")
        .value(spec.calibrationSeed);
    out.key("outlier_threshold").value(spec.outlierThreshold).key("edits").beginArray();
    for (const Edit& edit : spec.edits) {
        out.beginObject()
            .key("tensor")
            .value(edit.tensor)
            .key("index")
            .value(edit.index)
            .key("code")
            .value(edit.code)
            .endObject();
    }
    out.endArray().endObject();
    return out.text();
}

Result<ExperimentSpec> experimentFromJson(std::string_view text) {
    const Result<json> document = parseStrictly(text);
    if (!document) {
        return fail(document.error());
    }
    if (!document->is_object()) {
        return damaged("expected an object, found " + std::string(document->type_name()));
    }
    ExperimentSpec spec;
    std::int64_t version = 0;
    Members members(*document, {});
    members.integer("version", version);
    if (version < 1 || version > kVersion) {
        return damaged("expected version 1 to 3, found " +
                       (version == 0 ? std::string("none") : std::to_string(version)));
    }
    members.text("source", spec.source);
    members.text("layout", spec.layout);
    members.text("tensor", spec.tensor);
    members.text("scheme_a", spec.schemeA);
    members.text("scheme_b", spec.schemeB);
    members.text("activations", spec.activations);
    members.integer("calibration_rows", spec.calibrationRows);
    if (version >= 2) {
        members.text("gradients", spec.gradients);
        members.text("calibration_choice", spec.calibrationChoice);
        members.integer("calibration_seed", spec.calibrationSeed);
    }
    if (version >= 3) {
        members.flag("stored", spec.stored);
    }
    members.positive("outlier_threshold", spec.outlierThreshold);
    if (const json* edits = members.array("edits")) {
        if (Result<void> done = readEdits(*edits, spec.edits); !done) {
            return fail(done.error());
        }
    }
    if (const std::string problem = members.problem(); !problem.empty()) {
        return damaged(problem);
    }
    if (spec.layout != "auto" && spec.layout != "out_in" && spec.layout != "in_out") {
        return damaged("'layout': expected auto, out_in or in_out, found '" + spec.layout + "'");
    }
    if (!parseCalibrationChoice(spec.calibrationChoice)) {
        return damaged("'calibration_choice': expected first, spread or random, found '" +
                       spec.calibrationChoice + "'");
    }
    for (const auto& [key, scheme] :
         {std::pair{"scheme_a", &spec.schemeA}, std::pair{"scheme_b", &spec.schemeB}}) {
        if (Result<void> done = canonicalScheme(key, *scheme); !done) {
            return fail(done.error());
        }
    }
    return spec;
}

}  // namespace loupe
