// SPDX-License-Identifier: Apache-2.0
// `loupe formats` and `loupe encode` through the built program.
#include "core/blocks/block_layout.hpp"
#include "core/formats/number_format.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

using loupe::test::ProcessResult;
using loupe::test::runProgram;
using Json = nlohmann::json;

namespace {

Json document(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const ProcessResult run = runProgram("loupe", arguments);
    CAPTURE(run.err);
    REQUIRE(run.exitCode == 0);
    return Json::parse(run.out);
}

Json encoded(const std::string& value, const std::string& format) {
    return document({"encode", value, "--format", format});
}

void checkFails(int exitCode, const std::vector<std::string>& arguments) {
    const ProcessResult run = runProgram("loupe", arguments);
    CAPTURE(arguments, run.err);
    CHECK(run.exitCode == exitCode);
    CHECK(run.out.empty());
    CHECK(run.err.rfind("loupe: error: ", 0) == 0);
}

}  // namespace

TEST_CASE("formats lists every format with all fields of the contract") {
    const Json formats = document({"formats"}).at("formats");
    std::vector<std::string> names;
    for (const loupe::NumberFormat* format : loupe::allFormats()) {
        names.emplace_back(format->id);
    }
    for (const loupe::BlockLayout* layout : loupe::allBlockLayouts()) {
        names.emplace_back(layout->id);
    }
    REQUIRE(formats.size() == names.size());
    std::size_t at = 0;
    for (const Json& format : formats) {
        CAPTURE(format.dump());
        CHECK(format.at("name") == names[at++]);
        for (const char* key : {"kind",           "bits",          "bits_per_weight",
                                "sign_bits",      "exponent_bits", "mantissa_bits",
                                "bias",           "min",           "max",
                                "min_normal",     "min_subnormal", "epsilon",
                                "decimal_digits", "digits10",      "max_digits10",
                                "has_infinity",   "has_nan",       "finite_values",
                                "block_size",     "source"}) {
            CHECK(format.contains(key));
        }
    }
}

TEST_CASE("formats: figures of the lecture") {
    const Json formats = document({"formats"}).at("formats");
    const auto named = [&](const std::string& name) {
        for (const Json& format : formats) {
            if (format.at("name") == name) {
                return format;
            }
        }
        return Json();
    };
    CHECK(named("fp32").at("max") == 3.4028234663852886e38);
    CHECK(named("fp32").at("decimal_digits") == 7.22);
    CHECK(named("fp64").at("finite_values") == 18437736874454810624ULL);
    CHECK(named("tf32").at("bits") == 19);
    CHECK(named("bf16").at("digits10") == 2);
    CHECK(named("bf16").at("max_digits10") == 4);
    CHECK(named("fp16").at("min_subnormal") == 0x1p-24);
    CHECK(named("fp8_e4m3").at("max") == 448);
    CHECK(named("fp8_e4m3").at("has_infinity") == false);
    CHECK(named("fp8_e4m3").at("finite_values") == 254);
    // No subnormals: the smallest positive value, as in finfo of ml_dtypes.
    CHECK(named("e8m0").at("min_subnormal") == 0x1p-127);
    CHECK(named("e8m0").at("sign_bits") == 0);
    CHECK(named("int8").at("kind") == "integer");
    CHECK(named("int8").at("finite_values") == 256);
    CHECK(named("int8").at("epsilon").is_null());
    CHECK(named("nf4").at("kind") == "codebook");
    CHECK(named("ternary").at("bits") == 2);
    CHECK_THAT(named("ternary").at("bits_per_weight").get<double>(),
               Catch::Matchers::WithinAbs(1.585, 5e-4));
    CHECK(runProgram("loupe", {"formats"}).out.find("fp8_e4m3fnuz") != std::string::npos);
}

TEST_CASE("formats: block formats count their scales") {
    const Json formats = document({"formats"}).at("formats");
    const auto row = [&](const std::string& name) {
        for (const Json& format : formats) {
            if (format.at("name") == name) {
                return format;
            }
        }
        return Json();
    };
    const Json q4 = row("q4_k");
    CHECK(q4.at("kind") == "block");
    CHECK(q4.at("bits") == 4);
    CHECK(q4.at("bits_per_weight") == 4.5);
    CHECK(q4.at("block_size") == 256);
    CHECK(q4.at("finite_values") == 16);
    for (const char* key : {"sign_bits", "bias", "min", "max", "epsilon", "has_nan"}) {
        CHECK(q4.at(key).is_null());
    }
    CHECK(row("q3_k").at("bits_per_weight") == 3.4375);
    CHECK(row("q6_k").at("bits_per_weight") == 6.5625);
    CHECK(row("tq1_0").at("bits_per_weight") == 1.6875);
    CHECK(row("tq1_0").at("finite_values") == 3);
    CHECK(row("tq2_0").at("bits_per_weight") == 2.0625);
    CHECK(row("q2_0").at("bits_per_weight") == 2.25);
    CHECK(row("q1_0").at("bits_per_weight") == 1.125);
    CHECK(row("iq2_xxs").at("bits_per_weight") == 2.0625);
    CHECK(row("iq2_xxs").at("finite_values").is_null());
    CHECK(row("mxfp8_e4m3").at("bits_per_weight") == 8.25);
    CHECK(row("mxfp8_e4m3").at("finite_values") == 254);
    CHECK(row("mxfp8_e5m2").at("finite_values") == 248);
    CHECK(row("mxfp6_e3m2").at("bits_per_weight") == 6.25);
    CHECK(row("mxint8").at("finite_values") == 256);
    CHECK(row("nvfp4").at("bits_per_weight") == 4.5);
    CHECK(row("nvfp4").at("block_size") == 16);
    CHECK(row("fp16").at("block_size").is_null());
    const std::string text = runProgram("loupe", {"formats"}).out;
    CHECK(text.find("iq3_xxs") != std::string::npos);
    CHECK(text.find("bits/weight") != std::string::npos);
    const ProcessResult refused = runProgram("loupe", {"encode", "1", "--format", "q4_k"});
    CHECK(refused.err.find("block format") != std::string::npos);
}

TEST_CASE("the quick knowledge test of the lecture") {
    struct Row {
        const char* value;
        const char* format;
        const char* bits;
        const char* exact;
    };
    const Row row =
        GENERATE(Row{"3.14159265358979323846264338327950288",
                     "fp32",
                     "0x40490FDB",
                     "3.1415927410125732421875"},
                 Row{"3.14159265358979323846264338327950288", "fp16", "0x4248", "3.140625"},
                 Row{"3.14159265358979323846264338327950288", "bf16", "0x4049", "3.140625"},
                 Row{"1.1e26", "fp32", "0x6AB5FAD0", "110000000946866311755988992"},
                 Row{"1.1e26", "fp16", "0x7C00", "inf"},
                 Row{"1.1e26", "bf16", "0x6AB6", "110012249584931254898262016"},
                 Row{"1.1e49", "fp32", "0x7F800000", "inf"},
                 Row{"1.1e49", "fp16", "0x7C00", "inf"},
                 Row{"1.1e49", "bf16", "0x7F80", "inf"},
                 Row{"1.1e-20", "fp16", "0x0000", "0"},
                 Row{"0.0000000000000000000432", "fp16", "0x0000", "0"},
                 Row{"900000000000000000000000", "fp32", "0x673E9519", "899999998052066261991424"},
                 Row{"9e23", "fp16", "0x7C00", "inf"},
                 Row{"9e23", "bf16", "0x673F", "901971998228102235815936"});
    CAPTURE(row.value, row.format);
    const Json number = encoded(row.value, row.format);
    CHECK(number.at("bits") == row.bits);
    CHECK(number.at("exact") == row.exact);
    CHECK(number.at("is_exact") == false);
    CHECK(number.at("input") == row.value);
    CHECK(encoded("1.1e-20", "fp32").at("bits") == "0x1E4FC8BC");
    CHECK(encoded("4.32e-20", "fp32").at("bits") == "0x1F4C0198");
    CHECK(encoded("1.1e-20", "bf16").at("bits") == "0x1E50");
    CHECK(encoded("4.32e-20", "bf16").at("bits") == "0x1F4C");
}

TEST_CASE("encode: every field of the contract") {
    const Json pi = encoded("3.14159265358979323846264338327950288", "fp16");
    CHECK(pi.at("format") == "fp16");
    CHECK(pi.at("binary") == "0 10000 1001001000");
    CHECK(pi.at("fields") == Json{{"sign", 0}, {"exponent", 16}, {"mantissa", 584}});
    CHECK(pi.at("class") == "normal");
    CHECK(pi.at("value") == 3.140625);
    CHECK(pi.at("absolute_error") == 0.0009676535897932385);
    CHECK(pi.at("relative_error") == 0.0003080137040324222);
    CHECK(pi.at("ulp") == 0.001953125);
    CHECK(pi.at("overflow") == false);
    CHECK(pi.at("underflow") == false);
    CHECK(pi.at("neighbours") == Json{{"below", 3.138671875}, {"above", 3.142578125}});
    const Json infinite = encoded("1.1e49", "fp32");
    CHECK(infinite.at("class") == "infinite");
    CHECK(infinite.at("value") == "inf");
    CHECK(infinite.at("overflow") == true);
    CHECK(infinite.at("absolute_error").is_null());
    CHECK(infinite.at("neighbours").at("above").is_null());
    CHECK(encoded("nan", "fp8_e4m3").at("value") == "nan");
    CHECK(encoded("5", "int8").at("fields").is_null());
    CHECK(encoded("bits:0x3f80", "bf16").at("value") == 1);
}

TEST_CASE("encode: negative values need no '--', in any place") {
    CHECK(encoded("-inf", "fp16").at("bits") == "0xFC00");
    CHECK(encoded("-nan", "fp16").at("bits") == "0xFE00");
    CHECK(encoded("-.5", "fp16").at("value") == -0.5);
    CHECK(encoded("-1e-3", "fp32").at("bits") == "0xBA83126F");
    CHECK(encoded("-0x1p3", "fp32").at("value") == -8);
    CHECK(document({"encode", "--format", "fp16", "-.5"}).at("value") == -0.5);
    CHECK(Json::parse(runProgram("loupe", {"encode", "--json", "--format", "fp16", "--", "-7"}).out)
              .at("value") == -7);
}

TEST_CASE("encode: overflow, rounding and seed") {
    CHECK(document({"encode", "1e9", "--format", "fp8_e4m3"}).at("bits") == "0x7E");
    CHECK(document({"encode", "1e9", "--format", "fp8_e4m3", "--overflow", "special"}).at("bits") ==
          "0x7F");
    CHECK(document({"encode", "1e9", "--format", "fp16", "--overflow", "saturate"}).at("value") ==
          65504);
    CHECK(document({"encode", "inf", "--format", "int8", "--overflow", "saturate"}).at("value") ==
          127);
    CHECK(document({"encode", "2.5", "--format", "int8", "--rounding", "away"}).at("value") == 3);
    CHECK(document({"encode", "2.9", "--format", "int8", "--rounding", "zero"}).at("value") == 2);
    const std::vector<std::string> drawn{
        "encode", "0.3", "--format", "fp4_e2m1", "--rounding", "stochastic", "--seed", "7"};
    CHECK(document(drawn) == document(drawn));
}

TEST_CASE("encode without a format shows them all") {
    const Json all = document({"encode", "nan"}).at("encodings");
    REQUIRE(all.size() == loupe::allFormats().size());
    CHECK(all.at(3).at("bits") == "0x7E00");
    CHECK(all.at(16).at("error") == "int32 has no NaN");
    CHECK(runProgram("loupe", {"encode", "-.1"}).out.find("fp8_e5m2fnuz") != std::string::npos);
}

TEST_CASE("formats and encode: errors") {
    checkFails(2, {"encode"});
    checkFails(2, {"encode", "1", "--format", "fp17"});
    checkFails(2, {"encode", "1", "--format"});
    checkFails(2, {"encode", "one", "--format", "fp16"});
    checkFails(2, {"encode", "1", "2", "--format", "fp16"});
    checkFails(2, {"encode", "1", "--format", "fp16", "--rounding", "up"});
    checkFails(2, {"encode", "1", "--format", "fp16", "--overflow", "wrap"});
    checkFails(2, {"encode", "1", "--format", "fp16", "--seed", "x"});
    checkFails(2, {"encode", "bits:0x12345", "--format", "fp16"});
    checkFails(2, {"encode", "1", "--format", "mxfp4"});
    checkFails(2, {"encode", "1", "--format", "q4_k"});
    checkFails(2, {"formats", "extra"});
    checkFails(1, {"encode", "nan", "--format", "int8"});
    checkFails(1, {"encode", "nan", "--format", "fp4_e2m1"});
    checkFails(1, {"encode", "inf", "--format", "int8"});
    checkFails(1, {"encode", "-inf", "--format", "uint4", "--overflow", "special"});
}
