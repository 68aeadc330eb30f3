// SPDX-License-Identifier: Apache-2.0
// The tables of resources/help/formats.md are what limits() says. LOUPE_UPDATE_GOLDEN=1 rewrites
// them.
#include "core/formats/codec.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

using namespace loupe;

namespace {

std::string six(const std::optional<double>& value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", value.value_or(0));
    return value ? text : "–";
}

std::string two(const std::optional<double>& value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.2f", value.value_or(0));
    return value ? text : "–";
}

std::string cells(const std::vector<std::string>& texts) {
    std::string row = "|";
    for (const std::string& text : texts) {
        row.append(" ").append(text).append(" |");
    }
    return row.append("\n");
}

std::string quoted(std::string_view id) {
    return std::string("`").append(id).append("`");
}

std::string floatTable() {
    std::string table = cells({"format",
                               "bits",
                               "s/e/m",
                               "bias",
                               "largest",
                               "smallest normal",
                               "smallest subnormal",
                               "gap above 1",
                               "digits",
                               "infinity",
                               "NaN",
                               "finite codes",
                               "used for"});
    table += "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for (const NumberFormat* format : allFormats()) {
        if (format->kind != FormatKind::Float) {
            continue;
        }
        const FloatLayout& layout = format->floating;
        const FormatLimits limit = limits(*format);
        table +=
            cells({quoted(format->id),
                   std::to_string(format->bits),
                   std::string(layout.hasSign ? "1/" : "0/") + std::to_string(layout.exponentBits) +
                       "/" + std::to_string(layout.mantissaBits),
                   std::to_string(layout.bias),
                   six(limit.max),
                   six(limit.minNormal),
                   six(limit.minSubnormal),
                   six(limit.epsilon),
                   two(limit.decimalDigits),
                   limit.hasInfinity ? "yes" : "no",
                   limit.hasNan ? "yes" : "no",
                   std::to_string(limit.finiteValues),
                   std::string(format->summary)});
    }
    return table;
}

std::string otherTable() {
    std::string table =
        cells({"format", "bits", "bits per weight", "smallest", "largest", "values", "used for"});
    table += "|---|---|---|---|---|---|---|\n";
    for (const NumberFormat* format : allFormats()) {
        if (format->kind == FormatKind::Float) {
            continue;
        }
        const FormatLimits limit = limits(*format);
        char range[2][40];
        std::snprintf(range[0], sizeof range[0], "%.10g", limit.min);
        std::snprintf(range[1], sizeof range[1], "%.10g", limit.max);
        table += cells({quoted(format->id),
                        std::to_string(format->bits),
                        six(format->bitsPerWeight),
                        range[0],
                        range[1],
                        std::to_string(limit.finiteValues),
                        std::string(format->summary)});
    }
    return table;
}

/// The text with the lines between the marker of `name` and the next end marker replaced.
std::string withTable(std::string text, const std::string& name, const std::string& table) {
    const std::size_t marker = text.find("<!-- " + name + ":");
    REQUIRE(marker != std::string::npos);
    const std::size_t begin = text.find('\n', marker) + 1;
    const std::size_t end = text.find("<!-- end -->", begin);
    REQUIRE(end != std::string::npos);
    return text.replace(begin, end - begin, table);
}

}  // namespace

TEST_CASE("the help's tables are what the code computes") {
    const std::filesystem::path path = test::sourceDir() / "resources" / "help" / "formats.md";
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file.is_open());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string expected =
        withTable(withTable(text, "floats", floatTable()), "others", otherTable());
    if (std::getenv("LOUPE_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << expected;
        return;
    }
    // Every row of the page must be true; a format that was just added may still lack its row.
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        CHECK((line.rfind("| `", 0) != 0 || expected.find(line + "\n") != std::string::npos));
    }
    if (text != expected) {
        WARN("formats.md lacks rows: LOUPE_UPDATE_GOLDEN=1 writes them");
    }
}

TEST_CASE("the help's examples are true") {
    const auto rounded = [](const char* id, double value) {
        const NumberFormat& format = *findFormat(id);
        return decode(format, encode(format, value).value());
    };
    CHECK_THAT(rounded("fp16", 1e-6), Catch::Matchers::WithinRel(0.00000101327896, 1e-8));
    CHECK_THAT(rounded("bf16", 1e-6), Catch::Matchers::WithinRel(0.000000998378, 1e-6));
    CHECK(rounded("fp32", 16777217) == 16777216);
    CHECK(rounded("fp16", 2049) == 2048);
    CHECK(rounded("bf16", 257) == 256);
    CHECK(rounded("fp8_e4m3", 464) == 448);
    const double x = 1 + 0x1p-4 + 0x1p-40;
    CHECK(rounded("fp8_e4m3", x) == 1.125);
    CHECK(rounded("fp8_e4m3", rounded("fp32", x)) == 1);
}
