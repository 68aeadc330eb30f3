// SPDX-License-Identifier: Apache-2.0
// `loupe attention`: the traffic of one head, by formula and counted.
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

using Catch::Matchers::ContainsSubstring;
using loupe::test::ProcessResult;
using loupe::test::runProgram;

namespace {

nlohmann::json attention(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "attention");
    arguments.emplace_back("--json");
    const ProcessResult result = runProgram("loupe", arguments);
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    return nlohmann::json::parse(result.out);
}

}  // namespace

TEST_CASE("attention prints the table of the specification, and what is counted equals it") {
    const nlohmann::json document =
        attention({"--seq", "1024", "--dim", "64", "--memory", "49152"});
    CHECK(document["crossover_memory"] == 12288);
    const nlohmann::json& rows = document["algorithms"];
    REQUIRE(rows.size() == 3);
    CHECK(rows[0]["traffic"]["total"] == 4456448);
    CHECK(rows[1]["key_rows"] == 192);
    CHECK(rows[1]["query_rows"] == 64);
    CHECK(rows[1]["on_chip"] == 45056);
    CHECK(rows[1]["traffic"]["total"] == 1402880);
    CHECK(rows[1]["counted"].is_null());
    CHECK_THAT(rows[1]["ratio"].get<double>(), Catch::Matchers::WithinAbs(3.18, 0.005));

    const nlohmann::json counted = attention(
        {"--seq", "130", "--dim", "16", "--memory", "777", "--block", "32", "--causal", "--count"});
    for (const nlohmann::json& row : counted["algorithms"]) {
        CHECK(row["counted"] == row["traffic"]);
        CHECK(row["largest_difference"].get<double>() < 1e-12);
    }
    CHECK(counted["algorithms"][2]["query_rows"] == 32);
}

TEST_CASE("attention refuses what it cannot carry out") {
    const ProcessResult many =
        runProgram("loupe", {"attention", "--seq", "2000", "--memory", "64", "--count"});
    CHECK(many.exitCode == 1);
    CHECK(many.out.empty());
    CHECK_THAT(many.err, ContainsSubstring("tiles"));
    CHECK(runProgram("loupe", {"attention", "--seq", "0"}).exitCode == 2);
    CHECK_THAT(runProgram("loupe", {"attention"}).out, ContainsSubstring("3409920"));
}
