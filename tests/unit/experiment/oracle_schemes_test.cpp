// SPDX-License-Identifier: Apache-2.0
//
// Every scheme against an oracle that shares no line with it: tests/golden/schemes was made by
// tests/oracles/schemes.py (float64 from the papers' equations and the contract's words, checked
// there against torch and bitsandbytes).
//
// * exact, scaled: element-wise quantizers. Codes are equal but where a ratio lies within 1e-6 of a
//   tie (the golden lists those elements), metrics agree to 1e-6: both sides round to FP32 in the
//   places that the contract names.
// * mask: pruners without an update. The mask is equal but where two scores on both sides of the
// cut
//   agree to 1e-6.
// * fit, solver: k-means, GPTQ, SparseGPT, OBS, AWQ, HQQ. A sum in another order or an inverse by
//   another factorisation moves weights by some 1e-12, which changes no rounding decision unless it
//   was a tie, but FP32 results and scales move the error by up to a few 1e-6: errors agree to
//   1e-4, masks and numbers of zeros are equal.
// * rows: AWQ with its clip search, and GPTQ where a ratio lies within 1e-6 of a tie. A group
//   clipped at both ends has its zero point on an exact tie (low = -high), as has -absmax on a
//   symmetric grid, so the two sides may choose differently: squared errors of the rows without
//   such a choice agree to 2e-4 (twice that of a norm).
#include "core/experiment/pipeline.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

using namespace loupe;
using nlohmann::json;

namespace {

/// Cases where the oracle and the library disagree on a question that the contract leaves open, or
/// that waits for a correction: shown as warnings. An asterisk stands for every layer.
struct Dispute {
    std::string_view layer;
    std::string_view scheme;
    std::string_view reason;
};
constexpr std::array<Dispute, 0> kDisputed{};

constexpr std::int32_t kNoCode = 2147483647;  ///< in place of a code that may be either of two

const Dispute* disputeOf(const json& wanted) {
    for (const Dispute& dispute : kDisputed) {
        if ((dispute.layer == "*" || dispute.layer == wanted.at("layer").get<std::string>()) &&
            dispute.scheme == wanted.at("scheme").get<std::string>()) {
            return &dispute;
        }
    }
    return nullptr;
}

std::shared_ptr<const RowSource> layerTensor(const std::string& name) {
    static const std::shared_ptr<const TensorSource> source =
        openSource((test::goldenDir() / "schemes/layers/layers.safetensors").string()).value();
    return source->matrix(findTensor(*source, name).value()).value();
}

std::vector<json> goldenCases() {
    std::ifstream file(test::goldenDir() / "schemes/oracle.jsonl");
    std::vector<json> cases;
    for (std::string line; std::getline(file, line);) {
        cases.push_back(json::parse(line));
    }
    return cases;
}

std::vector<std::string> stepNames(const std::string& scheme) {
    std::vector<std::string> names;
    std::istringstream stream(scheme);
    for (std::string step; std::getline(stream, step, '+');) {
        names.push_back(step.substr(0, step.find(':')));
    }
    return names;
}

std::string fnvOf(const std::vector<std::int32_t>& codes) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const std::int32_t code : codes) {
        for (int shift = 0; shift < 32; shift += 8) {
            hash ^= (static_cast<std::uint32_t>(code) >> shift) & 0xFFU;
            hash *= 0x100000001B3U;
        }
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    return text.data();
}

std::vector<std::int32_t> fromBase64(const std::string& text) {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<std::int32_t> values;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        const std::size_t digit = kDigits.find(c);
        if (digit == std::string_view::npos) {
            break;
        }
        bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count >= 8) {
            count -= 8;
            values.push_back(static_cast<std::int8_t>((bits >> count) & 0xFFU));
        }
    }
    return values;
}

std::set<std::int64_t> indices(const json& wanted, const char* key) {
    std::set<std::int64_t> found;
    if (wanted.contains(key)) {
        for (const json& index : wanted.at(key)) {
            found.insert(index.get<std::int64_t>());
        }
    }
    return found;
}

/// What differs, in words; empty: nothing.
class Comparison {
public:
    Comparison(const json& wanted, const SchemeResult& found) : wanted_(wanted), found_(found) {}

    std::string differences() {
        const std::string kind = wanted_.at("kind").get<std::string>();
        const double tolerance = kind == "solver" || kind == "fit" ? 1e-4 : 1e-6;
        number("bits_per_weight", found_.bitsPerWeight, 1e-9);
        if (kind == "rows") {
            rows();
            return out_.str();
        }
        if (kind == "count") {
            number("pruned", prunedWeights(), 0);
        } else {
            number("zeros", static_cast<double>(found_.zeros), 0);
            number("relative_frobenius", found_.metrics.relativeFrobenius, tolerance);
            number("output_relative_error",
                   found_.metrics.outputRelativeError.value_or(-1),
                   tolerance);
        }
        if (wanted_.contains("codes_fnv")) {
            codes();
        }
        if (wanted_.contains("mask")) {
            mask();
        }
        return out_.str();
    }

private:
    void number(const char* key, double found, double tolerance) {
        const double expected = wanted_.at(key).get<double>();
        if (!(std::abs(found - expected) <= tolerance * std::abs(expected))) {
            out_ << ' ' << key << " oracle " << expected << " ours " << found << " ("
                 << (found - expected) / std::abs(expected) << ");";
        }
    }

    void rows() {
        for (const auto& [row, expected] : wanted_.at("rows").items()) {
            const double found = found_.rowMse[static_cast<std::size_t>(std::stoi(row))];
            if (!(std::abs(found - expected.get<double>()) <= 2e-4 * expected.get<double>())) {
                out_ << " row " << row << " mse oracle " << expected.get<double>() << " ours "
                     << found << ';';
            }
        }
    }

    double prunedWeights() {
        const std::vector<std::uint8_t> kept = keptWeights();
        return static_cast<double>(std::count(kept.begin(), kept.end(), std::uint8_t{0}));
    }

    std::vector<std::uint8_t> keptWeights() {
        const std::int64_t rows = found_.quantized->rows();
        std::vector<std::uint8_t> kept(static_cast<std::size_t>(rows * found_.quantized->cols()));
        REQUIRE(found_.quantized->hasMask());
        REQUIRE(found_.quantized->mask(0, rows, kept.data()).has_value());
        return kept;
    }

    void codes() {
        const std::int64_t rows = found_.quantized->rows();
        const std::int64_t cols = found_.quantized->cols();
        if (!found_.quantized->hasCodes()) {
            out_ << " no codes;";
            return;
        }
        std::vector<std::int32_t> ours(static_cast<std::size_t>(rows * cols));
        REQUIRE(found_.quantized->codes(0, rows, ours.data()).has_value());
        const std::set<std::int64_t> ties = indices(wanted_, "ties");
        for (const std::int64_t index : ties) {
            ours[static_cast<std::size_t>(index)] = kNoCode;
        }
        if (fnvOf(ours) == wanted_.at("codes_fnv").get<std::string>()) {
            return;
        }
        out_ << " codes differ";
        if (wanted_.contains("codes")) {
            const std::vector<std::int32_t> theirs =
                fromBase64(wanted_.at("codes").get<std::string>());
            listDifferences(theirs, ours, ties, cols);
        }
        out_ << ';';
    }

    void mask() {
        if (!found_.quantized->hasMask()) {
            out_ << " no mask;";
            return;
        }
        const std::int64_t cols = found_.quantized->cols();
        const std::vector<std::uint8_t> kept = keptWeights();
        const std::string text = wanted_.at("mask").get<std::string>();
        std::vector<std::int32_t> theirs;
        std::vector<std::int32_t> ours(kept.begin(), kept.end());
        for (std::size_t i = 0; i < ours.size(); ++i) {
            const auto digit = static_cast<unsigned>(std::stoi(text.substr(i / 4, 1), nullptr, 16));
            theirs.push_back(static_cast<std::int32_t>((digit >> (3 - i % 4)) & 1U));
        }
        const std::set<std::int64_t> ties = indices(wanted_, "mask_ties");
        const std::size_t before = out_.str().size();
        listDifferences(theirs, ours, ties, cols);
        if (out_.str().size() != before) {
            out_ << " in the mask;";
        }
    }

    void listDifferences(const std::vector<std::int32_t>& theirs,
                         const std::vector<std::int32_t>& ours,
                         const std::set<std::int64_t>& ties,
                         std::int64_t cols) {
        int count = 0;
        for (std::size_t i = 0; i < ours.size(); ++i) {
            const auto index = static_cast<std::int64_t>(i);
            if (theirs[i] == ours[i] || ties.contains(index)) {
                continue;
            }
            if (++count <= 4) {
                out_ << " [" << index / cols << ',' << index % cols << "] oracle " << theirs[i]
                     << " ours " << ours[i];
            }
        }
        if (count > 0) {
            out_ << " (" << count << " of " << ours.size() << " differ)";
        }
    }

    const json& wanted_;
    const SchemeResult& found_;
    std::ostringstream out_;
};

std::string differencesOf(const json& wanted) {
    const auto layer = wanted.at("layer").get<std::string>();
    SchemeInput input;
    input.weights = layerTensor(layer + ".weight");
    input.activations = layerTensor(layer + ".activations");
    input.gradients = layerTensor(layer + ".gradient");
    input.calibrationRows = wanted.value("calibration_rows", std::int64_t{0});
    const auto scheme = parseScheme(wanted.at("scheme").get<std::string>());
    if (!scheme.has_value()) {
        return " does not parse: " + scheme.error().what;
    }
    const auto result = applyScheme(*scheme, input);
    if (!result.has_value()) {
        return " refused: " + result.error().what;
    }
    return Comparison(wanted, **result).differences();
}

}  // namespace

TEST_CASE("schemes agree with the independent oracle on random layers") {
    struct Tally {
        int compared = 0;
        int different = 0;
        std::set<std::string> layers;
    };
    std::map<std::string, Tally> tallies;
    std::set<std::string> absent;
    for (const json& wanted : goldenCases()) {
        const std::vector<std::string> names = stepNames(wanted.at("scheme").get<std::string>());
        bool runs = true;
        for (const std::string& name : names) {
            if (findStep(name) == nullptr) {
                absent.insert(name);
                runs = false;
            }
        }
        if (!runs) {
            continue;
        }
        Tally& tally = tallies[names.front()];
        ++tally.compared;
        tally.layers.insert(wanted.at("layer").get<std::string>());
        const std::string differences = differencesOf(wanted);
        const std::string what =
            wanted.at("layer").get<std::string>() + " " + wanted.at("scheme").get<std::string>() +
            (wanted.contains("calibration_rows") ? " (calibrated on half)" : "") + ":" +
            differences;
        const Dispute* dispute = disputeOf(wanted);
        if (dispute != nullptr && !differences.empty()) {
            WARN("disputed: " << what << " " << dispute->reason);
            continue;
        }
        tally.different += differences.empty() ? 0 : 1;
        INFO(what);
        CHECK(differences.empty());
    }
    for (const std::string& name : absent) {
        WARN("skipped: the step '" << name << "' is not there yet");
    }
    for (const auto& [name, tally] : tallies) {
        CAPTURE(name, tally.compared, tally.different);
        CHECK(tally.layers.size() >= 5);
    }
}
