// SPDX-License-Identifier: Apache-2.0
// PyTorch checkpoints: what torch itself loads from the files that it wrote
// (tests/oracles/pytorch.py), value for value.
#include "tests/unit/io/io_support.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <map>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const std::filesystem::path kFolder = goldenDir() / "io" / "pytorch";

nlohmann::json expectedTensors() {
    return nlohmann::json::parse(readFile(kFolder / "expected.json"));
}

std::string hexOf(const std::vector<double>& values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    const std::size_t count = values.size() * sizeof(double);
    constexpr std::size_t kMostWritten = 2048;
    const char* digits = "0123456789abcdef";
    std::string text;
    if (count <= kMostWritten) {
        for (std::size_t i = 0; i < count; ++i) {
            text += digits[bytes[i] >> 4U];
            text += digits[bytes[i] & 15U];
        }
        return text;
    }
    std::uint64_t hash = 0xCBF29CE484222325;
    for (std::size_t i = 0; i < count; ++i) {
        hash = (hash ^ bytes[i]) * 0x100000001B3;
    }
    for (unsigned shift = 64; shift > 0;) {
        shift -= 4;
        text += digits[hash >> shift & 15U];
    }
    return "fnv1a64:" + text;
}

/// NaN has many codes; PyTorch's conversions keep none of them.
void oneNan(std::vector<double>& values) {
    for (double& value : values) {
        if (std::isnan(value)) {
            value = std::bit_cast<double>(std::uint64_t{0x7FF8000000000000});
        }
    }
}

const std::map<std::string, std::string>& namesOfTypes() {
    static const std::map<std::string, std::string> names{{"float64", "fp64"},
                                                          {"float32", "fp32"},
                                                          {"float16", "fp16"},
                                                          {"bfloat16", "bf16"},
                                                          {"float8_e4m3fn", "fp8_e4m3"},
                                                          {"float8_e5m2", "fp8_e5m2"},
                                                          {"float8_e4m3fnuz", "fp8_e4m3fnuz"},
                                                          {"float8_e5m2fnuz", "fp8_e5m2fnuz"}};
    return names;
}

void compare(const TensorSource& source, const std::string& name, const nlohmann::json& wanted) {
    CAPTURE(name);
    const auto index = source.find(name);
    REQUIRE(index.has_value());
    const TensorInfo& tensor = source.tensors()[*index];
    CHECK(tensor.shape == wanted["shape"].get<std::vector<std::int64_t>>());
    const std::string torch = wanted["dtype"];
    const auto own = namesOfTypes().find(torch);
    CHECK(tensor.dtypeName == (own == namesOfTypes().end() ? torch : own->second));
    const auto matrix = source.matrix(*index);
    REQUIRE(matrix.has_value());
    std::vector<double> values = readAll(**matrix);
    oneNan(values);
    // Stacks of experts are [experts·out, in], everything else [dim0, rest]: both in C order.
    CHECK(hexOf(values) == wanted["values"].get<std::string>());
    if ((*matrix)->isDouble() || values.empty()) {
        return;
    }
    // Single rows, as float: the same numbers.
    std::vector<float> row(static_cast<std::size_t>(tensor.cols));
    for (std::int64_t r = 0; r < tensor.rows; r += std::max<std::int64_t>(tensor.rows / 5, 1)) {
        REQUIRE((*matrix)->read(r, 1, row.data()).has_value());
        for (std::int64_t c = 0; c < tensor.cols; ++c) {
            const double value = values[static_cast<std::size_t>(r * tensor.cols + c)];
            const float single = row[static_cast<std::size_t>(c)];
            CHECK((std::isnan(value) ? std::isnan(single) : single == static_cast<float>(value)));
        }
    }
}

bool warns(const TensorSource& source, const std::string& part) {
    for (const std::string& warning : source.info().warnings) {
        if (warning.find(part) != std::string::npos) {
            return true;
        }
    }
    return false;
}

std::string metadataOf(const TensorSource& source, const std::string& key) {
    for (const auto& [name, value] : source.info().metadata) {
        if (name == key) {
            return value;
        }
    }
    return "no such key";
}

}  // namespace

TEST_CASE("pytorch: every tensor of every golden file, bit for bit") {
    const nlohmann::json expected = expectedTensors();
    CHECK(expected.size() == 14);
    for (const auto& [file, tensors] : expected.items()) {
        CAPTURE(file);
        const Opened source = openSource((kFolder / file).string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().format == (file == "script.pt" ? "torchscript" : "pytorch"));
        const std::size_t more = file == "problems.pt" ? 3 : 0;
        CHECK((*source)->tensors().size() == tensors.size() + more);
        for (const auto& [name, wanted] : tensors.items()) {
            compare(**source, name, wanted);
        }
    }
}

TEST_CASE("pytorch: the offset of a tensor is where its first element lies in the file") {
    for (const char* file : {"types.pt", "types_legacy.pt", "views.pt", "big_endian.pt"}) {
        CAPTURE(file);
        const std::string bytes = readFile(kFolder / file);
        const Opened source = openSource((kFolder / file).string());
        REQUIRE(source.has_value());
        for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
            const TensorInfo& tensor = (*source)->tensors()[i];
            if (tensor.bytes == 0) {
                continue;
            }
            CAPTURE(tensor.name);
            REQUIRE(tensor.offset.has_value());
            const auto size = static_cast<std::size_t>(tensor.type->bits / 8);
            std::string first = bytes.substr(*tensor.offset, size);
            if (std::string(file) == "big_endian.pt") {
                const std::size_t word = tensor.type->isComplex() ? size / 2 : size;
                for (std::size_t at = 0; at < size; at += word) {
                    std::reverse(first.begin() + static_cast<std::ptrdiff_t>(at),
                                 first.begin() + static_cast<std::ptrdiff_t>(at + word));
                }
            }
            double value = 0;
            decodeElements(*tensor.type, std::as_bytes(std::span(first)), 0, 1, &value);
            const auto matrix = (*source)->matrix(i).value();
            std::vector<double> row(static_cast<std::size_t>(tensor.cols));
            REQUIRE(matrix->read(0, 1, row.data()).has_value());
            CHECK((std::isnan(value) ? std::isnan(row[0]) : value == row[0]));
        }
    }
}

TEST_CASE("pytorch: contiguous tensors are mapped, views and shared storages counted once") {
    const auto source = openSource((kFolder / "views.pt").string()).value();
    const auto raw = [&](const char* name) { return matrixOf(*source, name)->raw().has_value(); };
    CHECK(raw("base"));
    CHECK(raw("tied"));
    CHECK(raw("late"));
    CHECK_FALSE(raw("transposed"));
    CHECK_FALSE(raw("expanded"));
    CHECK(warns(*source, "tied and tied_again share one storage; counted once"));
    // 60 floats, 2 of the expanded one, 35 halves from the first to the last that a view of 33
    // touches, 6000 int32.
    CHECK(source->info().bytes == 60 * 4 + 2 * 4 + 35 * 2 + 6000 * 4);
    CHECK(source->tensors()[*source->find("half")].bytes == 33 * 2);
    CHECK(source->tensors()[*source->find("expanded")].bytes == 8);
    CHECK(source->tensors()[*source->find("expanded")].parameters == 14);
    const auto& experts = source->tensors()[*source->find("experts.weight")];
    CHECK(experts.rows == 15);
    CHECK(experts.cols == 4);
}

TEST_CASE("pytorch: [in, out] matrices are read transposed, whatever their strides") {
    for (const char* name : {"transposed",
                             "base",
                             "steps",
                             "flipped_wide",
                             "cube",
                             "experts.weight",
                             "expanded",
                             "overlapping"}) {
        CAPTURE(name);
        const auto plain = openSource((kFolder / "views.pt").string()).value();
        const auto turned = openSource((kFolder / "views.pt").string(), {Layout::InOut}).value();
        const TensorInfo& tensor = turned->tensors()[*turned->find(name)];
        const auto a = readAll(*matrixOf(*plain, name));
        const auto b = readAll(*matrixOf(*turned, name));
        REQUIRE(a.size() == b.size());
        if (!tensor.transposed) {
            CHECK(a == b);
            continue;
        }
        const bool stack = tensor.shape.size() == 3;
        const std::int64_t batches = stack ? tensor.shape[0] : 1;
        const std::int64_t in = tensor.shape[stack ? 1 : 0];
        const std::int64_t out = tensor.shape[stack ? 2 : 1];
        for (std::int64_t e = 0; e < batches; ++e) {
            for (std::int64_t o = 0; o < out; ++o) {
                for (std::int64_t i = 0; i < in; ++i) {
                    CHECK(b[static_cast<std::size_t>((e * out + o) * in + i)] ==
                          a[static_cast<std::size_t>((e * in + i) * out + o)]);
                }
            }
        }
    }
}

TEST_CASE("pytorch: small values become metadata, whole modules are shown and not built") {
    for (const char* file : {"training.ckpt", "training_legacy.bin"}) {
        CAPTURE(file);
        const auto source = openSource((kFolder / file).string()).value();
        CHECK(metadataOf(*source, "epoch") == "17");
        CHECK(metadataOf(*source, "loss") == "0.25");
        CHECK(metadataOf(*source, "name") == "run 4");
        CHECK(metadataOf(*source, "best") == "null");
        CHECK(metadataOf(*source, "done") == "false");
        CHECK(metadataOf(*source, "sizes") == "[1,2,3]");
        CHECK(metadataOf(*source, "shape") == "[4,3]");
        CHECK(metadataOf(*source, "step") == "12.5");
        CHECK(metadataOf(*source, "counter.a") == "2");
        CHECK(source->find("optimizer.state.0.exp_avg").has_value());
        CHECK(source->find("7").has_value());
        CHECK(source->info().warnings.size() == 2);  // the tied weights
    }
    const auto module = openSource((kFolder / "module.pt").string()).value();
    CHECK(warns(*module, "would execute __main__.Net when loaded by Python; refused"));
    CHECK(module->find("blocks.1.weight").has_value());
}

TEST_CASE("pytorch: tensors that are more than a storage have a problem of their own") {
    const auto source = openSource((kFolder / "problems.pt").string()).value();
    for (const auto& [name, part] :
         std::map<std::string, std::string>{{"quantized", "a quantized tensor of PyTorch (quint8)"},
                                            {"sparse", "a sparse tensor"},
                                            {"meta", "meta device"}}) {
        CAPTURE(name);
        const auto index = source->find(name);
        REQUIRE(index.has_value());
        const TensorInfo& tensor = source->tensors()[*index];
        REQUIRE(tensor.problem.has_value());
        CHECK_THAT(tensor.problem->message(), ContainsSubstring(part));
        CHECK_THAT(tensor.problem->where, ContainsSubstring("problems.pt:"));
        CHECK(tensor.shape.size() == 2);
        CHECK_FALSE(source->matrix(*index).has_value());
    }
}
