// SPDX-License-Identifier: Apache-2.0
// Packed checkpoints whose parts contradict each other: a problem of that tensor, said clearly, or
// values that can be read; never a crash, never more memory than the file can back.
#include "core/io/packed/packed.hpp"
#include "tests/unit/io/io_support.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

struct StoredTensor {
    std::string name;
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::string data;
};

struct Checkpoint {
    std::vector<StoredTensor> tensors;
    std::string config;
};

const std::map<std::string, std::pair<std::string, int>>& dtypes() {
    static const std::map<std::string, std::pair<std::string, int>> kTypes{
        {"int32", {"I32", 32}},
        {"int16", {"I16", 16}},
        {"uint32", {"U32", 32}},
        {"int64", {"I64", 64}},
        {"uint8", {"U8", 8}},
        {"int8", {"I8", 8}},
        {"fp16", {"F16", 16}},
        {"bf16", {"BF16", 16}},
        {"fp32", {"F32", 32}},
        {"fp8_e4m3", {"F8_E4M3", 8}}};
    return kTypes;
}

/// Piece by piece and not inlined: g++ 12 sees overflows in longer expressions that are not there.
[[gnu::noinline]] bool replaceIn(std::string& text,
                                 const std::string& from,
                                 const std::string& to) {
    const auto at = text.find(from);
    if (at == std::string::npos) {
        return false;
    }
    std::string made(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at));
    made += to;
    made.append(text.begin() + static_cast<std::ptrdiff_t>(at + from.size()), text.end());
    text = made;
    return true;
}

std::int64_t bytesOfShape(const StoredTensor& tensor) {
    std::int64_t count = 1;
    for (const std::int64_t size : tensor.shape) {
        count *= size;
    }
    return count * dtypes().at(tensor.dtype).second / 8;
}

std::string fileOf(const Checkpoint& checkpoint) {
    std::vector<std::string> entries;
    std::string data;
    for (const StoredTensor& tensor : checkpoint.tensors) {
        std::string bytes = tensor.data;
        bytes.resize(static_cast<std::size_t>(bytesOfShape(tensor)), '\x5A');
        std::string shape = packed::shapeText(tensor.shape);
        entries.push_back(entry(tensor.name,
                                dtypes().at(tensor.dtype).first,
                                shape,
                                data.size(),
                                data.size() + bytes.size()));
        data += bytes;
    }
    std::string file = safetensorsFile(objectOf(entries), 0);
    file += data;
    return file;
}

Checkpoint read(const fs::path& folder) {
    OpenOptions stored;
    stored.stored = true;
    const auto source = openSource((folder / "model.safetensors").string(), stored);
    REQUIRE(source.has_value());
    const std::string file = readFile(folder / "model.safetensors");
    Checkpoint made;
    made.config = readFile(folder / "config.json");
    for (const TensorInfo& tensor : (*source)->tensors()) {
        made.tensors.push_back({tensor.name,
                                tensor.dtypeName,
                                tensor.shape,
                                file.substr(*tensor.offset, tensor.bytes)});
    }
    return made;
}

std::shared_ptr<const TensorSource> open(const Checkpoint& checkpoint) {
    const auto stored = openBytes(fileOf(checkpoint), "model.safetensors");
    REQUIRE(stored.has_value());
    return makeLogicalSource(*stored, checkpoint.config, {});
}

struct Outcome {
    std::size_t problems = 0;
    std::size_t failed = 0;
    std::size_t read = 0;
    std::string message;
};

/// Everything that can be asked of a source.
Outcome walk(const TensorSource& source) {
    Outcome outcome;
    for (std::size_t i = 0; i < source.tensors().size(); ++i) {
        const TensorInfo& tensor = source.tensors()[i];
        if (tensor.packed == nullptr) {
            continue;
        }
        const auto rows = source.matrix(i);
        if (!rows) {
            (tensor.problem ? outcome.problems : outcome.failed)++;
            outcome.message = rows.error().message();
            CHECK(!rows.error().what.empty());
            CHECK(!rows.error().where.empty());
            continue;
        }
        REQUIRE(!tensor.problem);
        ++outcome.read;
        std::vector<float> values(static_cast<std::size_t>((*rows)->rows() * (*rows)->cols()));
        CHECK((*rows)->read(0, (*rows)->rows(), values.data()).has_value());
        for (const std::int64_t row : {std::int64_t{0}, (*rows)->rows() - 1}) {
            const auto view = source.block(i, row, (*rows)->cols() - 1);
            REQUIRE(view.has_value());
            CHECK(view->decode(view->bytes).size() == view->cells.size());
            const std::vector<std::byte> flipped(view->bytes.size(), std::byte{0xFF});
            CHECK(view->decode(flipped).size() == view->cells.size());
            CHECK(!view->explain(flipped, view->element).formula.empty());
        }
    }
    return outcome;
}

std::vector<fs::path> folders() {
    std::vector<fs::path> found;
    for (const auto& scheme : fs::directory_iterator(goldenDir() / "io" / "packed")) {
        if (!scheme.is_directory()) {
            continue;
        }
        for (const auto& one : fs::directory_iterator(scheme.path())) {
            if (one.is_directory() && fs::exists(one.path() / "config.json") &&
                fs::exists(one.path() / "model.safetensors")) {
                found.push_back(one.path());
            }
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

using Change = std::function<bool(StoredTensor&)>;

std::vector<std::pair<std::string, Change>> changes() {
    const auto resize = [](std::size_t axis, std::int64_t by) {
        return [axis, by](StoredTensor& tensor) {
            if (axis >= tensor.shape.size() || tensor.shape[axis] + by < 0) {
                return false;
            }
            tensor.shape[axis] += by;
            return true;
        };
    };
    const auto fill = [](char byte) {
        return [byte](StoredTensor& tensor) {
            std::fill(tensor.data.begin(), tensor.data.end(), byte);
            return !tensor.data.empty();
        };
    };
    const auto type = [](const char* dtype) {
        return [dtype](StoredTensor& tensor) {
            const bool other = tensor.dtype != dtype;
            tensor.dtype = dtype;
            return other;
        };
    };
    return {
        {"one row less", resize(0, -1)},
        {"one row more", resize(0, 1)},
        {"one column less", resize(1, -1)},
        {"one column more", resize(1, 1)},
        {"a layer more", resize(2, 1)},
        {"no rows",
         [](StoredTensor& tensor) {
             if (tensor.shape.empty()) {
                 return false;
             }
             tensor.shape[0] = 0;
             return true;
         }},
        {"flat",
         [](StoredTensor& tensor) {
             if (tensor.shape.size() < 2) {
                 return false;
             }
             const std::int64_t count = bytesOfShape(tensor) * 8 / dtypes().at(tensor.dtype).second;
             tensor.shape = {count};
             return true;
         }},
        {"scalar",
         [](StoredTensor& tensor) {
             tensor.shape.clear();
             return true;
         }},
        {"one axis more",
         [](StoredTensor& tensor) {
             tensor.shape.insert(tensor.shape.begin(), 1);
             return true;
         }},
        {"turned round",
         [](StoredTensor& tensor) {
             std::reverse(tensor.shape.begin(), tensor.shape.end());
             return tensor.shape.size() > 1;
         }},
        {"zeros", fill('\0')},
        {"ones", fill('\xFF')},
        {"braces", fill('{')},
        {"as fp32", type("fp32")},
        {"as uint8", type("uint8")},
        {"as int64", type("int64")},
    };
}

}  // namespace

TEST_CASE("parts that do not fit are a problem of their tensor") {
    std::size_t cases = 0;
    std::size_t refused = 0;
    for (const fs::path& folder : folders()) {
        const Checkpoint good = read(folder);
        for (std::size_t part = 0; part < good.tensors.size(); ++part) {
            Checkpoint without = good;
            without.tensors.erase(without.tensors.begin() + static_cast<std::ptrdiff_t>(part));
            CAPTURE(folder.string(), good.tensors[part].name);
            walk(*open(without));
            ++cases;
            for (const auto& [name, change] : changes()) {
                Checkpoint bad = good;
                if (!change(bad.tensors[part])) {
                    continue;
                }
                CAPTURE(name);
                const Outcome outcome = walk(*open(bad));
                refused += outcome.problems + outcome.failed;
                ++cases;
            }
        }
        for (const char* config :
             {"{",
              "[]",
              "{\"quantization_config\":3}",
              "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":-7,\"group_size\":0}}",
              "{\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":99999999999999999999,"
              "\"group_size\":7}}",
              "{\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[0,-1]}}",
              "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"config_groups\":"
              "{\"a\":{\"weights\":{\"num_bits\":64,\"group_size\":-9}}}}}",
              "{\"quantization\":{\"bits\":7,\"group_size\":4611686018427387904}}"}) {
            Checkpoint bad = good;
            bad.config = config;
            CAPTURE(folder.string(), config);
            walk(*open(bad));
            ++cases;
        }
    }
    CAPTURE(cases, refused);
    CHECK(cases > 2000);
    CHECK(refused > 800);
}

namespace {

struct Named {
    std::string folder;
    std::string part;
    std::function<void(StoredTensor&)> change;
    std::string says;
};

StoredTensor* partOf(Checkpoint& checkpoint, const std::string& name) {
    for (StoredTensor& tensor : checkpoint.tensors) {
        if (tensor.name == name) {
            return &tensor;
        }
    }
    return nullptr;
}

void setWord(StoredTensor& tensor, std::size_t index, std::int32_t value) {
    std::memcpy(tensor.data.data() + index * 4, &value, sizeof value);
}

std::function<void(StoredTensor&)> reshape(std::vector<std::int64_t> shape) {
    return [shape](StoredTensor& tensor) { tensor.shape = shape; };
}

std::function<void(StoredTensor&)> text(const std::string& json) {
    return [json](StoredTensor& tensor) {
        tensor.data = json;
        tensor.shape = {static_cast<std::int64_t>(json.size())};
    };
}

std::function<void(StoredTensor&)> replaceText(const std::string& from, const std::string& to) {
    return [from, to](StoredTensor& tensor) {
        REQUIRE(replaceIn(tensor.data, from, to));
        tensor.shape = {static_cast<std::int64_t>(tensor.data.size())};
    };
}

const std::string kState = "layer.weight.quant_state.bitsandbytes__nf4";

std::vector<Named> namedCases() {
    return {
        {"gptq/b4_act_order",
         "layer.g_idx",
         [](StoredTensor& t) { setWord(t, 5, 3); },
         "expected groups 0 to 2, found 3 for input 5"},
        {"gptq/b4_act_order",
         "layer.g_idx",
         [](StoredTensor& t) { setWord(t, 0, -1); },
         "expected groups 0 to 2, found -1 for input 0"},
        {"gptq/b4_act_order",
         "layer.g_idx",
         reshape({95, 1}),
         "expected g_idx [96], found [95, 1]"},
        {"gptq/b4_act_order", "layer.g_idx", reshape({200}), "expected g_idx [96], found [200]"},
        {"gptq/b4_v1", "layer.scales", reshape({3, 63}), "expected scales [groups, 64]"},
        {"gptq/b4_v1", "layer.qzeros", reshape({2, 8}), "as many rows of qzeros"},
        {"gptq/b4_v1", "layer.qzeros", reshape({3, 9}), "2 to 8 bits"},
        {"gptq/b4_no_g_idx", "layer.qweight", reshape({13, 64}), "groups of one size"},
        {"gptq/b3_v1", "layer.qweight", reshape({8, 64}), "whole words"},
        {"gptq/b4_v1",
         "layer.scales",
         [](StoredTensor& t) { t.dtype = "int8"; },
         "expected scales of fp16, bf16 or fp32, found int8"},
        {"awq/gemm_g32", "layer.scales", reshape({3, 60}), "expected scales [groups, 64]"},
        {"awq/gemm_g32", "layer.scales", reshape({5, 64}), "and qzeros [groups, 8]"},
        {"awq/gemm_g32", "layer.qweight", [](StoredTensor& t) { t.dtype = "fp16"; }, "GEMV fast"},
        {"awq/gemv_g32", "layer.scales", reshape({24, 2}), "a scale for each group of 32"},
        {"bnb_4bit/nf4_f32", "layer.weight.absmax", reshape({59}), "expected 60 fp32 in"},
        {"bnb_4bit/nf4_f32", "layer.weight", reshape({1919, 1}), "expected 1920 bytes of codes"},
        {"bnb_4bit/nf4_f32", "layer.weight.quant_map", reshape({15}), "expected 16 fp32 in"},
        {"bnb_4bit/nf4_f32", kState, text("{\"quant_type\": "), "expected a JSON object"},
        {"bnb_4bit/nf4_f32", kState, text("[1]"), "expected a JSON object"},
        {"bnb_4bit/nf4_f32", kState, replaceText("\"nf4\"", "\"nf5\""), "found \"nf5\""},
        {"bnb_4bit/nf4_f32", kState, replaceText("64", "-64"), "an even blocksize, found -64"},
        {"bnb_4bit/nf4_f32", kState, replaceText("64", "0"), "an even blocksize, found 0"},
        {"bnb_4bit/nf4_f32", kState, replaceText("float32", "float8"), "found \"float8\""},
        {"bnb_4bit/nf4_f32", kState, replaceText("[40, 96]", "[-40, 96]"), "positive sizes"},
        {"bnb_4bit/nf4_f32", kState, replaceText("[40, 96]", "[9999999999, 96]"), "positive sizes"},
        {"bnb_4bit/nf4_f32", kState, replaceText("[40, 96]", "[268435455, 268435455]"), "bytes of"},
        {"bnb_4bit/nf4_f32", kState, replaceText("[40, 96]", "[]"), "expected a shape"},
        {"bnb_4bit/nf4_nested_f32", "layer.weight.nested_absmax", reshape({1}), "expected 2 fp32"},
        {"bnb_4bit/nf4_nested_f32",
         "layer.weight.nested_quant_map",
         reshape({255}),
         "expected 256"},
        {"bnb_4bit/nf4_nested_f32", kState, replaceText("256,", "-1,"), "nested_blocksize"},
        {"bnb_int8/row", "layer.SCB", reshape({23}), "expected SCB of 24 fp32"},
        {"bnb_int8/row",
         "layer.weight_format",
         [](StoredTensor& t) { t.data.assign(1, '\x02'); },
         "\"col_turing\" tiles"},
        {"bnb_int8/row",
         "layer.weight_format",
         [](StoredTensor& t) { t.data.assign(1, '\x09'); },
         "expected a weight_format of 0 to 3"},
        {"compressed_int/pack_b4",
         "layer.weight_shape",
         [](StoredTensor& t) { std::memset(t.data.data() + 8, 0xFF, 8); },
         "inputs], found [24, -1]"},
        {"compressed_int/pack_b4",
         "layer.weight_shape",
         [](StoredTensor& t) { std::memset(t.data.data() + 12, 0x7F, 3); },
         "expected weight_shape"},
        {"compressed_int/pack_b4", "layer.weight_shape", reshape({3}), "two int64 in weight_shape"},
        {"compressed_int/pack_b4", "layer.weight_packed", reshape({24, 40}), "words of 96 codes"},
        {"compressed_int/pack_b4", "layer.weight_scale", reshape({24, 5}), "groups of one size"},
        {"compressed_int/pack_b4_asym",
         "layer.weight_zero_point",
         reshape({2, 3}),
         "expected weight_zero_point [3, 3]"},
        {"compressed_int/pack_b4_act_order",
         "layer.weight_g_idx",
         [](StoredTensor& t) { setWord(t, 95, 77); },
         "found 77 for input 95"},
        {"compressed_int/pack_b4_act_order",
         "layer.weight_g_idx",
         reshape({90}),
         "expected 96 groups, found 90"},
        {"compressed_int/int8_channel",
         "layer.weight_scale",
         reshape({23, 1}),
         "expected weight_scale [24, groups]"},
        {"nvfp4/modelopt", "layer.weight_scale", reshape({24, 5}), "expected weight_scale [24, 6]"},
        {"nvfp4/modelopt", "layer.weight_scale_2", reshape({2}), "one fp32 scale of the tensor"},
        {"nvfp4/ct_mxfp4", "layer.weight_scale", reshape({23, 3}), "expected weight_scale [24, 3]"},
        {"fp8/block_f32",
         "layer.weight_scale_inv",
         reshape({1, 3}),
         "scales for blocks of [32, 256]"},
        {"fp8/ct_channel", "layer.weight_scale", reshape({3, 7}), "scales for blocks"},
        {"fp8/experts", "mlp.experts.up_proj_scale", reshape({2, 1, 1}), "expected one scale"},
        {"gpt_oss/hf",
         "model.layers.0.mlp.experts.gate_up_proj_scales",
         reshape({3, 20, 2}),
         "expected a scale for each block"},
        {"gpt_oss/hf",
         "model.layers.0.mlp.experts.gate_up_proj_blocks",
         reshape({3, 20, 3, 15}),
         "in/32, 16]"},
        {"mlx/b4_g64_bf16", "layer.biases", reshape({16, 1}), "expected biases as the scales"},
        {"mlx/b4_g64_bf16", "layer.scales", reshape({16, 3}), "groups of one size"},
        {"mlx/nvfp4", "layer.scales", reshape({16, 1}), "for each byte of scale"},
        {"gptq/planar_b5", "layer.g_idx", reshape({159}), "whole blocks of 32 codes"},
        {"marlin/b4_g128", "layer.s", reshape({2, 127}), "expected B [in/16, 2·out]"},
        {"marlin/b4_g128", "layer.s", reshape({3, 128}), "groups of one size"},
        {"marlin/b4_g128",
         "layer.B",
         [](StoredTensor& t) { t.dtype = "fp32"; },
         "expected words B and scales s"},
        {"marlin/24_b4_g128", "layer.meta", reshape({16, 127}), "two indices for every four"},
        {"marlin/24_b4_g128", "layer.scale_packed", reshape({4, 65}), "codes of 4 or 8 bits"},
        {"marlin/24_b4_g128",
         "layer.meta",
         [](StoredTensor& t) { t.dtype = "fp16"; },
         "indices of int16"},
        {"modelopt_int4/int4",
         "layer.weight_scale",
         reshape({23, 3}),
         "weight_scale [out, groups]"},
        {"modelopt_int4/int4", "layer.weight_scale", reshape({24, 5}), "groups of one size"},
        {"nvfp4/ct_mxfp6", "layer.weight_scale", reshape({24, 4}), "expected weight_scale [24, "},
        {"sparse/bitmask_bf16", "layer.bitmask", reshape({24, 11}), "one bit for each of [24, 90]"},
        {"sparse/bitmask_bf16", "layer.compressed", reshape({9}), "as the bitmask says, found 9"},
        {"sparse/bitmask_bf16", "layer.compressed", reshape({2161}), "expected at most 2160 kept"},
        {"sparse/bitmask_bf16",
         "layer.bitmask",
         [](StoredTensor& t) { t.data[5] = static_cast<char>(t.data[5] ^ 1); },
         "as the bitmask says"},
        {"sparse/bitmask_bf16",
         "layer.row_offsets",
         [](StoredTensor& t) { t.data[8] = static_cast<char>(t.data[8] ^ 1); },
         "for row 1, as the bitmask says"},
        {"sparse/bitmask_bf16", "layer.shape", reshape({9}), "up to 8 int64 in shape"},
        {"sparse/bitmask_bf16",
         "layer.shape",
         [](StoredTensor& t) { std::memset(t.data.data(), 0xFF, 8); },
         "sides of a tensor in shape, found [-1, 90]"},
        {"sparse/24_fp8", "layer.weight_scale", reshape({5}), "expected weight_scale [32, groups]"},
    };
}

}  // namespace

TEST_CASE("a packed tensor's problem says what was expected and found") {
    for (const Named& named : namedCases()) {
        CAPTURE(named.folder, named.part, named.says);
        Checkpoint bad = read(goldenDir() / "io" / "packed" / named.folder);
        StoredTensor* part = partOf(bad, named.part);
        REQUIRE(part != nullptr);
        named.change(*part);
        const Outcome outcome = walk(*open(bad));
        CHECK(outcome.read == 0);
        CHECK(outcome.problems + outcome.failed == 1);
        CHECK_THAT(outcome.message, ContainsSubstring(named.says));
    }
}

TEST_CASE("a missing part is named") {
    const std::vector<std::array<std::string, 3>> cases{
        {"gptq/b4_v1", "layer.qweight", "expected the part layer.qweight, found none"},
        {"gptq/b4_v1", "layer.qzeros", "expected the part layer.qzeros, found none"},
        {"gptq/b4_v1", "layer.scales", "expected the part layer.scales, found none"},
        {"awq/gemm_g32", "layer.qzeros", "expected the part layer.qzeros, found none"},
        {"awq/gemm_g32", "layer.qweight", "expected the part layer.qweight, found none"},
        {"bnb_4bit/nf4_f32", "layer.weight", "expected the part layer.weight, found none"},
        {"bnb_4bit/nf4_f32", "layer.weight.absmax", "expected the part layer.weight.absmax"},
        {"bnb_4bit/nf4_f32", kState, "quant_state.bitsandbytes__nf4, found none"},
        {"bnb_4bit/nf4_nested_f32", "layer.weight.nested_absmax", "nested_absmax, found none"},
        {"bnb_int8/row", "layer.weight", "expected the part layer.weight, found none"},
        {"compressed_int/pack_b4", "layer.weight_packed", "layer.weight_packed, found none"},
        {"compressed_int/pack_b4", "layer.weight_scale", "layer.weight_scale, found none"},
        {"compressed_int/pack_b3_asym", "layer.weight_shape", "weight_shape, found none"},
        {"nvfp4/modelopt", "layer.weight_scale_2", "weight_scale_2, found none"},
        {"nvfp4/ct_nvfp4", "layer.weight_global_scale", "weight_global_scale, found none"},
        {"fp8/block_f32", "layer.weight", "expected the part layer.weight, found none"},
        {"fp8/block_f32", "layer.weight_scale_inv", "found neither"},
        {"gpt_oss/hf", "model.layers.0.mlp.experts.gate_up_proj_blocks", "_blocks, found none"},
        {"gpt_oss/hf", "model.layers.0.mlp.experts.gate_up_proj_scales", "_scales, found none"},
        {"mlx/b4_g64_bf16", "layer.biases", "expected the part layer.biases, found none"},
        {"marlin/24_b4_g128", "layer.meta", "expected the part layer.meta, found none"},
        {"marlin/24_b4_g128", "layer.scale_packed", "layer.scale_packed, found none"},
        {"marlin/24_b4_g128", "layer.weight_packed", "layer.weight_packed, found none"},
        {"nvfp4/ct_mxfp6", "layer.weight_scale", "layer.weight_scale, found none"},
        {"sparse/24_f16", "layer.bitmask", "layer.bitmask, found none"},
        {"sparse/24_f16", "layer.shape", "layer.shape, found none"},
        {"sparse/24_f16", "layer.compressed", "layer.compressed, found none"},
    };
    for (const auto& [folder, part, says] : cases) {
        CAPTURE(folder, part);
        Checkpoint bad = read(goldenDir() / "io" / "packed" / folder);
        std::erase_if(bad.tensors,
                      [&part = part](const StoredTensor& tensor) { return tensor.name == part; });
        const auto source = open(bad);
        const Outcome outcome = walk(*source);
        CHECK(outcome.problems == 1);
        CHECK_THAT(outcome.message, ContainsSubstring(says));
        // What cannot be told apart into weights counts none.
        for (const TensorInfo& tensor : source->tensors()) {
            CHECK((tensor.packed == nullptr || tensor.parameters == 0));
        }
    }
}

TEST_CASE("what tensors and configuration disagree about is a warning") {
    const std::vector<std::array<std::string, 4>> cases{
        {"gptq/b8_v1",
         "\"bits\": 8",
         "\"bits\": 4",
         "says 4 bits, the shapes say 8 (layer.weight)"},
        {"gptq/b4_v1", "\"group_size\": 32", "\"group_size\": 128", "says group_size 128"},
        {"gptq/b4_v1", "\"group_size\": 32", "\"group_size\": 7", "says group_size 7"},
        {"awq/gemm_g32", "\"group_size\": 32", "\"group_size\": 128", "says group_size 128"},
        {"awq/gemm_g32", "\"awq\"", "\"gptq\"", "says gptq, the shapes say awq"},
        {"bnb_4bit/fp4_f32", "\"fp4\"", "\"nf4\"", "says nf4, quant_state says fp4"},
        {"compressed_int/pack_b8", "\"num_bits\": 8", "\"num_bits\": 4", "the shapes say 8"},
        {"compressed_int/pack_b4",
         "\"group_size\": 32",
         "\"group_size\": 128",
         "the scales say 32"},
        {"mlx/b8_g32_f16", "\"bits\": 8", "\"bits\": 3", "the shapes allow 8 in groups of 32"},
    };
    for (const auto& [folder, from, to, says] : cases) {
        CAPTURE(folder, to);
        Checkpoint bad = read(goldenDir() / "io" / "packed" / folder);
        REQUIRE(replaceIn(bad.config, from, to));
        const auto source = open(bad);
        CHECK(walk(*source).read == 1);
        REQUIRE(source->info().warnings.size() == 1);
        CHECK_THAT(source->info().warnings.front(), ContainsSubstring(says));
    }
}

TEST_CASE("packings that are not read are recognised and refused by name") {
    const auto tensor = [](const char* name, const char* dtype, std::vector<std::int64_t> shape) {
        return StoredTensor{name, dtype, std::move(shape), {}};
    };
    const std::string gptqMarlin =
        "{\"quantization_config\":{\"quant_method\":\"gptq\",\"is_marlin_format\":true}}";
    const std::vector<std::pair<Checkpoint, std::string>> cases{
        {{{tensor("m.qweight", "int32", {12, 64}),
           tensor("m.qzeros", "int32", {3, 8}),
           tensor("m.scales", "fp16", {3, 64})},
          gptqMarlin},
         "Marlin's tensors B and s"},
        {{{tensor("m.compressed", "int8", {32}),
           tensor("m.bitmask", "uint8", {8, 1}),
           tensor("m.shape", "int64", {2}),
           tensor("m.weight_scale", "bf16", {1}),
           tensor("m.weight_zero_point", "int8", {1})},
          "{}"},
         "zero points"},
        {{{tensor("m.weight", "uint8", {2, 32, 64}),
           tensor("m.weight_scale", "fp8_e4m3", {2, 4, 64}),
           tensor("m.weight_scale_2", "fp32", {2})},
          "{\"quantization_config\":{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}}"},
         "packed along the rows"},
    };
    for (const auto& [checkpoint, says] : cases) {
        CAPTURE(says);
        const auto source = open(checkpoint);
        REQUIRE(source->tensors().size() == 1);
        CHECK(source->tensors()[0].name == "m.weight");
        const Outcome outcome = walk(*source);
        CHECK(outcome.problems == 1);
        CHECK_THAT(outcome.message, ContainsSubstring(says));
        CHECK(source->info().parameters == 0);
    }
}

TEST_CASE("wide matrices decode at once as row by row") {
    const auto words = [](const char* name, std::vector<std::int64_t> shape) {
        StoredTensor tensor{name, "int32", std::move(shape), {}};
        std::uint32_t state = 12345;
        for (std::int64_t i = 0; i < bytesOfShape(tensor); ++i) {
            state = state * 1664525U + 1013904223U;
            tensor.data.push_back(static_cast<char>(state >> 24U));
        }
        return tensor;
    };
    const auto scales = [](std::int64_t groups, std::int64_t outputs) {
        StoredTensor tensor{"m.scales", "fp16", {groups, outputs}, {}};
        for (std::int64_t i = 0; i < groups * outputs; ++i) {
            tensor.data.push_back(static_cast<char>(i * 37));
            tensor.data.push_back(static_cast<char>(0x20 + i % 5));
        }
        return tensor;
    };
    // 136 outputs are two strips and a part of one; 352 inputs two tiles and a part of one.
    const std::vector<Checkpoint> cases{
        {{words("m.qweight", {352 / 8, 136}), words("m.qzeros", {11, 17}), scales(11, 136)},
         "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32}}"},
        {{words("m.qweight", {352 * 3 / 32, 160}), words("m.qzeros", {4, 15}), scales(4, 160)},
         "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":3,\"group_size\":88}}"},
        {{words("m.qweight", {352 / 4, 136}), words("m.qzeros", {11, 34}), scales(11, 136)},
         "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":32}}"},
        {{words("m.qweight", {352, 17}), words("m.qzeros", {11, 17}), scales(11, 136)},
         "{\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32}}"}};
    for (const Checkpoint& checkpoint : cases) {
        CAPTURE(checkpoint.config);
        const auto source = open(checkpoint);
        const auto matrix = source->matrix(0);
        CAPTURE(matrix ? "" : matrix.error().message());
        REQUIRE(matrix.has_value());
        REQUIRE((*matrix)->cols() == 352);
        const std::vector<double> all = readAll(**matrix);
        std::vector<double> row(352);
        bool equal = true;
        for (std::int64_t r = 0; r < (*matrix)->rows(); ++r) {
            REQUIRE((*matrix)->read(r, 1, row.data()).has_value());
            equal = equal && std::equal(row.begin(), row.end(), all.begin() + r * 352);
            const auto view = source->block(0, r, r % 352);
            REQUIRE(view.has_value());
            equal = equal && view->explain(view->bytes, view->element).value ==
                                 all[static_cast<std::size_t>(r * 352 + r % 352)];
        }
        CHECK(equal);
    }
}
