// SPDX-License-Identifier: Apache-2.0
// The page of golden numbers names tests that exist, and counts what it lists.
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "tests/arch/source_tree.hpp"
#include "tests/support/catch.hpp"

using loupe::test::SourceFile;
using loupe::test::sourceFiles;

namespace {

/// Every name in a TEST_CASE, its string literals joined.
std::set<std::string> testNames() {
    static const std::regex kCase(R"re(TEST_CASE\(((?:\s*"(?:[^"\\]|\\.)*")+))re");
    static const std::regex kLiteral(R"re("((?:[^"\\]|\\.)*)")re");
    std::set<std::string> names;
    for (const SourceFile& file : sourceFiles({"tests"})) {
        for (std::sregex_iterator at(file.text.begin(), file.text.end(), kCase), end; at != end; ++at) {
            const std::string literals = (*at)[1];
            std::string name;
            for (std::sregex_iterator part(literals.begin(), literals.end(), kLiteral); part != end; ++part) {
                name += (*part)[1];
            }
            names.insert(name);
        }
    }
    return names;
}

/// The cells of a row of a table; "\|" is a bar within a cell.
std::vector<std::string> cellsOf(const std::string& line) {
    std::vector<std::string> cells;
    std::string cell;
    for (std::size_t i = 1; i < line.size(); ++i) {
        if (line[i] == '|' && line[i - 1] != '\\') {
            const std::size_t first = cell.find_first_not_of(' ');
            cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
            cell.clear();
        } else if (line[i] != '\\' || i + 1 == line.size() || line[i + 1] != '|') {
            cell += line[i];
        }
    }
    return cells;
}

}  // namespace

TEST_CASE("the page of golden numbers names tests that exist and adds up") {
    std::ifstream page(loupe::test::sourceDir() / "resources/help/developers/goldens.md");
    REQUIRE(page.good());
    const std::set<std::string> known = testNames();
    REQUIRE(known.size() > 500);
    std::map<std::string, int> counted;
    std::map<std::string, int> printed;
    int named = 0;
    for (std::string line; std::getline(page, line);) {
        if (line.empty() || line[0] != '|') {
            continue;
        }
        const std::vector<std::string> cells = cellsOf(line);
        CAPTURE(line);
        if (cells.size() == 3 && cells[2].find_first_not_of("0123456789") == std::string::npos) {
            printed[cells[0]] = std::stoi(cells[2]);
        }
        if (cells.size() != 6 || cells[2].find_first_not_of("0123456789") != std::string::npos) {
            continue;
        }
        counted[cells[3]] += std::stoi(cells[2]);
        counted["all"] += std::stoi(cells[2]);
        static const std::regex kName("`([^`]*)`");
        int tests = 0;
        for (std::sregex_iterator at(cells[4].begin(), cells[4].end(), kName), end; at != end; ++at, ++tests) {
            CAPTURE((*at)[1].str());
            CHECK(known.count((*at)[1]) == 1);
        }
        CHECK((tests > 0) == (cells[3] == "asserted" || cells[3] == "differs"));
        named += tests;
    }
    CHECK(named > 100);
    CHECK(counted == printed);
}
