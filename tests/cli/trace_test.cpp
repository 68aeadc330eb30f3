// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

using loupe::test::runProgram;
using nlohmann::json;

TEST_CASE("trace tells the states, works out a cell and ends with what quantize writes") {
    const auto told = runProgram("loupe",
                                 {"trace",
                                  "synthetic:V",
                                  "--scheme",
                                  "absmax:bits=4",
                                  "--state",
                                  "5",
                                  "--cell",
                                  "0,2",
                                  "--json"});
    REQUIRE(told.exitCode == 0);
    const json document = json::parse(told.out);
    CHECK(document["scheme"] == "absmax:bits=4");
    REQUIRE(document["states"].size() == 6);
    CHECK(document["states"][5]["title"] == "Dequantize");
    CHECK(document["told"]["cell"] == json::array({0, 2}));
    CHECK_FALSE(document["told"]["notes"].empty());
    CHECK(document["loss"].is_null());
    // 4 2 -5 0 -1 -3 7 times 10.8 / 7 (spec 2.1)
    REQUIRE(document["result"].size() == 1);
    CHECK_THAT(document["result"][0][2].get<double>(), Catch::Matchers::WithinAbs(-7.714286, 1e-6));
    const auto human = runProgram("loupe", {"trace", "synthetic:V", "--scheme", "absmax:bits=4"});
    CHECK(human.exitCode == 0);
    CHECK(human.out.find("Dequantize") != std::string::npos);
}

TEST_CASE("trace says what it cannot tell") {
    const auto status = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "trace");
        const auto ran = runProgram("loupe", arguments);
        CHECK(ran.out.empty());
        CHECK_FALSE(ran.err.empty());
        return ran.exitCode;
    };
    CHECK(status({"synthetic:V", "--scheme", "absmax:rounding=stochastic"}) == 1);
    CHECK(status({"synthetic:student?rows=100&cols=100", "--scheme", "absmax"}) == 1);
    CHECK(status({"synthetic:V", "--scheme", "absmax", "--cell", "1,0"}) == 2);
    CHECK(status({"synthetic:V", "--scheme", "absmax", "--state", "99"}) == 2);
    CHECK(status({"synthetic:V", "--scheme", "absmax", "--slice", "0,0,2,2"}) == 2);
    const auto sliced = runProgram("loupe",
                                   {"trace",
                                    "synthetic:student?rows=100&cols=100",
                                    "--scheme",
                                    "absmax:bits=3",
                                    "--slice",
                                    "90,80,10,20",
                                    "--json"});
    REQUIRE(sliced.exitCode == 0);
    CHECK(json::parse(sliced.out)["result"].size() == 10);
}
