// SPDX-License-Identifier: Apache-2.0
// loupe quantize, prune and schemes, from outside.
#include "core/io/fixtures.hpp"
#include "core/io/npy_writer.hpp"
#include "core/io/safetensors_writer.hpp"
#include "core/io/tensor_source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using nlohmann::json;
using test::runProgram;

namespace {

std::string slideFile() {
    const auto path = test::scratchDir() / "slide.csv";
    std::ofstream(path) << "5.47,3.08,-7.59,0,-1.95,-4.57,10.8\n";
    return path.string();
}

ByteProducer bytesOf(std::vector<float> values) {
    return [values = std::move(values)](const ByteSink& sink) {
        return sink(std::as_bytes(std::span(values)));
    };
}

std::vector<float> floats(const Matrix<double>& matrix) {
    std::vector<float> values(static_cast<std::size_t>(matrix.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(matrix.data()[i]);
    }
    return values;
}

json quantize(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "quantize");
    arguments.emplace_back("--json");
    const auto result = runProgram("loupe", arguments);
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    return json::parse(result.out);
}

std::vector<double> tensor(const std::string& path,
                           const std::string& name,
                           std::vector<std::int64_t>* shape = nullptr) {
    const auto source = openSource(path).value();
    const std::size_t index = findTensor(*source, name).value();
    const auto rows = source->matrix(index).value();
    std::vector<double> values(static_cast<std::size_t>(rows->rows() * rows->cols()));
    REQUIRE(rows->read(0, rows->rows(), values.data()).has_value());
    if (shape != nullptr) {
        *shape = source->tensors()[index].shape;
    }
    return values;
}

}  // namespace

TEST_CASE("quantize: the document of the contract") {
    const json document = quantize({slideFile(), "--scheme", "absmax:bits=08"});
    CHECK(document["tensor"] == "slide");
    CHECK(document["scheme"] == "absmax");
    CHECK_THAT(document["bits_per_weight"].get<double>(), WithinRel(8 + 16.0 / 7, 1e-12));
    CHECK_THAT(document["metrics"]["mse"].get<double>(), WithinRel(2.9814e-4, 1e-4));
    CHECK_THAT(document["metrics"]["sqnr_db"].get<double>(), WithinAbs(50.577, 5e-4));
    for (const char* key : {"mse",
                            "rmse",
                            "max_abs_error",
                            "mean_abs_error",
                            "sqnr_db",
                            "cosine",
                            "relative_frobenius"}) {
        CHECK(document["metrics"][key].is_number());
    }
    CHECK(document["metrics"]["output_relative_error"].is_null());
    CHECK(document["zeros"] == 1);
    CHECK(document["seconds"].is_number());
    const auto alias = runProgram("loupe", {"prune", slideFile(), "--scheme", "absmax", "--json"});
    CHECK(json::parse(alias.out)["metrics"] == document["metrics"]);
    const auto human = runProgram("loupe", {"quantize", slideFile(), "--scheme", "absmax"});
    CHECK(human.out.find("50.5768 dB") != std::string::npos);
}

TEST_CASE("quantize: exit statuses, nothing on stdout, nothing left behind") {
    const auto wrong = runProgram("loupe", {"quantize", slideFile(), "--scheme", "absmax:bits=40"});
    CHECK(wrong.exitCode == 2);
    CHECK(wrong.out.empty());
    CHECK(wrong.err.find("loupe: error: step 'absmax': key 'bits'") != std::string::npos);
    CHECK(runProgram("loupe", {"quantize", slideFile()}).exitCode == 2);
    CHECK(runProgram("loupe", {"quantize", slideFile(), "--scheme", "absmax", "--tensor", "nope"})
              .exitCode == 1);
    const auto missing =
        runProgram("loupe", {"quantize", slideFile(), "--scheme", "absmax:act_bits=8"});
    CHECK(missing.exitCode == 1);
    CHECK(missing.err.find("--activations") != std::string::npos);
    const auto nanFile = test::scratchDir() / "nan.csv";
    std::ofstream(nanFile) << "1,2\n3,nan\n";
    const auto out = test::scratchDir() / "nothing.safetensors";
    const auto nan = runProgram(
        "loupe", {"quantize", nanFile.string(), "--scheme", "cast", "--output", out.string()});
    CHECK(nan.exitCode == 1);
    CHECK(nan.err.find("NaN at row 1, column 1") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(out));
    CHECK(runProgram("loupe",
                     {"quantize", slideFile(), "--scheme", "absmax", "--output", "/tmp/x.txt"})
              .exitCode == 1);
}

TEST_CASE("quantize --output: values are scale times code minus zero point, bit for bit") {
    const FixtureF1 layer = fixtureF1();
    const auto file = (test::scratchDir() / "layer.safetensors").string();
    SafetensorsWriter writer;
    writer.add("fc.weight", "fp32", {32, 64}, bytesOf(floats(layer.weight)));
    REQUIRE(writer.write(file).has_value());
    for (const char* scheme : {"zeropoint:bits=4,group=24",
                               "absmax:bits=3,per=row",
                               "absmax:bits=12,per=column",
                               "absmax"}) {
        CAPTURE(scheme);
        const auto out = (test::scratchDir() / "out.safetensors").string();
        (void)quantize({file, "--scheme", scheme, "--output", out});
        std::vector<std::int64_t> shape;
        const std::vector<double> values = tensor(out, "fc.weight", &shape);
        CHECK(shape == std::vector<std::int64_t>{32, 64});
        const std::vector<double> codes = tensor(out, "fc.weight.codes");
        std::vector<std::int64_t> grid;
        const std::vector<double> scales = tensor(out, "fc.weight.scale", &grid);
        std::vector<double> zeros(scales.size(), 0.0);
        const bool affine = std::string(scheme).rfind("zeropoint", 0) == 0;
        if (affine) {
            zeros = tensor(out, "fc.weight.zero_point");
        }
        const std::int64_t perColumn = grid[1] == 3 ? 24 : 64 / grid[1];
        for (std::int64_t i = 0; i < 32 * 64; ++i) {
            const std::int64_t at = (grid[0] == 1 ? 0 : i / 64) * grid[1] + i % 64 / perColumn;
            const auto index = static_cast<std::size_t>(at);
            const auto weight = static_cast<std::size_t>(i);
            const float expected = static_cast<float>(scales[index]) *
                                   static_cast<float>(codes[weight] - zeros[index]);
            REQUIRE(static_cast<float>(values[weight]) == expected);
        }
    }
}

TEST_CASE("quantize: activations by name, output error of the synthetic layer") {
    const FixtureF1 layer = fixtureF1();
    const auto weights = (test::scratchDir() / "w.safetensors").string();
    const auto activations = (test::scratchDir() / "x.safetensors").string();
    SafetensorsWriter writer;
    writer.add("fc.weight", "fp32", {32, 64}, bytesOf(floats(layer.weight)));
    REQUIRE(writer.write(weights).has_value());
    SafetensorsWriter inputs;
    inputs.add("fc", "fp32", {256, 64}, bytesOf(floats(layer.activations)));
    inputs.add("other", "fp32", {1, 1}, bytesOf({1.0F}));
    REQUIRE(inputs.write(activations).has_value());
    const auto error = [&](const std::string& scheme, const std::string& reference) {
        return quantize({weights,
                         "--tensor",
                         "fc.weight",
                         "--scheme",
                         scheme,
                         "--activations",
                         reference})["metrics"]["output_relative_error"]
            .get<double>();
    };
    CHECK_THAT(error("absmax:per=row,act_bits=8,act_per=token", activations),
               WithinRel(0.01728, 0.01));
    CHECK_THAT(error("absmax:act_bits=8,act_per=tensor", activations + ":fc"),
               WithinRel(0.04906, 0.01));
    CHECK_THAT(error("absmax:bits=4,per=row", activations), WithinRel(0.11467, 0.01));
    const auto wrong = runProgram(
        "loupe",
        {"quantize", weights, "--scheme", "absmax", "--activations", activations + ":other"});
    CHECK(wrong.exitCode == 1);
    CHECK(wrong.err.find("[tokens, 64]") != std::string::npos);
}

TEST_CASE("quantize: errors per channel, calibration rows chosen, data from archives") {
    const std::vector<std::string> base{"synthetic:F1",
                                        "--tensor",
                                        "weight",
                                        "--scheme",
                                        "smoothquant:act_per=tensor,act_range=max",
                                        "--activations",
                                        "synthetic:F1:activations"};
    const auto with = [&](const std::vector<std::string>& more) {
        std::vector<std::string> arguments = base;
        arguments.insert(arguments.end(), more.begin(), more.end());
        return quantize(arguments);
    };
    const json plain = with({});
    CHECK_FALSE(plain.contains("output_error"));
    const json all = with({"--per-channel"});
    CHECK(all["metrics"] == plain["metrics"]);
    const json& output = all["output_error"];
    REQUIRE(output["channels"].size() == 32);
    REQUIRE(output["tokens"].size() == 256);
    const auto tokens = output["tokens"].get<std::vector<double>>();
    const auto worst = std::max_element(tokens.begin(), tokens.end());
    CHECK(output["worst_token"]["index"] == worst - tokens.begin());
    CHECK(output["worst_token"]["relative_error"] == *worst);
    CHECK(output["relative"] == all["metrics"]["output_relative_error"]);
    CHECK(all["weight_error"]["output_channel_mse"].size() == 32);
    CHECK(all["weight_error"]["input_channel_mse"].size() == 64);
    const auto error = [&](const char* choice, const char* seed) {
        return with({"--calibration-rows",
                     "3",
                     "--calibration-choice",
                     choice,
                     "--calibration-seed",
                     seed})["metrics"]["output_relative_error"]
            .get<double>();
    };
    CHECK(error("first", "0") != error("spread", "0"));
    CHECK(error("random", "1") != error("random", "2"));
    CHECK(error("random", "1") == error("random", "1"));
    const auto golden = test::goldenDir() / "io";
    const auto pruned = runProgram("loupe",
                                   {"prune",
                                    (golden / "stored.npz").string(),
                                    "--tensor",
                                    "weight",
                                    "--scheme",
                                    "wanda",
                                    "--activations",
                                    (golden / "importance.gguf").string() + ":blk.0.attn_q.weight",
                                    "--json"});
    INFO(pruned.err);
    REQUIRE(pruned.exitCode == 0);
    CHECK(json::parse(pruned.out)["zeros"] == 24);
    CHECK(json::parse(pruned.out)["metrics"]["output_relative_error"].is_null());
}

TEST_CASE("quantize --layout in_out: rows are outputs, files keep the stored orientation") {
    const auto file = (test::scratchDir() / "io.npy").string();
    std::vector<float> stored(4 * 3);  // [in 4, out 3]
    for (std::size_t i = 0; i < stored.size(); ++i) {
        stored[i] = static_cast<float>(i % 3 == 0 ? 100.0 : 1.0) *
                    static_cast<float>(std::sin(1.0 + static_cast<double>(i)));
    }
    REQUIRE(writeNpy(file, "fp32", {4, 3}, bytesOf(stored)).has_value());
    const auto out = (test::scratchDir() / "io_out.safetensors").string();
    (void)quantize({file, "--layout", "in_out", "--scheme", "absmax:per=row", "--output", out});
    std::vector<std::int64_t> shape;
    const std::vector<double> values = tensor(out, "io", &shape);
    CHECK(shape == std::vector<std::int64_t>{4, 3});
    std::vector<std::int64_t> codeShape;
    const std::vector<double> codes = tensor(out, "io.codes", &codeShape);
    CHECK(codeShape == std::vector<std::int64_t>{3, 4});
    const std::vector<double> scales = tensor(out, "io.scale");
    REQUIRE(scales.size() == 3);
    for (std::size_t in = 0; in < 4; ++in) {
        for (std::size_t o = 0; o < 3; ++o) {
            CHECK(static_cast<float>(values[in * 3 + o]) ==
                  static_cast<float>(scales[o]) * static_cast<float>(codes[o * 4 + in]));
            CHECK_THAT(values[in * 3 + o],
                       WithinAbs(static_cast<double>(stored[in * 3 + o]), scales[o] * 0.5001));
        }
    }
    const auto npy = (test::scratchDir() / "io_out.npy").string();
    (void)quantize({file, "--layout", "in_out", "--scheme", "absmax:per=row", "--output", npy});
    CHECK(tensor(npy, "io_out") == values);
}

TEST_CASE("schemes lists every step and key") {
    const auto result = runProgram("loupe", {"schemes", "--json"});
    REQUIRE(result.exitCode == 0);
    const json steps = json::parse(result.out)["steps"];
    CHECK(steps.size() >= 3);
    for (const json& step : steps) {
        const auto one = runProgram("loupe", {"schemes", step["name"].get<std::string>()});
        CHECK(one.exitCode == 0);
        for (const json& key : step["keys"]) {
            CHECK(one.out.find(key["key"].get<std::string>() + "=") != std::string::npos);
        }
    }
    const auto unknown = runProgram("loupe", {"schemes", "absmx"});
    CHECK(unknown.exitCode == 2);
    CHECK(unknown.err.find("absmax") != std::string::npos);
}

TEST_CASE("prune: what each layout of the pruned matrix costs") {
    const auto layoutOf = [](const json& document, const std::string& name) {
        for (const json& layout : document.at("storage").at("layouts")) {
            if (layout.at("layout") == name) {
                return layout;
            }
        }
        return json();
    };
    const json half =
        quantize({"synthetic:F1", "--tensor", "weight", "--scheme", "magnitude:pattern=2:4"});
    const double bits = half.at("storage").at("value_bits").get<double>();
    CHECK(half.at("storage").at("density") == 0.5);
    CHECK(half.at("storage").at("kept") == 1024);
    CHECK(layoutOf(half, "dense").at("bits_per_weight") == bits);
    CHECK(layoutOf(half, "2:4").at("fits") == true);
    CHECK(layoutOf(half, "2:4").at("bits_per_weight") == bits / 2 + 1);
    CHECK(layoutOf(half, "bitmask").at("bits_per_weight") == half.at("bits_per_weight"));
    CHECK(layoutOf(half, "csr16").at("break_even_sparsity").is_number());
    CHECK(layoutOf(half, "2:4").at("break_even_sparsity").is_null());
    const json free = quantize({"synthetic:F1", "--tensor", "weight", "--scheme", "magnitude"});
    CHECK(layoutOf(free, "2:4").at("fits") == false);
    CHECK_FALSE(
        quantize({"synthetic:F1", "--tensor", "weight", "--scheme", "absmax"}).contains("storage"));
}
