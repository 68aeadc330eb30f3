// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>
#include <string>

#include "core/stats/colormaps.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

using namespace loupe;

namespace {

std::uint32_t rgb(int r, int g, int b) {
    return 0xff000000U | static_cast<std::uint32_t>(r) << 16 | static_cast<std::uint32_t>(g) << 8 | static_cast<std::uint32_t>(b);
}

}  // namespace

TEST_CASE("Sequential maps: 256 entries, lightness strictly rising over any four steps") {
    for (const ColorMapId id : {ColorMapId::Viridis, ColorMapId::Cividis, ColorMapId::Grey}) {
        const ColorTable& table = colorTable(id);
        CAPTURE(table.id);
        REQUIRE(table.entries.size() == 256);
        CHECK_FALSE(table.diverging);
        for (std::size_t i = 1; i < 256; ++i) {
            CAPTURE(i);
            // Entries are rounded to 8 bits: neighbours may differ by less than a code in lightness, never go back visibly.
            CHECK(lightness(table.entries[i]) > lightness(table.entries[i - 1]) - 0.15);
        }
        for (std::size_t i = 4; i < 256; ++i) {
            CAPTURE(i);
            CHECK(lightness(table.entries[i]) > lightness(table.entries[i - 4]));
        }
    }
}

TEST_CASE("Published tables are met entry by entry") {
    for (const ColorMapId id : {ColorMapId::Viridis, ColorMapId::Cividis}) {
        const ColorTable& table = colorTable(id);
        std::ifstream csv(test::sourceDir() / "resources" / "colormaps" / (std::string(table.id) + ".csv"));
        std::string line;
        std::getline(csv, line);
        REQUIRE(line == "r,g,b");
        std::size_t i = 0;
        int r = 0;
        int g = 0;
        int b = 0;
        for (char comma = 0; csv >> r >> comma >> g >> comma >> b; ++i) {
            REQUIRE(i < table.entries.size());
            CHECK(table.entries[i] == rgb(r, g, b));
        }
        CHECK(i == 256);
    }
    CHECK(colorTable(ColorMapId::Viridis).entries[0] == rgb(68, 1, 84));
    CHECK(colorTable(ColorMapId::Viridis).entries[255] == rgb(253, 231, 37));
}

TEST_CASE("Diverging maps: equal lightness on both sides, light centre, stops met") {
    for (const ColorMapId id : {ColorMapId::Signed, ColorMapId::AAgainstB}) {
        const ColorTable& table = colorTable(id);
        CAPTURE(table.id);
        REQUIRE(table.entries.size() == 511);
        CHECK(table.diverging);
        CHECK(table.entries[255] == rgb(0xF2, 0xF2, 0xF2));
        for (std::size_t i = 0; i < 255; ++i) {
            CAPTURE(i);
            CHECK(std::fabs(lightness(table.entries[i]) - lightness(table.entries[510 - i])) <= 1.0);
            CHECK(lightness(table.entries[i + 1]) > lightness(table.entries[i]) - 0.3);
        }
        for (std::size_t i = 8; i < 256; ++i) {
            CHECK(lightness(table.entries[i]) > lightness(table.entries[i - 8]));
        }
    }
    const ColorTable& signedMap = colorTable(ColorMapId::Signed);
    CHECK(signedMap.entries[0] == rgb(0x00, 0x50, 0x83));
    CHECK(signedMap.entries[510] == rgb(0x7C, 0x38, 0x00));
    CHECK(signedMap.above == 0xff3a1600U);
    CHECK(signedMap.below == 0xff06142eU);
}

TEST_CASE("Text in cells contrasts at least 4.58 on every colour of every map") {
    for (int i = 0; i < kColorMapCount; ++i) {
        const ColorTable& table = colorTable(static_cast<ColorMapId>(i));
        CAPTURE(table.id);
        CHECK(parseColorMap(table.id) == static_cast<ColorMapId>(i));
        for (const std::uint32_t color : table.entries) {
            CHECK(contrastRatio(color, textColorOn(color)) >= 4.58);
        }
        CHECK(table.below != table.above);
    }
    CHECK_FALSE(parseColorMap("jet"));
    CHECK_THAT(contrastRatio(0xff000000U, 0xffffffffU), Catch::Matchers::WithinAbs(21, 1e-4));
    CHECK_THAT(lightness(0xffffffffU), Catch::Matchers::WithinAbs(100, 1e-3));
}
