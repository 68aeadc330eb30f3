// SPDX-License-Identifier: Apache-2.0
// `loupe quantize --output OUT.gguf`: the bytes that gguf-py has read and confirmed (see
// tests/oracles/gguf_readback.py), read again by our own reader.
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>

using loupe::test::goldenDir;
using loupe::test::ProcessResult;
using loupe::test::runProgram;
using loupe::test::scratchDir;

namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string quantized(const std::string& scheme, const std::string& name) {
    const std::string path = (scratchDir() / name).string();
    const ProcessResult result = runProgram(
        "loupe",
        {"quantize", "synthetic:F1", "--tensor", "weight", "--scheme", scheme, "--output", path});
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    return path;
}

}  // namespace

TEST_CASE("quantize writes the GGUF files that gguf-py confirmed") {
    for (const auto& [scheme, name] : {std::pair("ggml:type=q4_0", "written_q4_0.gguf"),
                                       std::pair("absmax:bits=4", "written_fp32.gguf")}) {
        CAPTURE(scheme);
        const std::string path = quantized(scheme, name);
        const std::string golden = contents(goldenDir() / "io" / "gguf" / name);
        REQUIRE_FALSE(golden.empty());
        CHECK(contents(path) == golden);
    }
}

TEST_CASE("a GGUF file of blocks equals what the safetensors output holds") {
    const std::string gguf = quantized("ggml:type=q8_0", "blocks.gguf");
    const std::string safetensors = quantized("ggml:type=q8_0", "blocks.safetensors");
    const auto stats = [](const std::string& path) {
        const ProcessResult result =
            runProgram("loupe", {"stats", path, "--tensor", "weight", "--json"});
        REQUIRE(result.exitCode == 0);
        return nlohmann::json::parse(result.out)["tensors"][0];
    };
    CHECK(stats(gguf) == stats(safetensors));
    // All tensors of a model, F32 where the scheme has no blocks of ggml.
    const std::string all = (scratchDir() / "all.gguf").string();
    const ProcessResult selected = runProgram("loupe",
                                              {"quantize",
                                               "synthetic:F1",
                                               "--select",
                                               "*",
                                               "--scheme",
                                               "cast:format=mxfp4",
                                               "--output",
                                               all});
    CAPTURE(selected.err);
    REQUIRE(selected.exitCode == 0);
    const ProcessResult inspected = runProgram("loupe", {"inspect", all, "--json"});
    const auto document = nlohmann::json::parse(inspected.out);
    CHECK(document["warnings"].empty());
    CHECK(document["tensors"][0]["dtype"] == "fp32");
    CHECK(document["metadata"]["tensorloupe.scheme"] == "cast:format=mxfp4");
}
