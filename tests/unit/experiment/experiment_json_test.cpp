// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/experiment_spec.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;

namespace {

std::string problemOf(const std::string& text) {
    const Result<ExperimentSpec> spec = experimentFromJson(text);
    if (spec) {
        return "no error";
    }
    CHECK(spec.error().code == ErrorCode::Damaged);
    return spec.error().what;
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an experiment survives JSON") {
    ExperimentSpec spec;
    CHECK(experimentFromJson(toJson(spec)).value() == spec);
    spec.source = "/models/a \"quoted\" name\n\xc3\xa9.safetensors";
    spec.layout = "in_out";
    spec.stored = true;
    spec.tensor = "model.layers.0.mlp.up_proj.weight";
    spec.schemeA = "absmax:bits=4,group=128";
    spec.schemeB = "cast:format=fp8_e4m3,scale=row";
    spec.activations = "x.npy";
    spec.gradients = "g.safetensors:w";
    spec.calibrationRows = 128;
    spec.calibrationChoice = "random";
    spec.calibrationSeed = 7;
    spec.outlierThreshold = 6.5;
    spec.edits = {{"w", 123456789012345, 0x8000000000000000ULL}, {"b", 0, 1}};
    CHECK(experimentFromJson(toJson(spec)).value() == spec);
}

TEST_CASE("schemes of an experiment are made canonical") {
    const auto spec = experimentFromJson(R"({"version":1,"scheme_a":"absmax:group=64,bits=4"})");
    REQUIRE(spec.has_value());
    CHECK(spec->schemeA == "absmax:bits=4,group=64");
    CHECK(spec->layout == "auto");
}

TEST_CASE("an experiment of version 1 has no gradients and calibrates with the first rows") {
    const auto spec =
        experimentFromJson(R"({"version":1,"activations":"x.npy","calibration_rows":4})");
    REQUIRE(spec.has_value());
    CHECK(spec->activations == "x.npy");
    CHECK(spec->gradients.empty());
    CHECK(spec->calibrationRows == 4);
    CHECK(spec->calibrationChoice == "first");
}

TEST_CASE("damaged experiments say what was expected") {
    CHECK(mentions(problemOf(""), "not valid JSON"));
    CHECK(mentions(problemOf("{\"version\":1} x"), "not valid JSON"));
    CHECK(mentions(problemOf("[]"), "expected an object"));
    CHECK(mentions(problemOf("{}"), "version 1 to 3, found none"));
    CHECK(mentions(problemOf(R"({"version":4})"), "version 1 to 3, found 4"));
    CHECK(mentions(problemOf(R"({"version":1,"gradients":"g.npy"})"), "unknown key 'gradients'"));
    CHECK(mentions(problemOf(R"({"version":2,"gradients":1})"), "'gradients'"));
    CHECK(mentions(problemOf(R"({"version":2,"stored":true})"), "unknown key 'stored'"));
    CHECK(mentions(problemOf(R"({"version":3,"stored":1})"), "'stored': expected true or false"));
    CHECK(mentions(problemOf(R"({"version":2,"calibration_choice":"best"})"), "found 'best'"));
    CHECK(mentions(problemOf(R"({"version":1,"version":1})"), "'version' occurs twice"));
    CHECK(mentions(problemOf(R"({"version":1,"colour":"red"})"), "unknown key 'colour'"));
    CHECK(mentions(problemOf(R"({"version":1,"tensor":3})"), "'tensor': expected a string"));
    CHECK(mentions(problemOf(R"({"version":1,"layout":"up"})"), "'layout'"));
    CHECK(mentions(problemOf(R"({"version":1,"scheme_a":"absmax:bits=99"})"), "'scheme_a'"));
    CHECK(mentions(problemOf(R"({"version":1,"calibration_rows":-1})"), "calibration_rows"));
    CHECK(mentions(problemOf(R"({"version":1,"outlier_threshold":0})"), "outlier_threshold"));
    CHECK(mentions(problemOf(R"({"version":1,"edits":{}})"), "'edits': expected an array"));
    CHECK(mentions(problemOf(R"({"version":1,"edits":[3]})"), "edit 0"));
    CHECK(mentions(problemOf(R"({"version":1,"edits":[{"tensor":"w","index":1,"code":-1}]})"),
                   "'code'"));
    CHECK(
        mentions(problemOf(R"({"version":1,"edits":[{"tensor":"w","index":1,"code":1,"code":2}]})"),
                 "occurs twice"));
    CHECK(mentions(problemOf(std::string(100000, '[')), "deeper"));
    std::string many = R"({"version":1,"edits":[)";
    for (int i = 0; i <= 10000; ++i) {
        many += std::string(i == 0 ? "" : ",") + R"({"tensor":"w","index":1,"code":1})";
    }
    CHECK(mentions(problemOf(many + "]}"), "at most 10000"));
}
