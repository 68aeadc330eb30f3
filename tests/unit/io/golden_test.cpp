// SPDX-License-Identifier: Apache-2.0
// Files written by the formats' own libraries, against what those libraries say they hold
// (tests/oracles/io.py).
#include "core/io/npy_writer.hpp"
#include "core/io/safetensors_writer.hpp"
#include "tests/unit/io/io_support.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>

using namespace loupe;
using namespace loupe::test;

namespace {

const std::filesystem::path kFolder = goldenDir() / "io";

/// The magnitude of a complex number is rounded once more by one library and not by the other.
bool close(double got, double expected, const std::string& dtype) {
    if (std::isnan(expected)) {
        return std::isnan(got);
    }
    if (dtype == "complex64") {
        return std::abs(got - expected) <= std::abs(expected) * 0x1p-23;
    }
    if (dtype == "complex128") {
        return std::abs(got - expected) <= std::abs(expected) * 0x1p-52;
    }
    return got == expected && std::signbit(got) == std::signbit(expected);
}

void checkTensor(const TensorSource& source,
                 const std::string& name,
                 const nlohmann::json& expected) {
    CAPTURE(name);
    const auto index = source.find(name);
    REQUIRE(index.has_value());
    const TensorInfo& tensor = source.tensors()[*index];
    const std::string dtype = expected["dtype"];
    CHECK_FALSE(tensor.problem.has_value());
    CHECK(tensor.dtypeName == dtype);
    CHECK(tensor.shape == expected["shape"].get<std::vector<std::int64_t>>());
    CHECK(tensor.rows == expected["rows"].get<std::int64_t>());
    CHECK(tensor.cols == expected["cols"].get<std::int64_t>());
    const auto matrix = source.matrix(*index);
    REQUIRE(matrix.has_value());
    const std::vector<double> values = readAll(**matrix);
    REQUIRE(values.size() == expected["values"].size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string text = expected["values"][i];
        CAPTURE(i, values[i], text);
        CHECK(close(values[i], std::strtod(text.c_str(), nullptr), dtype));
    }
    // Rows one by one, as float: the same values rounded.
    std::vector<float> row(static_cast<std::size_t>(tensor.cols));
    for (std::int64_t r = 0; r < tensor.rows; ++r) {
        REQUIRE((*matrix)->read(r, 1, row.data()).has_value());
        for (std::size_t c = 0; c < row.size(); ++c) {
            const double wide = values[static_cast<std::size_t>(r * tensor.cols) + c];
            CHECK(close(static_cast<double>(row[c]),
                        static_cast<double>(static_cast<float>(wide)),
                        dtype == "complex128" ? "complex64" : dtype));
        }
    }
}

}  // namespace

TEST_CASE("files of the formats' own libraries read as those libraries read them") {
    const nlohmann::json all = nlohmann::json::parse(readFile(kFolder / "expected.json"));
    REQUIRE(all.size() > 20);
    for (const auto& [file, tensors] : all.items()) {
        CAPTURE(file);
        const Opened source = openSource((kFolder / file).string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().warnings.empty());
        CHECK((*source)->tensors().size() == tensors.size());
        for (const auto& [name, expected] : tensors.items()) {
            checkTensor(**source, name, expected);
        }
    }
}

TEST_CASE("arrays of objects, records, text and dates are refused in words") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"object", "pickled Python objects"},
        {"structured", "structured dtype"},
        {"text", "text"},
        {"date", "dates"}};
    for (const auto& [name, word] : cases) {
        const Opened source = openSource((kFolder / ("refused_" + name + ".npy")).string());
        REQUIRE_FALSE(source.has_value());
        CHECK(source.error().code == ErrorCode::Unsupported);
        CHECK_THAT(source.error().what, Catch::Matchers::ContainsSubstring(word));
    }
}

TEST_CASE("arrays whose type NumPy lost are listed with a problem and a hint") {
    for (const char* name : {"marked_bfloat16", "marked_fp8"}) {
        const Opened source = openSource((kFolder / (std::string(name) + ".npy")).string());
        REQUIRE(source.has_value());
        const TensorInfo& tensor = (*source)->tensors()[0];
        REQUIRE(tensor.problem.has_value());
        CHECK_THAT(tensor.problem->hint, Catch::Matchers::ContainsSubstring("ml_dtypes"));
        CHECK(tensor.shape == std::vector<std::int64_t>{3, 4});
        CHECK_FALSE((*source)->matrix(0).has_value());
    }
}

TEST_CASE("what the writers write reads back, and is what the libraries write") {
    const Opened golden = openSource((kFolder / "types.safetensors").string());
    REQUIRE(golden.has_value());
    SafetensorsWriter writer;
    writer.metadata("format", "np");
    for (const TensorInfo& tensor : (*golden)->tensors()) {
        const std::string name = tensor.name;
        writer.add(name, tensor.dtypeName, tensor.shape, [&golden, name](const ByteSink& sink) {
            return sink(matrixOf(**golden, name)->raw()->bytes);
        });
    }
    const std::filesystem::path path = scratchDir() / "round.safetensors";
    REQUIRE(writer.write(path).has_value());
    const Opened again = openSource(path.string());
    REQUIRE(again.has_value());
    CHECK((*again)->info().warnings.empty());
    CHECK((*again)->info().metadata ==
          std::vector<std::pair<std::string, std::string>>{{"format", "np"}});
    REQUIRE((*again)->tensors().size() == (*golden)->tensors().size());
    for (const TensorInfo& tensor : (*golden)->tensors()) {
        const auto a = matrixOf(**golden, tensor.name)->raw()->bytes;
        const auto b = matrixOf(**again, tensor.name)->raw()->bytes;
        CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    }
    for (const auto& [name, dtype] :
         std::vector<std::pair<std::string, std::string>>{{"f4", "fp32"},
                                                          {"i8", "int64"},
                                                          {"bool", "bool"},
                                                          {"scalar", "fp64"},
                                                          {"vector", "fp32"},
                                                          {"cube", "fp32"}}) {
        const Opened source = openSource((kFolder / (name + ".npy")).string());
        REQUIRE(source.has_value());
        const std::filesystem::path copy = scratchDir() / (name + ".npy");
        REQUIRE(writeNpy(copy, dtype, (*source)->tensors()[0].shape, [&](const ByteSink& sink) {
                    return sink((*(*source)->matrix(0))->raw()->bytes);
                }).has_value());
        CAPTURE(name);
        CHECK(readFile(copy) == readFile(kFolder / (name + ".npy")));
    }
}

TEST_CASE("a writer that fails leaves nothing behind") {
    const std::filesystem::path folder = scratchDir() / "writers";
    std::filesystem::create_directories(folder);
    SafetensorsWriter writer;
    writer.add("w", "fp32", {1}, [](const ByteSink&) -> Result<void> {
        return fail(ErrorCode::Invalid, "no value");
    });
    const Result<void> written = writer.write(folder / "x.safetensors");
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().what == "tensor w: no value");
    CHECK(std::filesystem::is_empty(folder));
    CHECK_FALSE(writer.write(folder / "no" / "such" / "x.safetensors").has_value());
    SafetensorsWriter cancelled;
    cancelled.add("w", "fp32", {1}, [](const ByteSink&) -> Result<void> { throw Cancelled{}; });
    CHECK_THROWS_AS(static_cast<void>(cancelled.write(folder / "x.safetensors")), Cancelled);
    CHECK(std::filesystem::is_empty(folder));
    SafetensorsWriter unknown;
    unknown.add("w", "nf4", {2}, [](const ByteSink&) -> Result<void> { return {}; });
    CHECK_FALSE(unknown.write(folder / "x.safetensors").has_value());
}
