// SPDX-License-Identifier: Apache-2.0
// The table of block formats in resources/help/formats.md is what the layouts say.
// LOUPE_UPDATE_GOLDEN=1 rewrites it.
#include "core/base/text.hpp"
#include "core/blocks/block_codes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

using namespace loupe;

namespace {

std::string blockTable() {
    std::string table =
        "| format | elements | bytes | bits per weight | fields, in the order of their bytes | "
        "value | used for |\n|---|---|---|---|---|---|---|\n";
    for (const BlockLayout* layout : allBlockLayouts()) {
        std::string fields;
        for (const BlockField& field : layout->fields) {
            fields += (fields.empty() ? "" : ", ") + std::string(field.name) + " " +
                      std::to_string(field.bytes);
        }
        const std::vector<std::byte> zero(static_cast<std::size_t>(layout->bytes));
        table += "| `" + std::string(layout->id) + "` | " + std::to_string(layout->elements) +
                 " | " + std::to_string(layout->bytes) + " | " + shortest(layout->bitsPerWeight()) +
                 " | " + fields + " | " + layout->element(zero.data(), 0).formula + " | " +
                 std::string(layout->summary) + " |\n";
    }
    return table;
}

}  // namespace

TEST_CASE("the help's table of block formats is what the layouts say") {
    const std::filesystem::path path = test::goldenDir() / "../../resources/help/formats.md";
    std::ifstream in(path);
    REQUIRE(in.good());
    std::string page(std::istreambuf_iterator<char>(in), {});
    const std::string begin =
        "<!-- blocks: checked against the code by tests/unit/blocks/help_test.cpp -->\n";
    const std::size_t from = page.find(begin);
    REQUIRE(from != std::string::npos);
    const std::size_t table = from + begin.size();
    const std::size_t end = page.find("<!-- end -->", table);
    REQUIRE(end != std::string::npos);
    if (std::getenv("LOUPE_UPDATE_GOLDEN") != nullptr) {
        page.replace(table, end - table, blockTable());
        std::ofstream(path) << page;
        return;
    }
    CHECK(page.substr(table, end - table) == blockTable());
}
