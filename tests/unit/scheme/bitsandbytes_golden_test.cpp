// SPDX-License-Identifier: Apache-2.0
// nf4 and fp4 against bitsandbytes itself: codes, statistics, double quantization.
#include "core/experiment/pipeline.hpp"
#include "core/formats/number_format.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <fstream>

using namespace loupe;
using Catch::Matchers::WithinRel;
using nlohmann::json;

namespace {

/// The generator of tests/oracles/bitsandbytes_nf4.py.
std::vector<float> weightsOf(const json& row) {
    std::vector<float> values(row["count"].get<std::size_t>());
    auto x = row["seed"].get<std::uint32_t>();
    for (float& value : values) {
        x = 1664525U * x + 1013904223U;
        const double u = (x + 0.5) / 2147483648.0 - 1;
        value = static_cast<float>(0.1 * (u * u * u));
    }
    return values;
}

std::vector<double> floats(const json& texts) {
    std::vector<double> values;
    for (const auto& text : texts) {
        values.push_back(std::strtod(text.get<std::string>().c_str(), nullptr));
    }
    return values;
}

/// Are two levels as near to the scaled weight as each other, to single precision?
bool isTie(const json& row, double weight, double absmax, std::int32_t a, std::int32_t b) {
    const NumberFormat& format = *findFormat(row["type"] == "nf4" ? "nf4" : "fp4_bnb");
    const double scaled = weight / absmax;
    const double toA =
        std::fabs(scaled - static_cast<double>(format.codebook[static_cast<std::size_t>(a)]));
    const double toB =
        std::fabs(scaled - static_cast<double>(format.codebook[static_cast<std::size_t>(b)]));
    // Their CPU table of FP4 has four digits: 0.6667 for 8/12. Ours and their GPU code's is exact.
    return std::fabs(toA - toB) < (row["type"] == "nf4" ? 1e-6 : 1e-4);
}

void check(const json& row) {
    const std::vector<float> weights = weightsOf(row);
    const bool twice = row["double"].get<bool>();
    const auto block = row["block"].get<std::int64_t>();
    const auto count = static_cast<std::int64_t>(weights.size());
    const std::string scheme = row["type"].get<std::string>() + ":block=" + std::to_string(block) +
                               (twice ? ",double=true" : "");
    CAPTURE(scheme, count);
    const auto result = applyScheme(parseScheme(scheme).value(),
                                    {makeRowSource(1, count, weights), 32, nullptr, 0, nullptr})
                            .value();
    const std::vector<double> absmax = floats(row["absmax"]);
    const std::vector<double>& ours = result->quantized->scales()->values;
    REQUIRE(ours.size() == absmax.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < absmax.size(); ++i) {
        if (twice && row["statistics"].get<std::string>().substr(2 * i, 2) == "00") {
            // Their CPU code writes -1 over the map's lowest level, -0.99297; their GPU code, from
            // which checkpoints come, does not, and nor do we.
            const double most = floats(row["nested"])[i / 256];
            const double offset = floats(json::array({row["offset"]}))[0];
            CHECK_THAT(ours[i], WithinRel(offset - 0.992968738079071 * most, 1e-6));
            CHECK_THAT(absmax[i], WithinRel(offset - most, 1e-6));
        } else if (twice) {  // a mean summed in another order: one unit in its last place
            CHECK_THAT(ours[i], WithinRel(absmax[i], 1e-6));
        } else {
            CHECK(ours[i] == absmax[i]);
        }
    }
    std::vector<std::int32_t> codes(weights.size());
    REQUIRE(result->quantized->codes(0, 1, codes.data()).has_value());
    const auto text = row["codes"].get<std::string>();
    double most = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const auto expected = static_cast<std::int32_t>(std::stoi(text.substr(i, 1), nullptr, 16));
        const std::size_t first =
            i / static_cast<std::size_t>(block) * static_cast<std::size_t>(block);
        if (i == first) {
            most = 0;
            for (std::size_t k = first;
                 k < std::min(first + static_cast<std::size_t>(block), codes.size());
                 ++k) {
                most = std::max(most, std::fabs(static_cast<double>(weights[k])));
            }
        }
        // Zero has two codes in FP4: with the sign, as their GPU code, or always the first.
        const bool zeros = row["type"] == "fp4" && (codes[i] & 7) == 0 && (expected & 7) == 0;
        if (codes[i] != expected && !zeros) {
            ++different;
            CAPTURE(i, weights[i], codes[i], expected);
            CHECK(isTie(row, static_cast<double>(weights[i]), most, codes[i], expected));
        }
    }
    // They multiply by the reciprocal of absmax, we divide; and see isTie().
    CHECK(different <= (row["type"] == "nf4" ? 2U : 2 + codes.size() / 5000));
    std::vector<float> values(weights.size());
    REQUIRE(result->quantized->read(0, 1, values.data()).has_value());
    double squares = 0;
    for (const float value : values) {
        squares += static_cast<double>(value) * static_cast<double>(value);
    }
    if (row["type"] == "nf4") {
        CHECK_THAT(squares, WithinRel(row["squares"].get<double>(), twice ? 1e-3 : 1e-6));
    }
}

}  // namespace

TEST_CASE("nf4 and fp4: codes, statistics and values of bitsandbytes") {
    std::ifstream file(test::goldenDir() / "schemes" / "bitsandbytes" / "nf4.jsonl");
    REQUIRE(file.good());
    int cases = 0;
    for (std::string text; std::getline(file, text);) {
        const json row = json::parse(text);
        if (row["type"] == "levels") {
            const NumberFormat& format = *findFormat(row["of"] == "nf4" ? "nf4" : "fp4_bnb");
            const std::vector<double> levels = floats(row["levels"]);
            for (std::size_t i = 0; i < levels.size(); ++i) {
                CHECK(static_cast<double>(format.codebook[i]) == levels[i]);
            }
        } else if (row["type"] != "map") {
            check(row);
            ++cases;
        }
    }
    CHECK(cases == 12);
}
