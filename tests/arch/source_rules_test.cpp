// SPDX-License-Identifier: Apache-2.0
// Rules on the text of the sources: licence lines, sizes, no printing in core, only row-major Eigen.
#include <map>
#include <regex>

#include "tests/arch/source_tree.hpp"
#include "tests/support/catch.hpp"

using loupe::test::SourceFile;
using loupe::test::sourceFiles;

namespace {

const std::vector<std::string> kAll{"core", "gpu", "app", "tests"};

/// The line without a trailing // comment (good enough: no string literal of ours holds "//" but addresses).
std::string code(const std::string& line) { return line.substr(0, line.find("//")); }

}  // namespace

TEST_CASE("every source file names its licence in its first line") {
    for (const SourceFile& file : sourceFiles(kAll)) {
        if (loupe::test::hasEnding(file.path, ".def")) {
            continue;
        }
        CAPTURE(file.path);
        REQUIRE(!file.lines.empty());
        const bool gpl = file.path.rfind("app/", 0) == 0 || file.path.rfind("tests/gui/", 0) == 0 ||
                         file.path == "tests/support/gui_main.cpp";
        const std::string first = file.lines.front();
        CHECK(first.find("SPDX-License-Identifier: ") != std::string::npos);
        if (!gpl && first.find("GPL") != std::string::npos) {
            // Test helpers and benchmarks that link the application.
            CHECK((file.path.rfind("tests/support/gui_", 0) == 0 || loupe::test::hasEnding(file.path, "_qt.cpp")));
        }
    }
}

TEST_CASE("no source file is longer than 800 lines") {
    for (const SourceFile& file : sourceFiles(kAll)) {
        CAPTURE(file.path, file.lines.size());
        CHECK((file.lines.size() <= 800 || file.path.find(".inc") != std::string::npos));
        CHECK((file.lines.size() <= 400 || file.path != "app/shell/main_window.cpp"));
    }
}

TEST_CASE("core and gpu never print, exit or throw away errors") {
    static const std::regex kForbidden(R"(std::(cout|cerr|clog)\b|\bprintf\s*\(|\bfprintf\s*\(|\bstd::exit\b|\babort\s*\(|\bexit\s*\()");
    for (const SourceFile& file : sourceFiles({"core", "gpu"})) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            CAPTURE(file.path, i + 1, file.lines[i]);
            CHECK(!std::regex_search(code(file.lines[i]), kForbidden));
        }
    }
}

TEST_CASE("only row-major Eigen matrices are named in core") {
    static const std::regex kColumnMajor(R"(\bMatrixX[fd]\b)");
    for (const SourceFile& file : sourceFiles({"core"})) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            CAPTURE(file.path, i + 1, file.lines[i]);
            CHECK(!std::regex_search(code(file.lines[i]), kColumnMajor));
        }
    }
}

TEST_CASE("colours come from the theme: no hex values in views, shell and plots") {
    static const std::regex kHexColour(R"re(QColor\s*\(\s*(0x|"#))re");
    for (const SourceFile& file : sourceFiles({"app/views", "app/shell", "app/plot"})) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            CAPTURE(file.path, i + 1, file.lines[i]);
            CHECK(!std::regex_search(code(file.lines[i]), kHexColour));
        }
    }
}

TEST_CASE("unfinished work is not marked in the sources") {
    static const std::regex kMark("\\b(TO" "DO|FIX" "ME|XX" "X|HA" "CK)\\b");
    for (const SourceFile& file : sourceFiles({"core", "gpu", "app"})) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            CAPTURE(file.path, i + 1, file.lines[i]);
            CHECK(!std::regex_search(file.lines[i], kMark));
        }
    }
}

TEST_CASE("a type's name stands for one type in its namespace") {
    // Two definitions of one name in different files are undefined behaviour that no compiler reports.
    static const std::regex kNamespace(R"re(^(?:inline )?namespace ([A-Za-z_:0-9]+) \{)re");
    static const std::regex kType(R"re(^(?:class|struct|enum class|enum) (\w+) [^;(]*\{)re");
    std::map<std::string, std::string> seen;
    for (const SourceFile& file : sourceFiles({"core", "gpu", "app"})) {
        if (!loupe::test::hasEnding(file.path, ".hpp")) {
            continue;
        }
        std::string space;
        std::smatch found;
        for (const std::string& line : file.lines) {
            if (std::regex_search(line, found, kNamespace)) {
                space = found[1];
            } else if (std::regex_search(line, found, kType)) {
                const auto [at, added] = seen.emplace(space + "::" + found[1].str(), file.path);
                CAPTURE(at->first, at->second, file.path);
                CHECK((added || at->second == file.path));
            }
        }
    }
    CHECK(seen.size() > 300);
}
