// SPDX-License-Identifier: Apache-2.0
// `loupe inspect` against contract 5.
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <fstream>

using Catch::Matchers::ContainsSubstring;
using loupe::test::goldenDir;
using loupe::test::ProcessResult;
using loupe::test::runProgram;

namespace {

nlohmann::json inspect(const std::string& path, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"inspect", path, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = runProgram("loupe", arguments);
    CAPTURE(path, result.err);
    REQUIRE(result.exitCode == 0);
    return nlohmann::json::parse(result.out);
}

}  // namespace

TEST_CASE("inspect prints the document of the contract") {
    const std::string path = (goldenDir() / "io" / "types.safetensors").string();
    const nlohmann::json document = inspect(path);
    for (const char* key :
         {"format", "files", "metadata", "parameters", "bytes", "warnings", "tensors"}) {
        CHECK(document.contains(key));
    }
    CHECK(document["format"] == "safetensors");
    CHECK(document["files"] == nlohmann::json::array({path}));
    CHECK(document["metadata"]["format"] == "np");
    CHECK(document["parameters"] == 120);
    CHECK(document["bytes"] == 411);
    CHECK(document["warnings"].empty());
    REQUIRE(document["tensors"].size() == 20);
    for (const nlohmann::json& tensor : document["tensors"]) {
        for (const char* key : {"name",
                                "dtype",
                                "shape",
                                "logical_shape",
                                "parameters",
                                "bytes",
                                "file",
                                "offset",
                                "quantization",
                                "parts"}) {
            CHECK(tensor.contains(key));
        }
        CHECK(tensor["quantization"].is_null());
        CHECK(tensor["file"] == "types.safetensors");
        if (tensor["name"] == "conv.weight") {
            CHECK(tensor["dtype"] == "fp32");
            CHECK(tensor["shape"] == nlohmann::json::array({2, 3, 4}));
            CHECK(tensor["logical_shape"] == nlohmann::json::array({2, 3, 4}));
            CHECK(tensor["matrix"] == nlohmann::json::array({2, 12}));
            CHECK(tensor["bytes"] == 96);
        }
    }
    CHECK(inspect(path, {"--stored"})["tensors"].size() == 20);
}

TEST_CASE("inspect puts packed weights together, and --stored takes them apart") {
    const std::string folder = (goldenDir() / "io" / "packed" / "gptq" / "b4_act_order").string();
    const nlohmann::json document = inspect(folder);
    CHECK(document["parameters"] == 64 * 96 + 64 + 8);
    REQUIRE(document["tensors"].size() == 3);
    for (const nlohmann::json& tensor : document["tensors"]) {
        if (tensor["name"] != "layer.weight") {
            CHECK(tensor["quantization"].is_null());
            CHECK(tensor["parts"] == nlohmann::json::array({tensor["name"]}));
            continue;
        }
        CHECK(tensor["quantization"] == "gptq");
        CHECK(tensor["dtype"] == "int32");
        CHECK(tensor["shape"] == nlohmann::json::array({12, 64}));
        CHECK(tensor["logical_shape"] == nlohmann::json::array({64, 96}));
        CHECK(tensor["matrix"] == nlohmann::json::array({64, 96}));
        CHECK(tensor["parameters"] == 64 * 96);
        CHECK(tensor["bytes"] == 3072 + 96 + 384 + 384);
        CHECK(tensor["parts"] ==
              nlohmann::json::array(
                  {"layer.qweight", "layer.qzeros", "layer.scales", "layer.g_idx"}));
        CHECK(tensor["code_bits"] == 4);
        CHECK(tensor["bits_per_weight"] == 5.125);
        CHECK(tensor["code_format"] == "uint4");
        CHECK(tensor["group_size"] == 32);
        CHECK(tensor["group_rows"] == 1);
        CHECK(tensor["symmetric"].is_null());  // its configuration does not say
        CHECK(tensor["act_order"] == true);
    }
    const nlohmann::json stored = inspect(folder, {"--stored"});
    CHECK(stored["tensors"].size() == 6);
    CHECK(stored["parameters"] == 768 + 24 + 192 + 96 + 64 + 8);
    CHECK(stored["bytes"] == document["bytes"]);

    const ProcessResult text = runProgram("loupe", {"inspect", folder});
    CHECK_THAT(text.out, ContainsSubstring("gptq g32 act-order: layer.qweight [12, 64] + 3 parts"));
    CHECK_THAT(text.out,
               ContainsSubstring("6,144 weights at 5.125 bits with scales, 4.000 without"));
}

TEST_CASE("inspect says which matrices lie the other way round") {
    const nlohmann::json tensor =
        inspect((goldenDir() / "io" / "f4.npy").string(), {"--layout", "in_out"})["tensors"][0];
    CHECK(tensor["name"] == "f4");
    CHECK(tensor["shape"] == nlohmann::json::array({3, 4}));
    CHECK(tensor["logical_shape"] == nlohmann::json::array({4, 3}));
    CHECK(tensor["transposed"] == true);
}

TEST_CASE("inspect for people: a table and totals in both units") {
    const ProcessResult result =
        runProgram("loupe", {"inspect", (goldenDir() / "io" / "types.safetensors").string()});
    CHECK(result.exitCode == 0);
    CHECK_THAT(result.out, ContainsSubstring("conv.weight"));
    CHECK_THAT(result.out, ContainsSubstring("[2, 3, 4]"));
    CHECK_THAT(result.out, ContainsSubstring("120 parameters"));
    CHECK(result.err.empty());
    const ProcessResult marked =
        runProgram("loupe", {"inspect", (goldenDir() / "io" / "marked_bfloat16.npy").string()});
    CHECK(marked.exitCode == 0);
    CHECK_THAT(marked.out, ContainsSubstring("problem: "));
}

TEST_CASE("inspect of damaged, missing and unknown files: status 1, one line, nothing on stdout") {
    const std::filesystem::path damaged = loupe::test::scratchDir() / "damaged.safetensors";
    std::ofstream(damaged, std::ios::binary) << std::string("\x10\0\0\0\0\0\0\0{\"a\"", 12);
    for (const std::string& path : {damaged.string(),
                                    std::string("/no/such/file"),
                                    (goldenDir() / "io" / "refused_object.npy").string(),
                                    (goldenDir() / "fuzz").string()}) {
        const ProcessResult result = runProgram("loupe", {"inspect", path, "--json"});
        CAPTURE(path, result.err);
        CHECK(result.exitCode == 1);
        CHECK(result.out.empty());
        CHECK(result.err.rfind("loupe: error: ", 0) == 0);
        CHECK_THAT(result.err, ContainsSubstring(path));
    }
    CHECK(runProgram("loupe", {"inspect"}).exitCode == 2);
    CHECK(runProgram("loupe", {"inspect", "x", "--layout", "sideways"}).exitCode == 2);
    CHECK(runProgram("loupe", {"inspect", "synthetic:gaussian?rows=x"}).exitCode == 2);
}

TEST_CASE("the example checkpoint lies beside the programs") {
    const std::filesystem::path sample =
        loupe::test::binDir().parent_path() / "share" / "tensorloupe" / "sample";
    const nlohmann::json document = inspect(sample.string());
    CHECK(document["tensors"].size() == 39);
    CHECK(document["warnings"].empty());
}

TEST_CASE("inspect of GGUF: metadata with their types, long arrays cut, block types named") {
    const std::string folder = (goldenDir() / "io" / "gguf").string();
    const ProcessResult plain = runProgram("loupe", {"inspect", folder + "/plain.gguf", "--json"});
    REQUIRE(plain.exitCode == 0);
    const auto document = nlohmann::json::parse(plain.out);
    CHECK(document["format"] == "gguf");
    const auto& metadata = document["metadata"];
    CHECK(metadata["general.architecture"] == "llama");
    CHECK(metadata["test.u64"] == 18446744073709551615U);
    CHECK(metadata["test.i8"] == -100);
    CHECK(metadata["test.bool"] == true);
    CHECK(metadata["test.text"] == "Zürich \"1\"");
    CHECK(metadata["test.short"] == nlohmann::json::parse("[1,2,3]"));
    CHECK(metadata["test.long"]["length"] == 200);
    CHECK(metadata["test.long"]["first"].size() == 64);
    const ProcessResult blocks = runProgram("loupe", {"inspect", folder + "/blocks.gguf", "--json"});
    REQUIRE(blocks.exitCode == 0);
    const auto tensors = nlohmann::json::parse(blocks.out)["tensors"];
    REQUIRE_FALSE(tensors.empty());
    for (const auto& tensor : tensors) {
        const std::string name = tensor["name"];
        const std::string type = name.substr(0, name.find('.'));
        CHECK(tensor["dtype"] == (type == "mxfp4" || type == "nvfp4" ? "ggml_" + type : type));
        CHECK(tensor["problem"].is_null());
        CHECK(tensor["parameters"] == 1536);
    }
}
