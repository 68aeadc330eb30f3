// SPDX-License-Identifier: Apache-2.0
// Who may include whom: core knows no Qt, no QCustomPlot, no CUDA; gpu no Qt; folders of core only those before them.
#include <map>
#include <regex>
#include <set>

#include "tests/arch/source_tree.hpp"
#include "tests/support/catch.hpp"

using loupe::test::SourceFile;
using loupe::test::sourceFiles;

namespace {

/// Folders of core in order: a folder may include itself and those before it.
const std::vector<std::string> kOrder{"base", "linalg", "formats", "blocks", "io", "stats", "scheme", "quant", "prune",
                                      "attention", "memory", "model", "experiment", "study"};

struct Include {
    std::string target;
    bool angled = false;
};

std::vector<Include> includesOf(const SourceFile& file) {
    static const std::regex kInclude(R"re(^\s*#\s*include\s*([<"])([^>"]+)[>"])re");
    std::vector<Include> includes;
    for (const std::string& line : file.lines) {
        std::smatch match;
        if (std::regex_search(line, match, kInclude)) {
            includes.push_back({match[2], match[1] == "<"});
        }
    }
    return includes;
}

bool isQt(const Include& include) {
    static const std::regex kQtHeader("^Q[A-Z][A-Za-z]*$|^Qt[A-Z][A-Za-z]*(/.*)?$|^qcustomplot\\.h$");
    return include.angled && std::regex_search(include.target, kQtHeader);
}

bool isCuda(const Include& include) {
    static const std::regex kCudaHeader("^(cuda|cublas|cudnn|nvrtc|nvml|cusparse)");
    return include.angled && std::regex_search(include.target, kCudaHeader);
}

std::string coreFolder(const std::string& path) {
    static const std::regex kFolder("^core/([^/]+)/");
    std::smatch match;
    return std::regex_search(path, match, kFolder) ? match[1].str() : std::string();
}

}  // namespace

TEST_CASE("core includes no Qt and no CUDA, gpu includes no Qt, nothing includes tests") {
    for (const SourceFile& file : sourceFiles({"core", "gpu", "app"})) {
        const bool core = file.path.rfind("core/", 0) == 0;
        const bool gpu = file.path.rfind("gpu/", 0) == 0;
        for (const Include& include : includesOf(file)) {
            CAPTURE(file.path, include.target);
            CHECK(!((core || gpu) && isQt(include)));
            CHECK(!(core && isCuda(include)));
            CHECK(include.target.rfind("tests/", 0) != 0);
            CHECK(!(core && include.target.rfind("app/", 0) == 0));
            CHECK(!(core && include.target.rfind("gpu/", 0) == 0));
            CHECK(!(gpu && include.target.rfind("app/", 0) == 0));
        }
    }
}

TEST_CASE("folders of core include only those before them") {
    std::map<std::string, std::size_t> rank;
    for (std::size_t i = 0; i < kOrder.size(); ++i) {
        rank[kOrder[i]] = i;
    }
    for (const SourceFile& file : sourceFiles({"core"})) {
        const std::string own = coreFolder(file.path);
        CAPTURE(file.path);
        REQUIRE(rank.count(own) == 1);
        for (const Include& include : includesOf(file)) {
            const std::string other = coreFolder(include.target);
            if (other.empty()) {
                continue;
            }
            CAPTURE(include.target);
            REQUIRE(rank.count(other) == 1);
            CHECK(rank[other] <= rank[own]);
        }
    }
}

TEST_CASE("only app/plot/qcp.hpp includes QCustomPlot, and the command line includes no Qt") {
    for (const SourceFile& file : sourceFiles({"app"})) {
        for (const Include& include : includesOf(file)) {
            CAPTURE(file.path, include.target);
            CHECK((include.target != "qcustomplot.h" || file.path == "app/plot/qcp.hpp"));
            CHECK(!(file.path.rfind("app/cli/", 0) == 0 && isQt(include)));
        }
    }
}

TEST_CASE("views do not include each other") {
    static const std::regex kView("^app/views/([a-z_]+)_view\\.(hpp|cpp)$");
    for (const SourceFile& file : sourceFiles({"app/views"})) {
        for (const Include& include : includesOf(file)) {
            std::smatch match;
            if (std::regex_search(include.target, match, kView)) {
                CAPTURE(file.path, include.target);
                CHECK(file.path.rfind("app/views/" + match[1].str(), 0) == 0);
            }
        }
    }
}
