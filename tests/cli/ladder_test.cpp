// SPDX-License-Identifier: Apache-2.0
// loupe ladder and sweep, from outside.
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <limits>

using namespace loupe;
using Catch::Matchers::WithinRel;
using nlohmann::json;
using test::runProgram;

namespace {

/// A matrix as CSV.
std::string csvFile(const char* name, const Matrix<double>& matrix) {
    const auto path = test::scratchDir() / name;
    std::ofstream file(path);
    file.precision(17);
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        for (std::int64_t col = 0; col < matrix.cols(); ++col) {
            file << (col == 0 ? "" : ",") << matrix(row, col);
        }
        file << "\n";
    }
    return path.string();
}

json document(const std::vector<std::string>& arguments) {
    const auto result = runProgram("loupe", arguments);
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    CHECK(result.err.empty());
    return json::parse(result.out);
}

std::string weight() {
    return csvFile("ladder_weight.csv", fixtureF1().weight);
}
std::string activations() {
    return csvFile("ladder_activations.csv", fixtureF1().activations);
}

}  // namespace

TEST_CASE("loupe ladder: rows, reasons, order") {
    const json all = document({"ladder", weight(), "--json"});
    CHECK(all["tensor"] == "ladder_weight");
    REQUIRE(all["rows"].size() > 15);
    double last = std::numeric_limits<double>::infinity();
    for (const json& row : all["rows"]) {
        const double sqnr = row["metrics"]["sqnr_db"].get<double>();
        CHECK(sqnr <= last);
        last = sqnr;
        for (const char* key :
             {"scheme", "title", "family", "bits_per_weight", "zeros", "seconds"}) {
            CHECK(row.contains(key));
        }
    }
    REQUIRE_FALSE(all["skipped"].empty());
    for (const json& skip : all["skipped"]) {
        CHECK_FALSE(skip["reason"].get<std::string>().empty());
    }

    const json few = document({"ladder",
                               weight(),
                               "--activations",
                               activations(),
                               "--json",
                               "--pictures",
                               "--schemes",
                               "absmax:bits=8,per=row,act_bits=8",
                               "smoothquant"});
    REQUIRE(few["rows"].size() == 2);
    CHECK(few["rows"][0]["scheme"] == "smoothquant");
    CHECK_THAT(few["rows"][0]["metrics"]["output_relative_error"].get<double>(),
               WithinRel(0.00512, 0.01));
    CHECK_THAT(few["rows"][1]["metrics"]["output_relative_error"].get<double>(),
               WithinRel(0.01728, 0.01));
    CHECK(few["rows"][0]["pareto"] == true);
    CHECK(few["rows"][0]["histogram_error"]["counts"].size() == 63);

    const auto csv = runProgram("loupe", {"ladder", weight(), "--csv", "--sort", "bits"});
    CHECK(csv.exitCode == 0);
    CHECK(csv.out.rfind("scheme,title,family,bits_per_weight,", 0) == 0);
    CHECK(runProgram("loupe", {"ladder", weight(), "--schemes", "absmax:bits=99"}).exitCode == 2);
    CHECK(runProgram("loupe", {"ladder", weight(), "--sort", "beauty"}).exitCode == 2);
    const auto human = runProgram("loupe", {"ladder", weight()});
    CHECK(human.out.find("Not run:") != std::string::npos);
}

TEST_CASE("loupe sweep: SmoothQuant's alpha, and what is wrong") {
    const json curve = document({"sweep",
                                 weight(),
                                 "--activations",
                                 activations(),
                                 "--scheme",
                                 "smoothquant",
                                 "--vary",
                                 "alpha=0.25:1:0.25",
                                 "--json"});
    CHECK(curve["key"] == "alpha");
    REQUIRE(curve["series"].size() == 1);
    const json& points = curve["series"][0]["points"];
    REQUIRE(points.size() == 4);
    CHECK(points[1]["value"] == 0.5);
    CHECK(points[1]["scheme"] == "smoothquant");
    CHECK_THAT(points[3]["metrics"]["output_relative_error"].get<double>(),
               WithinRel(0.01803, 0.01));
    CHECK(curve["series"][0]["errors"].empty());

    const json overlaid = document({"sweep",
                                    weight(),
                                    "--scheme",
                                    "magnitude:scope=row",
                                    "random",
                                    "--vary",
                                    "sparsity=0,0.5,7",
                                    "--json"});
    REQUIRE(overlaid["series"].size() == 2);
    CHECK(overlaid["series"][1]["points"].size() == 2);
    CHECK(overlaid["series"][1]["errors"].size() == 1);

    const auto csv = runProgram(
        "loupe", {"sweep", weight(), "--scheme", "absmax", "--vary", "bits=2..4", "--csv"});
    CHECK(csv.exitCode == 0);
    CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 4);
    const auto unknown =
        runProgram("loupe", {"sweep", weight(), "--scheme", "absmax", "--vary", "alpha=0:1:0.1"});
    CHECK(unknown.exitCode == 2);
    CHECK(unknown.err.find("has no key 'alpha'") != std::string::npos);
    const auto missing =
        runProgram("loupe", {"sweep", weight(), "--scheme", "wanda", "--vary", "sparsity=0.5"});
    CHECK(missing.exitCode == 1);
    CHECK(missing.err.find("--activations") != std::string::npos);
}
