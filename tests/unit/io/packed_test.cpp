// SPDX-License-Identifier: Apache-2.0
// Packed checkpoints: every weight as the format's own library dequantizes it (goldens by
// tests/oracles/packed.py), whole and row by row, and every weight again from its microscope view.
#include "core/io/packed/packed.hpp"

#include "tests/unit/io/view_support.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>

using namespace loupe;
using namespace loupe::test;
namespace fs = std::filesystem;

namespace {

struct Golden {
    fs::path folder;
    fs::path expected;
    [[nodiscard]] std::string name() const {
        return folder.parent_path().filename().string() + "/" + folder.filename().string();
    }
};

std::vector<Golden> goldens() {
    std::vector<Golden> found;
    for (const auto& scheme : fs::directory_iterator(goldenDir() / "io" / "packed")) {
        if (!scheme.is_directory()) {
            continue;
        }
        for (const auto& entry : fs::directory_iterator(scheme.path())) {
            if (entry.is_directory()) {
                found.push_back({entry.path(), entry.path().string() + ".expected.safetensors"});
            }
        }
    }
    std::sort(found.begin(), found.end(), [](const Golden& a, const Golden& b) {
        return a.folder < b.folder;
    });
    return found;
}

std::size_t firstDifference(const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!same(a[i], b[i])) {
            CAPTURE(i, a[i], b[i]);
            return i;
        }
    }
    return a.size();
}

/// Rows in pieces of odd sizes give what the whole matrix gives.
void checkPieces(const RowSource& rows, const std::vector<double>& all) {
    std::vector<float> piece(static_cast<std::size_t>(rows.cols() * 7));
    for (std::int64_t first = 0; first < rows.rows();) {
        const std::int64_t n = std::min<std::int64_t>(first % 2 == 0 ? 1 : 7, rows.rows() - first);
        REQUIRE(rows.read(first, n, piece.data()).has_value());
        for (std::int64_t i = 0; i < n * rows.cols(); ++i) {
            const auto at = static_cast<std::size_t>(first * rows.cols() + i);
            REQUIRE(same(static_cast<double>(piece[static_cast<std::size_t>(i)]), all[at]));
        }
        first += n;
    }
}

}  // namespace

TEST_CASE("packed weights are what the format's own library makes of them") {
    const std::vector<Golden> all = goldens();
    REQUIRE(all.size() > 20);
    for (const Golden& golden : all) {
        CAPTURE(golden.name());
        const auto source = openSource(golden.folder.string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().warnings.empty());
        REQUIRE((*source)->stored() != nullptr);
        const auto expected = openSource(golden.expected.string());
        REQUIRE(expected.has_value());
        for (const TensorInfo& wanted : (*expected)->tensors()) {
            CAPTURE(wanted.name);
            const auto index = (*source)->find(wanted.name);
            REQUIRE(index.has_value());
            const TensorInfo& tensor = (*source)->tensors()[*index];
            REQUIRE(tensor.packed != nullptr);
            CAPTURE(tensor.problem ? tensor.problem->message() : "");
            REQUIRE(!tensor.problem);
            CHECK(tensor.shape == wanted.shape);
            CHECK(tensor.parameters == wanted.parameters);
            CHECK(tensor.packed->bitsPerWeight >= tensor.packed->codeBits);
            const auto rows = (*source)->matrix(*index);
            CAPTURE(rows ? "" : rows.error().message());
            REQUIRE(rows.has_value());
            const std::vector<double> values = readAll(**rows);
            const std::vector<double> reference = readAll(*matrixOf(**expected, wanted.name));
            CHECK(firstDifference(values, reference) == values.size());
            checkPieces(**rows, values);
            checkViews(**source, *index, values);
        }
    }
}

TEST_CASE("a logical view hides the parts and keeps everything else") {
    const fs::path folder = goldenDir() / "io" / "packed" / "gptq" / "b4_act_order";
    const auto logical = openSource(folder.string());
    REQUIRE(logical.has_value());
    REQUIRE((*logical)->tensors().size() == 3);
    CHECK(!(*logical)->find("layer.qweight").has_value());
    CHECK((*logical)->find("norm.weight").has_value());
    CHECK((*logical)->find("layer.bias").has_value());
    const auto index = (*logical)->find("layer.weight");
    REQUIRE(index.has_value());
    const TensorInfo& tensor = (*logical)->tensors()[*index];
    CHECK(tensor.packed->quantization == "gptq");
    CHECK(tensor.packed->parts ==
          std::vector<std::string>{"layer.qweight", "layer.qzeros", "layer.scales", "layer.g_idx"});
    CHECK(tensor.packed->storedShape == std::vector<std::int64_t>{12, 64});
    CHECK(tensor.shape == std::vector<std::int64_t>{64, 96});
    CHECK(tensor.parameters == 64 * 96);
    CHECK(tensor.packed->codeBits == 4.0);
    // 4 bits, and for 32 weights each 16 + 4 bits, and 32 bits of g_idx for each input.
    CHECK(tensor.packed->bitsPerWeight == 4.0 + 20.0 / 32 + 32.0 / 64);
    CHECK((*logical)->info().parameters == 64 * 96 + 64 + 8);

    OpenOptions stored;
    stored.stored = true;
    const auto plain = openSource(folder.string(), stored);
    REQUIRE(plain.has_value());
    CHECK((*plain)->stored() == nullptr);
    CHECK((*plain)->tensors().size() == 6);
    CHECK((*logical)->stored()->tensors().size() == 6);
    CHECK((*logical)->info().bytes == (*plain)->info().bytes);
}

TEST_CASE("a layout that was asked for does not turn packed parts round") {
    OpenOptions options;
    options.layout = Layout::InOut;
    for (const char* name : {"gptq/b4_act_order", "awq/gemm_g32", "bnb_int8/row"}) {
        CAPTURE(name);
        const fs::path folder = goldenDir() / "io" / "packed" / name;
        const auto turned = openSource(folder.string(), options);
        const auto plain = openSource(folder.string());
        REQUIRE(turned.has_value());
        REQUIRE(plain.has_value());
        CHECK(firstDifference(readAll(*matrixOf(**turned, "layer.weight")),
                              readAll(*matrixOf(**plain, "layer.weight"))) ==
              readAll(*matrixOf(**plain, "layer.weight")).size());
    }
}

TEST_CASE("parts of one weight may lie in different shards") {
    const fs::path golden = goldenDir() / "io" / "packed" / "gptq" / "b4_act_order";
    OpenOptions asStored;
    asStored.stored = true;
    const auto stored = openSource(golden.string(), asStored);
    REQUIRE(stored.has_value());
    const std::string file = readFile(golden / "model.safetensors");
    const std::map<std::string, std::string> dtypes{
        {"int32", "I32"}, {"fp16", "F16"}, {"fp32", "F32"}};
    const fs::path folder = scratchDir();
    std::string map;
    std::size_t shard = 0;
    for (const TensorInfo& tensor : (*stored)->tensors()) {
        const std::string name = "model-" + std::to_string(shard++) + ".safetensors";
        std::string text = safetensorsFile(objectOf({entry(tensor.name,
                                                           dtypes.at(tensor.dtypeName),
                                                           packed::shapeText(tensor.shape),
                                                           0,
                                                           tensor.bytes)}),
                                           0);
        text.append(file, *tensor.offset, tensor.bytes);
        writeFile(folder / name, text);
        map += map.empty() ? "\"" : ",\"";
        map += tensor.name;
        map += "\":\"";
        map += name;
        map += "\"";
    }
    std::string index = "{\"metadata\":{\"total_size\":4096},\"weight_map\":{";
    index += map;
    index += "}}";
    writeFile(folder / "model.safetensors.index.json", index);
    writeFile(folder / "config.json", readFile(golden / "config.json"));
    for (const fs::path& path : {folder, folder / "model.safetensors.index.json"}) {
        const auto source = openSource(path.string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().warnings.empty());
        const auto found = (*source)->find("layer.weight");
        REQUIRE(found.has_value());
        const auto expected = openSource(golden.string() + ".expected.safetensors");
        REQUIRE(expected.has_value());
        const std::vector<double> values = readAll(*matrixOf(**source, "layer.weight"));
        CHECK(firstDifference(values, readAll(*matrixOf(**expected, "layer.weight"))) ==
              values.size());
        checkViews(**source, *found, values);
        const auto view = (*source)->block(*found, 3, 5);
        REQUIRE(view.has_value());
        CHECK(view->spans.front().file != view->spans.back().file);
    }
    // A shard that is missing is the problem of the weight that needs it.
    const auto whole = openSource(folder.string());
    REQUIRE(whole.has_value());
    const auto weight = (*whole)->find("layer.weight");
    REQUIRE(weight.has_value());
    for (const fs::path& path : (*whole)->info().files) {
        if (readFile(path).find("layer.scales") != std::string::npos) {
            fs::remove(path);
        }
    }
    const auto broken = openSource(folder.string());
    REQUIRE(broken.has_value());
    const auto index2 = (*broken)->find("layer.weight");
    REQUIRE(index2.has_value());
    CHECK((*broken)->tensors()[*index2].problem.has_value());
    CHECK(!(*broken)->matrix(*index2).has_value());
    CHECK((*broken)->matrix(*(*broken)->find("norm.weight")).has_value());
}

TEST_CASE("groups, zero points and act-order are what the scheme says") {
    struct Case {
        const char* folder;
        std::int64_t rows;
        std::int64_t cols;
        std::optional<bool> symmetric;
        std::optional<bool> actOrder;
    };
    const std::vector<Case> cases{{"gptq/b4_v1", 1, 32, std::nullopt, false},
                                  {"gptq/b4_act_order", 1, 32, std::nullopt, true},
                                  {"gptq/b4_channel", 1, 96, std::nullopt, false},
                                  {"gptq/autogptq_packed", 1, 32, true, false},
                                  {"gptq/planar_b5", 1, 32, false, false},
                                  {"gptq/planar_b6", 1, 32, false, true},
                                  {"marlin/b4_g128", 1, 128, true, false},
                                  {"marlin/24_b4_channel", 1, 128, true, false},
                                  {"awq/gemm_g48", 1, 48, false, false},
                                  {"bnb_4bit/fp4_f16", 1, 128, true, false},
                                  {"bnb_int8/row", 1, 40, true, false},
                                  {"compressed_int/pack_b4_asym", 1, 32, false, false},
                                  {"compressed_int/pack_b4_act_order", 1, 32, true, true},
                                  {"compressed_int/int8_tensor", 24, 96, true, false},
                                  {"nvfp4/modelopt", 1, 16, true, false},
                                  {"nvfp4/ct_mxfp6", 1, 32, true, false},
                                  {"modelopt_int4/int4", 1, 32, true, false},
                                  {"fp8/block_ragged", 128, 128, true, false},
                                  {"mlx/b4_g64_bf16", 1, 64, false, false},
                                  {"sparse/bitmask_bf16", 0, 0, std::nullopt, std::nullopt},
                                  {"sparse/24_int8", 1, 96, true, false}};
    for (const Case& wanted : cases) {
        CAPTURE(wanted.folder);
        const auto source = openSource((goldenDir() / "io" / "packed" / wanted.folder).string());
        REQUIRE(source.has_value());
        const auto index =
            (*source)->find("layer.weight").value_or((*source)->find("proj.weight").value_or(0));
        const TensorInfo& tensor = (*source)->tensors()[index];
        REQUIRE(tensor.packed != nullptr);
        CHECK(tensor.packed->groupRows == wanted.rows);
        CHECK(tensor.packed->groupCols == wanted.cols);
        CHECK(tensor.packed->symmetric == wanted.symmetric);
        CHECK(tensor.packed->actOrder == wanted.actOrder);
    }
}
