// SPDX-License-Identifier: Apache-2.0
// loupe diff and selftest, from outside.
#include "core/base/rng.hpp"
#include "tests/support/checkpoint.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

using Catch::Matchers::ContainsSubstring;
using loupe::test::FloatTensor;
using loupe::test::runProgram;
using loupe::test::scratchDir;
using nlohmann::json;

namespace {

std::vector<FloatTensor> layer() {
    std::vector<FloatTensor> tensors{{"up", {16, 32}, {}}, {"down", {32, 16}, {}}};
    for (FloatTensor& tensor : tensors) {
        for (std::uint64_t i = 0; i < 512; ++i) {
            tensor.values.push_back(static_cast<float>(loupe::randomNormal(1, i)));
        }
    }
    return tensors;
}

std::string written(const char* name, const std::vector<FloatTensor>& tensors) {
    const auto path = scratchDir() / name;
    loupe::test::writeCheckpoint(path, tensors);
    return path.string();
}

}  // namespace

TEST_CASE("loupe diff: the document and the gate") {
    std::vector<FloatTensor> tensors = layer();
    const std::string a = written("diff_a.safetensors", tensors);
    tensors[1].values[3] += 0.5F;
    const std::string b = written("diff_b.safetensors", tensors);
    tensors.push_back({"extra", {2, 2}, {1, 2, 3, 4}});
    tensors[0].shape = {8, 64};
    const std::string c = written("diff_c.safetensors", tensors);

    const auto same = runProgram("loupe", {"diff", a, a, "--tolerance", "0", "--json"});
    CHECK(same.exitCode == 0);
    const json equal = json::parse(same.out);
    for (const json& row : equal["rows"]) {
        CHECK(row["identical"] == true);
        CHECK(row["provenance"] == "same bytes");
    }

    const auto result = runProgram("loupe", {"diff", a, b, "--json"});
    REQUIRE(result.exitCode == 0);
    CHECK(result.err.empty());
    const json document = json::parse(result.out);
    CHECK(document["only_a"].empty());
    CHECK(document["only_b"].empty());
    CHECK(document["shape_mismatch"].empty());
    REQUIRE(document["rows"].size() == 2);
    const json& worst = document["rows"][0];
    CHECK(worst["tensor_a"] == "down");
    CHECK(worst["identical"] == false);
    CHECK_THAT(worst["metrics"]["max_abs_error"].get<double>(),
               Catch::Matchers::WithinRel(0.5, 1e-5));
    const double relative = worst["metrics"]["relative_frobenius"].get<double>();
    CHECK(relative > 0.01);
    CHECK(runProgram("loupe", {"diff", a, b, "--tolerance", std::to_string(relative * 1.1)})
              .exitCode == 0);
    const auto gate =
        runProgram("loupe", {"diff", a, b, "--tolerance", std::to_string(relative * 0.9)});
    CHECK(gate.exitCode == 3);
    CHECK_THAT(gate.err, ContainsSubstring("down: relative_frobenius = "));
    CHECK(runProgram("loupe", {"diff", a, b, "--tolerance", "0", "--tensor", "up"}).exitCode == 0);
    CHECK(runProgram("loupe", {"diff", a, b, "--tensor", "none"}).exitCode == 1);

    const auto others = runProgram("loupe", {"diff", a, c, "--tolerance", "9", "--json"});
    CHECK(others.exitCode == 3);
    const json unmatched = json::parse(others.out);
    CHECK(unmatched["only_b"] == json::array({"extra"}));
    REQUIRE(unmatched["shape_mismatch"].size() == 1);
    CHECK(unmatched["shape_mismatch"][0]["shape_b"] == json::array({8, 64}));
    CHECK(runProgram("loupe", {"diff", a, c}).exitCode == 0);

    const auto human = runProgram("loupe", {"diff", a, c});
    CHECK_THAT(human.out, ContainsSubstring("Only in B:\n  extra"));
    CHECK_THAT(human.out, ContainsSubstring("up [16, 32] and up [8, 64]"));
    const auto csv = runProgram("loupe", {"diff", a, b, "--csv"});
    CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 3);

    CHECK(runProgram("loupe", {"diff", a}).exitCode == 2);
    CHECK(runProgram("loupe", {"diff", a, b, "--tolerance", "-1"}).exitCode == 2);
    const auto missing = runProgram("loupe", {"diff", a, a + ".none"});
    CHECK(missing.exitCode == 1);
    CHECK(missing.out.empty());
}

TEST_CASE("loupe diff: the small llama's safetensors and its GGUF") {
    const auto original = loupe::test::testModel("stories260k/model.safetensors");
    const auto converted = loupe::test::testModel("stories260k/stories260k-f16.gguf");
    if (!original || !converted) {
        WARN("skipped: LOUPE_TEST_MODELS has no stories260k");
        return;
    }
    const auto result = runProgram(
        "loupe",
        {"diff", original->string(), converted->string(), "--tolerance", "0.0005", "--json"});
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    const json document = json::parse(result.out);
    CHECK(document["rows"].size() == 47);
    for (const json& row : document["rows"]) {
        const std::string provenance = row["provenance"];
        CAPTURE(row.dump());
        CHECK((provenance == "round-to-nearest fp16" || provenance == "same bytes"));
    }
}

TEST_CASE("loupe selftest") {
    const auto result = runProgram("loupe", {"selftest", "--json"});
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    const json document = json::parse(result.out);
    CHECK(document["failed"] == 0);
    std::uint64_t passed = 0;
    for (const json& item : document["per_format"]) {
        passed += item["passed"].get<std::uint64_t>();
        CHECK(item["failed"] == 0);
    }
    CHECK(passed == document["passed"].get<std::uint64_t>());
    CHECK(passed > 1'000'000);
    CHECK_THAT(runProgram("loupe", {"selftest"}).out,
               ContainsSubstring(" checks passed, 0 failed"));
}
