// SPDX-License-Identifier: Apache-2.0

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

using namespace loupe;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using nlohmann::json;

namespace {

std::string arraysPath() { return (test::goldenDir() / "stats" / "arrays.safetensors").string(); }

json statsOf(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{"stats"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.emplace_back("--json");
    const test::ProcessResult result = test::runProgram("loupe", all);
    INFO(result.err);
    REQUIRE(result.exitCode == 0);
    CHECK(result.err.empty());
    return json::parse(result.out)["tensors"];
}

void checkChannels(const json& actual, const json& expected) {
    REQUIRE(actual.size() >= std::min<std::size_t>(expected.size(), 4));
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(actual[i]["index"] == expected[i]["index"]);
        CHECK(actual[i]["absmax"] == expected[i]["absmax"]);
        CHECK_THAT(actual[i]["ratio"].get<double>(), WithinAbs(expected[i]["ratio"].get<double>(), 1e-6 * expected[i]["ratio"].get<double>()));
    }
}

}  // namespace

TEST_CASE("loupe stats: every tensor of stories260k equals NumPy and SciPy") {
    const auto model = test::testModel("stories260k/model.safetensors");
    if (!model) {
        WARN("skipped: LOUPE_TEST_MODELS does not hold stories260k");
        return;
    }
    std::ifstream file(test::goldenDir() / "stats" / "stories260k.json");
    const json expected = json::parse(file);
    const json rows = statsOf({model->string()});
    REQUIRE(rows.size() == expected.size());
    for (const json& row : rows) {
        const std::string name = row["name"];
        CAPTURE(name);
        const json& e = expected[name];
        for (const char* key : {"shape", "count", "nan", "inf", "zeros", "min", "max", "absmax"}) {
            CAPTURE(key);
            CHECK(row[key] == e[key]);
        }
        const double deviation = e["std"];
        CHECK_THAT(row["mean"].get<double>(), WithinAbs(e["mean"].get<double>(), 1e-6 * deviation));
        CHECK_THAT(row["std"].get<double>(), WithinAbs(deviation, 1e-6 * deviation));
        CHECK_THAT(row["skewness"].get<double>(), WithinAbs(e["skewness"].get<double>(), 1e-5));
        CHECK_THAT(row["kurtosis"].get<double>(), WithinAbs(e["kurtosis"].get<double>(), 1e-5));
        std::size_t i = 0;
        for (const char* key : {"0.1", "1", "5", "25", "50", "75", "95", "99", "99.9"}) {
            const double p = e["percentiles"][i++];
            CHECK_THAT(row["percentiles"][key].get<double>(), WithinAbs(p, 1e-12));
        }
        CHECK(row["histogram"] == e["histogram"]);
        checkChannels(row["outlier_channels"]["input"], e["input"]);
        checkChannels(row["outlier_channels"]["output"], e["output"]);
    }
}

TEST_CASE("loupe stats: bit-identical output for 1, 2 and 7 threads") {
    const std::vector<std::string> arguments{"synthetic:outliers?rows=700&cols=600"};
    const json one = statsOf({arguments[0], "--threads", "1"});
    CHECK(one == statsOf({arguments[0], "--threads", "2"}));
    CHECK(one == statsOf({arguments[0], "--threads", "7"}));
}

TEST_CASE("loupe stats: selection, bins, outlier counts and what has no value") {
    const json all = statsOf({arraysPath()});
    CHECK(all.size() > 30);
    const json some = statsOf({arraysPath(), "--tensor", "f16.*", "--tensor", "f32.one", "--bins", "10", "--outliers", "3"});
    CHECK(some.size() == 4);
    CHECK(some[0]["histogram"]["counts"].size() == 10);
    CHECK(some[0]["outlier_channels"]["input"].size() == (some[0]["name"] == "f32.one" ? 1 : 3));
    const json empty = statsOf({arraysPath(), "--tensor", "f32.all_nan"})[0];
    CHECK(empty["count"] == 35);
    CHECK(empty["nan"] == 35);
    CHECK(empty["min"].is_null());
    CHECK(empty["percentiles"]["50"].is_null());
    CHECK(empty["histogram"].is_null());
    const json constant = statsOf({arraysPath(), "--tensor", "f32.constant"})[0];
    CHECK(constant["std"] == 0);
    CHECK(constant["kurtosis"] == "nan");
}

TEST_CASE("loupe stats: errors") {
    const test::ProcessResult none = test::runProgram("loupe", {"stats", arraysPath(), "--tensor", "f32.nromal"});
    CHECK(none.exitCode == 1);
    CHECK(none.out.empty());
    CHECK_THAT(none.err, ContainsSubstring("loupe: error: "));
    CHECK(test::runProgram("loupe", {"stats"}).exitCode == 2);
    CHECK(test::runProgram("loupe", {"stats", arraysPath(), "--bins", "0"}).exitCode == 2);
    CHECK(test::runProgram("loupe", {"stats", "/nonexistent.npy"}).exitCode == 1);
    const test::ProcessResult text = test::runProgram("loupe", {"stats", arraysPath(), "--tensor", "bf16.*"});
    CHECK(text.exitCode == 0);
    CHECK_THAT(text.out, ContainsSubstring("bf16.normal"));
}

TEST_CASE("loupe stats: memory does not grow with the file") {
#if defined(LOUPE_SANITIZED)
    WARN("skipped: a sanitizer's own memory counts too");
#else
    const std::filesystem::path path = test::scratchDir() / "large.safetensors";
    {
        std::ofstream file(path, std::ios::binary);
        // A hole of 384 MiB: read like data, but takes no disk.
        const std::string header = R"({"a":{"dtype":"F32","shape":[8192,8192],"data_offsets":[0,268435456]},"b":{"dtype":"BF16","shape":[8192,8192],"data_offsets":[268435456,402653184]}})";
        const std::uint64_t size = header.size();
        file.write(reinterpret_cast<const char*>(&size), sizeof size);
        file << header;
        file.close();
        std::filesystem::resize_file(path, 8 + header.size() + 402653184);
    }
    const test::ProcessResult run = test::runProgram("loupe", {"stats", path.string(), "--json"});
    REQUIRE(run.exitCode == 0);
    const json rows = json::parse(run.out)["tensors"];
    CHECK(rows[0]["zeros"] == 67108864);
    CHECK(rows[1]["zeros"] == 67108864);
    CHECK(run.peakKib <= 128 * 1024);
#endif
}
