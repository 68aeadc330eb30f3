// SPDX-License-Identifier: Apache-2.0
// Our quantizers and ggml's give the same bytes.
#include "core/blocks/block_layout.hpp"
#include "core/blocks/packers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/unit/blocks/pack_support.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>

using namespace loupe;

namespace {

std::vector<nlohmann::json> linesOf(const char* file) {
    std::ifstream in(test::goldenDir() / "blocks" / "pack" / file);
    REQUIRE(in.good());
    std::vector<nlohmann::json> rows;
    for (std::string line; std::getline(in, line);) {
        rows.push_back(nlohmann::json::parse(line));
    }
    return rows;
}

struct Candidate {
    test::NamedPacker format;
    blocks::Pack pack;
};

/// The quantizer of a golden line; iq4_nl_ref is the one beside the table.
Candidate findCandidate(const std::string& name) {
    const std::string id = name == "iq4_nl_ref" ? "iq4_nl" : name;
    for (const test::NamedPacker& format : test::namedPackers()) {
        if (format.id == id) {
            return {format,
                    name == id ? blocks::referencePackers().*format.member
                               : &blocks::packIq4NlOneScale};
        }
    }
    FAIL("no quantizer for " + name);
    return {};
}

}  // namespace

TEST_CASE("quantizers give the golden blocks of ramp, zeros and draws") {
    const std::vector<float> draws = test::sumsOfDraws(16384);
    CHECK(test::hashOf(draws) == "0f8fbd235a4225ac");
    int lines = 0;
    for (const nlohmann::json& row : linesOf("spec.jsonl")) {
        const std::string name = row["type"];
        CAPTURE(name);
        const auto [format, pack] = findCandidate(name);
        const std::vector<std::byte> ramp = test::packed(pack, format, test::rampValues(256));
        const std::string expected = row["ramp"];
        CHECK(test::hexOf(ramp.data(), expected.size() / 2) == expected);
        CHECK(test::hashOf(test::packed(pack, format, draws)) == row["hash"]);
        ++lines;
    }
    CHECK(lines == 21);
}

TEST_CASE("layouts encode with these quantizers, and what they encode is valid") {
    const std::vector<float> values = test::packInput("heavy");
    for (const test::NamedPacker& format : test::namedPackers()) {
        const BlockLayout* layout = findBlockLayout(format.id);
        CAPTURE(format.id);
        REQUIRE(layout != nullptr);
        REQUIRE(layout->pack != nullptr);
        CHECK(layout->elements == format.elements);
        CHECK(layout->bytes == format.bytes);
        const std::vector<std::byte> bytes = test::packed(layout->pack, format, values);
        CHECK(bytes == test::packed(blocks::referencePackers().*format.member, format, values));
        std::vector<float> back(values.size());
        layout->unpack(bytes.data(), std::ssize(values) / layout->elements, back.data());
        double error = 0;
        double power = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto w = static_cast<double>(values[i]);
            error += (w - static_cast<double>(back[i])) * (w - static_cast<double>(back[i]));
            power += w * w;
        }
        CHECK(error < power);
        for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(layout->bytes)) {
            REQUIRE(layout->check(bytes.data() + at).empty());
        }
    }
}

TEST_CASE("blocks of zeros") {
    const auto zeros = [](const char* name) {
        const auto [format, pack] = findCandidate(name);
        const std::vector<std::byte> bytes =
            test::packed(pack, format, std::vector<float>(256, 0.0F));
        return test::hexOf(bytes.data(), static_cast<std::size_t>(format.bytes));
    };
    const auto times = [](int count, const char* text) {
        std::string all;
        for (int i = 0; i < count; ++i) {
            all += text;
        }
        return all;
    };
    CHECK(zeros("q4_0") == "0080" + times(16, "88"));
    CHECK(zeros("q5_0") == "0080ffffffff" + times(16, "00"));
    for (const char* name : {"q4_1",
                             "q8_0",
                             "ggml_mxfp4",
                             "ggml_nvfp4",
                             "q2_k",
                             "q3_k",
                             "q4_k",
                             "q5_k",
                             "q6_k",
                             "q8_k"}) {
        CAPTURE(name);
        const std::string bytes = zeros(name);
        CHECK(bytes == std::string(bytes.size(), '0'));
    }
    CHECK(zeros("q1_0") == "0000" + times(16, "ff"));
    CHECK(zeros("q2_0") == "0000" + times(16, "55"));
    CHECK(zeros("tq1_0") == times(48, "80") + times(4, "7f") + "0000");
    CHECK(zeros("tq2_0") == times(64, "55") + "0000");
    CHECK(zeros("iq4_nl") == "0000" + times(16, "88"));
    CHECK(zeros("iq4_nl_ref") == "0000" + times(16, "88"));
    CHECK(zeros("iq4_xs") == "0080aaaa00000000" + times(128, "88"));
}

TEST_CASE("quantizers give ggml's bytes for awkward values") {
    std::vector<float> input;
    int compared = 0;
    for (const nlohmann::json& row : linesOf("pack.jsonl")) {
        const std::string kind = row["kind"];
        if (!row.contains("type")) {
            input = test::packInput(kind);
            CHECK(test::hashOf(input) == row["input"]);
            continue;
        }
        const std::string name = row["type"];
        CAPTURE(kind, name);
        const auto [format, pack] = findCandidate(name);
        const std::vector<std::byte> bytes = test::packed(pack, format, input);
        CHECK(test::hexOf(bytes.data(), static_cast<std::size_t>(format.bytes)) == row["first"]);
        CHECK(test::hashOf(bytes) == row["hash"]);
        ++compared;
    }
    CHECK(compared == 16 * 21 - 3);  // ggml's iq4_nl_ref leaves the codes of zeros undefined
}
