// SPDX-License-Identifier: Apache-2.0
// `loupe memory` against contract 5.
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <fstream>

using Catch::Matchers::ContainsSubstring;
using loupe::test::goldenDir;
using loupe::test::ProcessResult;
using loupe::test::runProgram;
using loupe::test::scratchDir;

namespace {

nlohmann::json memory(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "memory");
    arguments.emplace_back("--json");
    const ProcessResult result = runProgram("loupe", arguments);
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    return nlohmann::json::parse(result.out);
}

}  // namespace

TEST_CASE("memory of seven billion parameters is the document of the contract") {
    const nlohmann::json document = memory({"--parameters", "7e9"});
    CHECK(document["parameters"] == 7000000000);
    CHECK(document["weights_bytes"] == 14000000000);
    CHECK(document["scales_bytes"] == 0);
    CHECK(document["kv_cache_bytes"].is_null());
    CHECK(document["total_bytes"] == 14000000000);
    CHECK(document["human"]["decimal"] == "14.0 GB");
    CHECK(document["human"]["binary"] == "13.04 GiB");
    REQUIRE(document["formats"].is_array());
    bool found = false;
    for (const nlohmann::json& row : document["formats"]) {
        for (const char* key : {"format", "bits_per_weight", "weights_bytes"}) {
            CHECK(row.contains(key));
        }
        // Whole bytes of codes and of scales, each rounded up.
        CHECK_THAT(row["weights_bytes"].get<double>(),
                   Catch::Matchers::WithinAbs(7e9 * row["bits_per_weight"].get<double>() / 8, 2));
        found = found || (row["format"] == "q4_0" && row["bits_per_weight"] == 4.5 &&
                          row["weights_bytes"] == 3937500000);
    }
    CHECK(found);
    const nlohmann::json packed = memory({"--parameters", "7e9", "--format", "int4_g128"});
    CHECK(packed["weights_bytes"] == 3500000000);
    CHECK(packed["scales_bytes"] == 109375000);
    CHECK(packed["total_bytes"] == 3609375000);
}

TEST_CASE("memory of a model with known sizes has a KV cache") {
    const nlohmann::json document =
        memory({"llama-2-7b", "--format", "fp16", "--context", "4096", "--batch", "2"});
    CHECK(document["parameters"] == 6738415616);
    CHECK(document["kv_cache_bytes"] == 2 * 2147483648);
    CHECK(document["total_bytes"] == 2 * 6738415616 + 2 * 2147483648);

    const auto folder = scratchDir() / "model";
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(goldenDir() / "io" / "types.safetensors",
                               folder / "model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream(folder / "config.json")
        << R"({"model_type":"llama","hidden_size":8,"num_hidden_layers":2,"num_attention_heads":4,
               "num_key_value_heads":2,"max_position_embeddings":100})";
    const nlohmann::json small = memory({folder.string()});
    CHECK(small["parameters"] == 120);
    CHECK(small["weights_bytes"] == 411);  // as stored
    CHECK(small["context"] == 100);
    CHECK(small["kv_cache_bytes"] == 2 * 2 * 2 * 2 * 2 * 100);
}

TEST_CASE("memory says what it was not given") {
    const auto failed = [](std::vector<std::string> arguments, int code, const char* text) {
        arguments.insert(arguments.begin(), "memory");
        const ProcessResult result = runProgram("loupe", arguments);
        CAPTURE(text);
        CHECK(result.exitCode == code);
        CHECK(result.out.empty());
        CHECK_THAT(result.err, ContainsSubstring(text));
    };
    failed({}, 2, "neither");
    failed({"--parameters", "7e9", "llama-2-7b"}, 2, "both");
    failed({"--parameters", "many"}, 2, "whole number");
    failed({"--parameters", "7e9", "--format", "int4_g129"}, 2, "int4_g128");
    failed({"--parameters", "7e9", "--format", "int8_row"}, 1, "no rows");
    failed({"--parameters", "7e9", "--context", "100"}, 1, "--context");
    failed({"no-such-file.safetensors"}, 1, "no-such-file");
    const ProcessResult text = runProgram("loupe", {"memory", "--parameters", "7e9"});
    CHECK(text.exitCode == 0);
    CHECK_THAT(text.out, ContainsSubstring("13.04 GiB"));
}
