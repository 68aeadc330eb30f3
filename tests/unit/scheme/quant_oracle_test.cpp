// SPDX-License-Identifier: Apache-2.0
// Codes, scales, zero points and dequantized values against tests/oracles/quant.py: exact, every
// bit.
#include "core/base/hash.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <fstream>

using namespace loupe;
using nlohmann::json;

namespace {

/// The generator of tests/oracles/quant.py: the LCG of the synthetic fixtures, cubed for heavy
/// tails.
template <class T>
std::vector<T> matrix(const std::string& kind, std::uint32_t seed, std::size_t count) {
    std::vector<T> values(count);
    std::uint32_t x = seed;
    for (std::size_t i = 0; i < count; ++i) {
        x = 1664525U * x + 1013904223U;
        const double u = (x + 0.5) / 2147483648.0 - 1;
        double v = 0.1 * (u * u * u);
        if (kind == "constant") {
            v = 0.37;
        } else if (kind == "zero") {
            v = 0;
        } else if (kind == "outlier" && i == count / 2) {
            v *= 1000;
        } else if (kind == "subnormal") {
            v *= 1e-42;
        } else if (kind == "positive") {
            v = std::fabs(v);
        } else if (kind == "far") {
            v = std::fabs(v) + 3.0;
        } else if (kind == "sparse") {
            v = std::fabs(u) < 0.7 ? 0.0 : v;
        } else if (kind == "ties") {
            v = std::nearbyint(u * 16) / 2;
        }
        values[i] = static_cast<T>(v);
    }
    return values;
}

std::string hex(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

template <class T>
std::string hashOf(const std::vector<T>& values) {
    return hex(fnv1a(std::as_bytes(std::span(values))));
}

template <class T>
void check(const json& row) {
    const auto rows = row["rows"].get<std::int64_t>();
    const auto cols = row["cols"].get<std::int64_t>();
    const Step step = parseScheme(row["scheme"].get<std::string>()).value().steps[0];
    const StepDefinition* definition = findStep(step.name);
    StepInput input;
    input.weights = makeRowSource(rows,
                                  cols,
                                  matrix<T>(row["kind"].get<std::string>(),
                                            row["seed"].get<std::uint32_t>(),
                                            static_cast<std::size_t>(rows * cols)));
    const Result<StepOutput> output =
        definition->apply(input, Params(definition->params, step), {});
    REQUIRE(output.has_value());
    const QuantizedMatrix& weights = *output->weights;
    std::vector<T> values(static_cast<std::size_t>(rows * cols));
    REQUIRE(weights.read(0, rows, values.data()).has_value());
    if (row.contains("codes_fnv")) {
        std::vector<std::int32_t> codes(values.size());
        REQUIRE(weights.codes(0, rows, codes.data()).has_value());
        if (row.contains("codes")) {
            CHECK(codes == row["codes"].get<std::vector<std::int32_t>>());
        }
        CHECK(hashOf(codes) == row["codes_fnv"].get<std::string>());
    }
    const auto scales = row["scales"].get<std::vector<std::string>>();
    if (scales.empty()) {
        CHECK(weights.scales() == nullptr);
    } else {
        REQUIRE(weights.scales() != nullptr);
        CHECK(weights.scales()->rows == row["grid"][0].get<std::int64_t>());
        CHECK(weights.scales()->cols == row["grid"][1].get<std::int64_t>());
        std::vector<double> expected;
        for (const std::string& text : scales) {
            expected.push_back(std::strtod(text.c_str(), nullptr));
        }
        CHECK(weights.scales()->values == expected);
    }
    if (row.contains("zero_points")) {
        CHECK(weights.zeroPoints()->values == row["zero_points"].get<std::vector<double>>());
    }
    for (T& value : values) {
        value += T(0);  // -0 and +0 are one value here
    }
    CHECK(hashOf(values) == row["values_fnv"].get<std::string>());
}

}  // namespace

TEST_CASE("absmax, zeropoint and cast equal the oracle bit for bit") {
    std::ifstream file(test::goldenDir() / "quant" / "quant.jsonl");
    REQUIRE(file.good());
    int cases = 0;
    for (std::string text; std::getline(file, text); ++cases) {
        const json row = json::parse(text);
        const std::string what =
            row["kind"].get<std::string>() + " " + std::to_string(row["rows"].get<int>()) + "x" +
            std::to_string(row["cols"].get<int>()) + " " + row["scheme"].get<std::string>();
        CAPTURE(what);
        if (row["fp64"].get<bool>()) {
            check<double>(row);
        } else {
            check<float>(row);
        }
    }
    CHECK(cases >= 600);
}
