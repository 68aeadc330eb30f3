// SPDX-License-Identifier: Apache-2.0
// ONNX models: what the onnx package itself reads and computes from them
// (tests/oracles/onnx_models.py), value for value.
#include "tests/unit/io/io_support.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <map>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const std::filesystem::path kFolder = goldenDir() / "io" / "onnx";

nlohmann::json goldenOf(const char* name) {
    return nlohmann::json::parse(readFile(kFolder / name));
}

/// Values in the order of the file, whatever the matrix made of them.
std::vector<double> valuesInOrder(const TensorInfo& tensor, const RowSource& rows) {
    std::vector<double> values = readAll(rows);
    if (!tensor.transposed) {
        return values;
    }
    std::vector<double> turned(values.size());
    for (std::int64_t r = 0; r < tensor.rows; ++r) {
        for (std::int64_t c = 0; c < tensor.cols; ++c) {
            turned[static_cast<std::size_t>(c * tensor.rows + r)] =
                values[static_cast<std::size_t>(r * tensor.cols + c)];
        }
    }
    return turned;
}

/// NaN has many codes; conversions of different libraries keep different ones.
std::vector<std::uint64_t> codesOf(const std::vector<double>& values) {
    std::vector<std::uint64_t> codes;
    for (const double value : values) {
        codes.push_back(std::isnan(value) ? 0x7FF8000000000000U
                                          : std::bit_cast<std::uint64_t>(value));
    }
    return codes;
}

std::vector<double> valuesOfHex(const std::string& hex) {
    std::vector<double> values(hex.size() / 16);
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::uint64_t code = 0;
        for (std::size_t byte = 8; byte-- > 0;) {
            code = code << 8U | std::stoul(hex.substr(16 * i + 2 * byte, 2), nullptr, 16);
        }
        values[i] = std::bit_cast<double>(code);
    }
    return values;
}

const TensorInfo& tensorOf(const TensorSource& source, const std::string& name) {
    const auto index = source.find(name);
    CAPTURE(name);
    REQUIRE(index.has_value());
    return source.tensors()[*index];
}

}  // namespace

TEST_CASE("onnx: every data type, graph, constant, external and dequantized tensor") {
    const nlohmann::json expected = goldenOf("expected.json");
    CHECK(expected.size() == 5);
    CHECK(expected["types.onnx"].size() == 53);  // 25 types twice, three shapes
    for (const auto& [file, tensors] : expected.items()) {
        CAPTURE(file);
        const Opened source = openSource((kFolder / file).string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().format == "onnx");
        // In one of them two tensors would have one name.
        CHECK((*source)->info().warnings.size() == (file == "quantized_typed.onnx" ? 1U : 0U));
        CHECK((*source)->tensors().size() == tensors.size());
        for (const auto& [name, wanted] : tensors.items()) {
            const TensorInfo& tensor = tensorOf(**source, name);
            CAPTURE(name);
            CHECK(tensor.shape == wanted["shape"].get<std::vector<std::int64_t>>());
            CHECK_FALSE(tensor.problem.has_value());
            const auto values = valuesInOrder(tensor, *matrixOf(**source, name));
            CHECK(codesOf(values) == codesOf(valuesOfHex(wanted["values"])));
        }
    }
}

TEST_CASE("onnx: the right side of a product is [in, out], other matrices are as stored") {
    const auto source = openSource((kFolder / "graphs.onnx").string()).value();
    for (const auto& [name, turned] : std::map<std::string, bool>{{"matmul.weight", true},
                                                                  {"gemm.in_out", true},
                                                                  {"gemm.out_in", false},
                                                                  {"linear.weight", false},
                                                                  {"half.weight", true},
                                                                  {"conv.weight", false},
                                                                  {"outside", true},
                                                                  {"If_1.then_branch.inside", true},
                                                                  {"c_value", false}}) {
        CAPTURE(name);
        CHECK(tensorOf(*source, name).transposed == turned);
    }
    const TensorInfo& weight = tensorOf(*source, "matmul.weight");
    CHECK(weight.rows == 6);
    CHECK(weight.cols == 4);
    CHECK(weight.shape == std::vector<std::int64_t>{4, 6});
    for (const auto& [layout, turned] : {std::pair{Layout::OutIn, false}, {Layout::InOut, true}}) {
        const auto other = openSource((kFolder / "graphs.onnx").string(), {layout}).value();
        CHECK(tensorOf(*other, "matmul.weight").transposed == turned);
        CHECK(tensorOf(*other, "gemm.out_in").transposed == turned);
    }
}

TEST_CASE("onnx: offsets are those of the file, also of external data") {
    const auto types = openSource((kFolder / "types.onnx").string()).value();
    const std::string bytes = readFile(kFolder / "types.onnx");
    for (const char* name : {"float.raw", "float.typed", "double.typed", "int8.raw"}) {
        CAPTURE(name);
        const TensorInfo& tensor = tensorOf(*types, name);
        REQUIRE(tensor.offset.has_value());
        double value = 0;
        decodeElements(*tensor.type,
                       std::as_bytes(std::span(bytes)).subspan(*tensor.offset, tensor.bytes),
                       0,
                       1,
                       &value);
        CHECK(value == readAll(*matrixOf(*types, name))[0]);
    }
    CHECK_FALSE(tensorOf(*types, "int32.typed").offset.has_value());  // one by one
    const auto external = openSource((kFolder / "external.onnx").string()).value();
    CHECK(external->info().files.size() == 2);
    CHECK(tensorOf(*external, "two").file == 1);
    CHECK(tensorOf(*external, "two").offset.value() % 4 == 0);
    CHECK(matrixOf(*external, "two")->raw().has_value());
}

TEST_CASE("onnx: codes, scales and zero points make one logical tensor") {
    const std::string path = (kFolder / "quantized.onnx").string();
    const auto source = openSource(path).value();
    const TensorInfo& tensor = tensorOf(*source, "tensor");
    REQUIRE(tensor.packed != nullptr);
    CHECK(tensor.packed->quantization == "qdq");
    CHECK(tensor.packed->parts ==
          std::vector<std::string>{"tensor_quantized", "tensor_scale", "tensor_zero_point"});
    CHECK(tensor.dtypeName == "uint8");
    CHECK(tensor.parameters == 24);
    CHECK(tensor.bytes == 24 + 4 + 1);
    CHECK(tensor.transposed);
    const TensorInfo& blocks = tensorOf(*source, "blocks");
    CHECK(blocks.packed->codeBits == 4);
    CHECK(blocks.packed->bitsPerWeight == 4 + (15 * 32 + 64) / 35.0);
    REQUIRE(source->stored() != nullptr);
    CHECK(source->stored()->tensors().size() == 3 + 3 + 2 + 2 + 2 + 2 + 3 + 2);
    OpenOptions options;
    options.stored = true;
    const auto stored = openSource(path, options).value();
    CHECK(stored->stored() == nullptr);
    CHECK(tensorOf(*stored, "tensor_quantized").packed == nullptr);
    CHECK(readAll(*matrixOf(*stored, "tensor_zero_point")) == std::vector<double>{131});
}

TEST_CASE("onnx: Debian's test models, none may fail") {
    const char* folder = std::getenv("LOUPE_TEST_ONNX");
    if (folder == nullptr) {
        WARN("skipped: LOUPE_TEST_ONNX names no folder with Debian's libonnx-testdata");
        return;
    }
    std::size_t models = 0;
    std::size_t tensors = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".onnx") {
            continue;
        }
        CAPTURE(entry.path().string());
        ++models;
        const Opened source = openSource(entry.path().string());
        REQUIRE(source.has_value());
        for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
            ++tensors;
            const bool text = (*source)->tensors()[i].dtypeName == "string";
            CHECK((*source)->matrix(i).has_value() == !text);
        }
    }
    WARN(models << " models, " << tensors << " tensors");
    CHECK(models >= 1072);
    OpenOptions options;
    options.stored = true;
    const nlohmann::json golden = goldenOf("testdata.json");
    for (const auto& [file, entries] : golden.items()) {
        const auto source = openSource((std::filesystem::path(folder) / file).string(), options);
        CAPTURE(file);
        REQUIRE(source.has_value());
        for (const auto& [name, wanted] : entries.items()) {
            const TensorInfo& tensor = tensorOf(**source, name);
            CAPTURE(name);
            CHECK(tensor.shape == wanted["shape"].get<std::vector<std::int64_t>>());
            std::uint64_t hash = 0xCBF29CE484222325;
            for (const std::uint64_t code :
                 codesOf(valuesInOrder(tensor, *matrixOf(**source, name)))) {
                for (unsigned shift = 0; shift < 64; shift += 8) {
                    hash = (hash ^ (code >> shift & 0xFFU)) * 0x100000001B3;
                }
            }
            CHECK(hash == std::stoull(wanted["fnv1a64"].get<std::string>(), nullptr, 16));
        }
    }
}
