// SPDX-License-Identifier: Apache-2.0
// loupe quantize --scheme gptq from outside: figures, files, and what it says when it cannot.
#include "core/base/rng.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <fstream>

using namespace loupe;
using Catch::Matchers::WithinRel;
using nlohmann::json;
using test::runProgram;

namespace {

/// A CSV file in full precision: FP64.
std::string csv(const std::string& name, const Matrix<double>& matrix) {
    const auto path = test::scratchDir() / name;
    std::ofstream file(path);
    file.precision(17);
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        for (std::int64_t col = 0; col < matrix.cols(); ++col) {
            file << (col > 0 ? "," : "") << matrix(row, col);
        }
        file << '\n';
    }
    return path.string();
}

Matrix<double> normals(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Matrix<double> m(rows, cols);
    for (std::int64_t i = 0; i < m.size(); ++i) {
        m.data()[i] = randomNormal(seed, static_cast<std::uint64_t>(i));
    }
    return m;
}

std::string refused(const std::vector<std::string>& arguments, int status) {
    std::vector<std::string> all{"quantize"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = runProgram("loupe", all);
    CHECK(result.exitCode == status);
    CHECK(result.out.empty());
    return result.err;
}

bool has(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("gptq on F1 from files") {
    const FixtureF1 fixture = fixtureF1();
    const auto result = runProgram("loupe",
                                   {"quantize",
                                    csv("gptq_w.csv", fixture.weight),
                                    "--scheme",
                                    "gptq:per=row",
                                    "--activations",
                                    csv("gptq_x.csv", fixture.activations),
                                    "--json"});
    CAPTURE(result.err);
    REQUIRE(result.exitCode == 0);
    const json document = json::parse(result.out);
    CHECK(document["scheme"] == "gptq:per=row");
    CHECK_THAT(document["metrics"]["output_relative_error"].get<double>(), WithinRel(.0398, .001));
}

TEST_CASE("what gptq cannot do, and what to do about it") {
    const std::string w = csv("gptq_w24.csv", normals(24, 40, 1));
    const std::string few = csv("gptq_few.csv", normals(12, 40, 2));
    CHECK(has(refused({w, "--scheme", "gptq"}, 1), "'gptq' needs --activations"));
    const std::string wide = csv("gptq_wide.csv", normals(12, 41, 3));
    CHECK(has(refused({w, "--scheme", "gptq", "--activations", wide}, 1), "[tokens, 40]"));
    const std::string singular = refused({w, "--scheme", "gptq:damp=0", "--activations", few}, 1);
    CHECK(has(singular, "not positive definite with damp=0"));
    CHECK(has(singular, "12 calibration tokens are fewer than the 40 inputs"));
    CHECK(has(singular, "a larger damp"));
    CHECK(has(refused({w, "--scheme", "gptq:bits=9", "--activations", few}, 2), "2 to 8"));
    CHECK(has(refused({w, "--scheme", "gptq:damp=-1", "--activations", few}, 2), "0 to 100"));
    CHECK(has(refused({w, "--scheme", "gptq:per=row,static_groups=true"}, 2), "per=group"));
    const auto enough =
        runProgram("loupe", {"quantize", w, "--scheme", "gptq", "--activations", few});
    CHECK(enough.exitCode == 0);  // damping makes up for the missing tokens
}
