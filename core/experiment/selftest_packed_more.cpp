// SPDX-License-Identifier: Apache-2.0
// Packed checkpoint schemes beyond those of selftest_packed.cpp: compressed-tensors, MLX, ModelOpt,
// FP8, gpt-oss, Marlin, and GGUF's NVFP4 with its scale. Each is written as the library that
// defines it writes it.
#include "core/experiment/selftest_layers.hpp"

#include <array>
#include <span>

namespace loupe::selftest {

namespace {

constexpr const char* kCompressed = "compressed-tensors";

/// A code of E2M1 by the definition of the format.
double e2m1(std::uint64_t code) {
    return slowValue(*findFormat("fp4_e2m1"), code);
}

/// E4M3's code of 2^power.
std::uint8_t e4m3Power(int power) {
    return static_cast<std::uint8_t>((power + 7) << 3);
}

/// A code of E4M3 that is a number.
std::uint8_t e4m3At(std::int64_t index) {
    const std::uint64_t code = draw(6, index, 254);
    return static_cast<std::uint8_t>(code < 0x7F ? code : code + 1);
}

double e4m3(std::uint8_t code) {
    return slowValue(*findFormat("fp8_e4m3"), code);
}

std::uint32_t nibble(std::uint64_t code, std::int64_t place) {
    return static_cast<std::uint32_t>(code << (4 * place));
}

/// Rows of 64 codes, two in a byte, the even one in the low half.
std::vector<std::uint8_t> pairsOfCodes() {
    std::vector<std::uint8_t> bytes;
    for (std::int64_t out = 0; out < kOut; ++out) {
        for (std::int64_t in = 0; in < kIn; in += 2) {
            bytes.push_back(static_cast<std::uint8_t>(codeAt(in, out) | codeAt(in + 1, out) << 4U));
        }
    }
    return bytes;
}

/// Rows of 64 codes in words of eight, the first in the low bits.
std::vector<std::uint32_t> wordsOfCodes() {
    std::vector<std::uint32_t> words(at(kOut * kIn / 8));
    for (std::int64_t out = 0; out < kOut; ++out) {
        for (std::int64_t in = 0; in < kIn; ++in) {
            words[at(out * kIn / 8 + in / 8)] |= nibble(codeAt(in, out), in % 8);
        }
    }
    return words;
}

/// [out, groups]
template <class T, class Value>
std::vector<T> byOutput(const Value& value) {
    std::vector<T> made;
    for (std::int64_t out = 0; out < kOut; ++out) {
        for (std::int64_t group = 0; group < kGroups; ++group) {
            made.push_back(static_cast<T>(value(group, out)));
        }
    }
    return made;
}

/// Codes and zero points are stored with 8 added; the zero points' words run along the outputs.
PackedLayer packQuantizedLayer() {
    std::vector<std::uint32_t> zeros(at(kOut / 8 * kGroups));
    for (std::int64_t out = 0; out < kOut; ++out) {
        for (std::int64_t group = 0; group < kGroups; ++group) {
            zeros[at(out / 8 * kGroups + group)] |= nibble(zeroAt(group, out), out % 8);
        }
    }
    SafetensorsBytes file;
    file.add("layer.weight_packed", "I32", "[16,8]", wordsOfCodes());
    file.add("layer.weight_scale", "F16", "[16,2]", byOutput<std::uint16_t>([](auto g, auto out) {
                 return halfOf(groupScale(g, out));
             }));
    file.add("layer.weight_zero_point", "I32", "[2,2]", zeros);
    file.add("layer.weight_shape", "I64", "[2]", std::vector<std::int64_t>{kOut, kIn});
    return {"compressed-int4",
            "compressed_int",
            kCompressed,
            file.bytes(),
            R"({"quantization_config":{"quant_method":"compressed-tensors",)"
            R"("format":"pack-quantized","config_groups":{"group_0":{"weights":{"num_bits":4,)"
            R"("group_size":32,"type":"int","strategy":"group","symmetric":false}}}}})",
            groupedValue};
}

/// W = E2M1 · (scale / global scale)
PackedLayer nvfp4Layer() {
    constexpr std::int64_t kBlock = 16;
    std::vector<std::uint8_t> scales;
    for (std::int64_t i = 0; i < kOut * kIn / kBlock; ++i) {
        scales.push_back(e4m3Power(powerAt(i)));
    }
    SafetensorsBytes file;
    file.add("layer.weight_packed", "U8", "[16,32]", pairsOfCodes());
    file.add("layer.weight_scale", "F8_E4M3", "[16,4]", scales);
    file.add("layer.weight_global_scale", "F32", "[1]", std::vector<float>{32});
    return {"compressed-nvfp4",
            "nvfp4",
            kCompressed,
            file.bytes(),
            R"({"quantization_config":{"quant_method":"compressed-tensors",)"
            R"("format":"nvfp4-pack-quantized"}})",
            [](std::int64_t out, std::int64_t in) {
                return e2m1(codeAt(in, out)) * scaleAt((out * kIn + in) / kBlock) / 32;
            }};
}

PackedLayer fp8TensorLayer() {
    std::vector<std::uint8_t> codes;
    for (std::int64_t i = 0; i < kOut * kIn; ++i) {
        codes.push_back(e4m3At(i));
    }
    SafetensorsBytes file;
    file.add("layer.weight", "F8_E4M3", "[16,64]", codes);
    file.add("layer.weight_scale", "F32", "[1]", std::vector<float>{0.125F});
    return {"fp8-tensor",
            "fp8",
            "fp8-tensor",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"fp8"}})",
            [](std::int64_t out, std::int64_t in) { return e4m3(e4m3At(out * kIn + in)) / 8; }};
}

/// Two blocks of 128 by two, the last ones cut off; weight_scale_inv multiplies.
PackedLayer fp8BlockLayer() {
    constexpr std::int64_t kRows = 130;
    constexpr std::int64_t kCols = 136;
    constexpr std::int64_t kBlock = 128;
    std::vector<std::uint8_t> codes;
    for (std::int64_t i = 0; i < kRows * kCols; ++i) {
        codes.push_back(e4m3At(i));
    }
    const std::vector<float> scales{0.5F, 2, 0.0625F, 4};
    SafetensorsBytes file;
    file.add("layer.weight", "F8_E4M3", "[130,136]", codes);
    file.add("layer.weight_scale_inv", "F32", "[2,2]", scales);
    return {"fp8-block",
            "fp8",
            "fp8-block",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})",
            [scales](std::int64_t out, std::int64_t in) {
                return e4m3(e4m3At(out * kCols + in)) *
                       static_cast<double>(scales[at(out / kBlock * 2 + in / kBlock)]);
            },
            kRows,
            kCols};
}

/// Two experts of eight outputs; a scale's byte is a power of two with 127 added.
PackedLayer gptOssLayer() {
    SafetensorsBytes file;
    file.add("experts.up_proj_blocks", "U8", "[2,8,2,16]", pairsOfCodes());
    file.add(
        "experts.up_proj_scales", "U8", "[2,8,2]", byOutput<std::uint8_t>([](auto group, auto out) {
            return powerAt(group * kOut + out) + 127;
        }));
    return {"gpt-oss",
            "gpt_oss",
            "mxfp4",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"mxfp4"}})",
            [](std::int64_t out, std::int64_t in) {
                return e2m1(codeAt(in, out)) * groupScale(in / kGroup, out);
            }};
}

/// W = q · scale + bias; a bias of −zero · scale is a zero point.
PackedLayer mlxLayer() {
    SafetensorsBytes file;
    file.add("layer.weight", "U32", "[16,8]", wordsOfCodes());
    file.add("layer.scales", "F16", "[16,2]", byOutput<std::uint16_t>([](auto group, auto out) {
                 return halfOf(groupScale(group, out));
             }));
    file.add("layer.biases", "F16", "[16,2]", byOutput<std::uint16_t>([](auto group, auto out) {
                 return halfOf(-groupScale(group, out) * static_cast<double>(zeroAt(group, out)));
             }));
    return {"mlx",
            "mlx",
            "mlx",
            file.bytes(),
            R"({"quantization":{"group_size":32,"bits":4}})",
            groupedValue};
}

/// A byte holds two outputs, the even one in the low half, in two's complement.
PackedLayer modeloptLayer() {
    std::vector<std::uint8_t> bytes;
    for (std::int64_t out = 0; out < kOut; out += 2) {
        for (std::int64_t in = 0; in < kIn; ++in) {
            bytes.push_back(static_cast<std::uint8_t>(codeAt(in, out) | codeAt(in, out + 1) << 4U));
        }
    }
    SafetensorsBytes file;
    file.add("layer.weight", "U8", "[8,64]", bytes);
    file.add("layer.weight_scale", "F32", "[16,2]", byOutput<float>(groupScale));
    return {"modelopt-int4",
            "modelopt_int4",
            "modelopt-int4",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"modelopt","quant_algo":"W4A16_AWQ"}})",
            [](std::int64_t out, std::int64_t in) {
                const auto code = static_cast<double>(codeAt(in, out));
                return (code < 8 ? code : code - 16) * groupScale(in / kGroup, out);
            }};
}

/// The kept values one behind the other; the mask's lowest bit is the first column.
PackedLayer sparseLayer() {
    const auto kept = [](std::int64_t i) { return draw(7, i, 2) == 1; };
    const auto value = [](std::int64_t i) {
        return (static_cast<double>(draw(8, i, 15)) - 7.5) * scaleAt(i);
    };
    std::vector<std::uint8_t> mask(at(kOut * kIn / 8));
    std::vector<std::uint16_t> values;
    std::vector<std::int64_t> offsets;
    for (std::int64_t i = 0; i < kOut * kIn; ++i) {
        if (i % kIn == 0) {
            offsets.push_back(static_cast<std::int64_t>(values.size()));
        }
        if (kept(i)) {
            mask[at(i / 8)] = static_cast<std::uint8_t>(mask[at(i / 8)] | 1U << at(i % 8));
            values.push_back(halfOf(value(i)));
        }
    }
    std::string count = std::to_string(values.size());
    count.insert(0, 1, '[').push_back(']');
    SafetensorsBytes file;
    file.add("layer.weight.compressed", "F16", count, values);
    file.add("layer.weight.bitmask", "U8", "[16,8]", mask);
    file.add("layer.weight.shape", "I64", "[2]", std::vector<std::int64_t>{kOut, kIn});
    file.add("layer.weight.row_offsets", "I64", "[16]", offsets);
    return {"sparse-bitmask",
            "sparse",
            kCompressed,
            file.bytes(),
            R"({"quantization_config":{"quant_method":"compressed-tensors",)"
            R"("sparsity_config":{"format":"sparse-bitmask"}}})",
            [kept, value](std::int64_t out, std::int64_t in) {
                return kept(out * kIn + in) ? value(out * kIn + in) : 0.0;
            }};
}

class GgufBytes {
public:
    template <class T>
    void number(T value) {
        const auto bytes = std::as_bytes(std::span(&value, 1));
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void text(const std::string& value) {
        const auto bytes = std::as_bytes(std::span(value));
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void tensor(const std::string& name,
                const std::vector<std::uint64_t>& dims,
                std::uint32_t type,
                std::uint64_t offset) {
        number(static_cast<std::uint64_t>(name.size()));
        text(name);
        number(static_cast<std::uint32_t>(dims.size()));
        for (const std::uint64_t dim : dims) {
            number(dim);
        }
        number(type);
        number(offset);
    }
    void align() { bytes_.resize((bytes_.size() + 31) / 32 * 32); }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

private:
    std::vector<std::byte> bytes_;
};

/// ggml's blocks of 64: four scales of E4M3 (for 16 weights each), then eight bytes for each
/// sixteen, element j low and j + 8 high in one byte.
PackedLayer ggufLayer() {
    constexpr std::uint32_t kNvfp4 = 40;
    constexpr std::uint32_t kFloat = 0;
    constexpr std::uint64_t kBlockBytes = 36;
    GgufBytes file;
    file.text("GGUF");
    file.number(std::uint32_t{3});
    file.number(std::uint64_t{2});  // tensors
    file.number(std::uint64_t{0});  // keys
    file.tensor("layer.weight", {kIn, kOut}, kNvfp4, 0);
    file.tensor("layer.scale", {1}, kFloat, kBlockBytes * kOut);
    file.align();
    for (std::int64_t out = 0; out < kOut; ++out) {
        for (std::int64_t part = 0; part < 4; ++part) {
            file.number(e4m3Power(powerAt(out * 4 + part)));
        }
        for (std::int64_t part = 0; part < 4; ++part) {
            for (std::int64_t j = part * 16; j < part * 16 + 8; ++j) {
                file.number(static_cast<std::uint8_t>(codeAt(j, out) | codeAt(j + 8, out) << 4U));
            }
        }
    }
    static_assert(kBlockBytes * kOut % 32 == 0, "no padding before the scale");
    file.number(0.25F);
    file.align();
    return {"gguf-nvfp4",
            "gguf_nvfp4",
            "ggml_nvfp4",
            file.bytes(),
            {},
            [](std::int64_t out, std::int64_t in) {
                return e2m1(codeAt(in, out)) * scaleAt(out * 4 + in / 16) * 0.25;
            },
            kOut,
            kIn,
            "self-test.gguf"};
}

// Marlin: tiles of 16 inputs by 64 outputs, and a permutation of their 1024 codes.
constexpr std::int64_t kTile = 16;
constexpr std::int64_t kMarlinOut = 64;
constexpr std::int64_t kMarlinIn = 128;
constexpr std::int64_t kMarlinGroups = 4;
constexpr std::int64_t kMarlinGroup = kMarlinIn / kMarlinGroups;

std::uint64_t marlinCode(std::int64_t in, std::int64_t out) {
    return draw(9, in * kMarlinOut + out, 16);
}

double marlinScale(std::int64_t group, std::int64_t out) {
    return scaleAt(group * kMarlinOut + out);
}

/// Where in a row of tiles each code of a kernel's 1024 lies: _get_perms() of IST-DASLab's marlin,
/// get_permutations_24() of compressed-tensors.
std::vector<std::int64_t> marlinOrder(bool sparse) {
    std::vector<std::int64_t> made;
    for (std::int64_t i = 0; i < 32; ++i) {
        const std::int64_t col = i / 4;
        for (std::int64_t j = 0; j < 4; ++j) {
            std::array<std::int64_t, 8> eight{};
            std::size_t next = 0;
            for (const std::int64_t block : {0, 1}) {
                for (const std::int64_t row :
                     {2 * (i % 4), 2 * (i % 4) + 1, 2 * (i % 4 + 4), 2 * (i % 4 + 4) + 1}) {
                    eight[next++] = sparse
                                        ? 16 * row + col / 2 * 256 + 8 * (col % 2) + 4 * block + j
                                        : 16 * row + col + 8 * block + 256 * j;
                }
            }
            for (const std::size_t place : {0U, 2U, 4U, 6U, 1U, 3U, 5U, 7U}) {
                made.push_back(eight[place]);
            }
        }
    }
    return made;
}

/// The words of codes(in, out), `inputs` by 64.
template <class Code>
std::vector<std::uint32_t> marlinWords(std::int64_t inputs, bool sparse, const Code& code) {
    const std::vector<std::int64_t> order = marlinOrder(sparse);
    std::vector<std::uint32_t> words(at(inputs * kMarlinOut / 8));
    for (std::int64_t i = 0; i < inputs * kMarlinOut; ++i) {
        // One row of tiles has 1024 codes: four tiles of 16 by 16, each row by row.
        const std::int64_t from = order[at(i % 1024)];
        const std::int64_t in = i / 1024 * kTile + from % 256 / kTile;
        const std::int64_t out = from / 256 * kTile + from % kTile;
        words[at(i / 8)] |= nibble(code(in, out), i % 8);
    }
    return words;
}

/// Scales of several groups, their columns by `order`.
std::vector<std::uint16_t> marlinScales(const std::vector<std::int64_t>& order) {
    const auto size = static_cast<std::int64_t>(order.size());
    std::vector<std::uint16_t> scales;
    for (std::int64_t i = 0; i < kMarlinGroups * kMarlinOut; ++i) {
        scales.push_back(halfOf(
            marlinScale(i / kMarlinOut, i % kMarlinOut / size * size + order[at(i % size)])));
    }
    return scales;
}

PackedLayer marlinLayer() {
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < 64; ++i) {
        order.push_back(i / 8 + i % 8 * 8);
    }
    SafetensorsBytes file;
    file.add("layer.B", "I32", "[8,128]", marlinWords(kMarlinIn, false, marlinCode));
    file.add("layer.s", "F16", "[4,64]", marlinScales(order));
    return {"gptq-marlin",
            "marlin",
            "gptq-marlin",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"gptq","bits":4,"group_size":32,)"
            R"("sym":true,"checkpoint_format":"marlin","is_marlin_format":true}})",
            [](std::int64_t out, std::int64_t in) {
                return (static_cast<double>(marlinCode(in, out)) - 8) *
                       marlinScale(in / kMarlinGroup, out);
            },
            kMarlinOut,
            kMarlinIn};
}

/// The two of four inputs that are kept.
std::array<std::int64_t, 2> keptOf(std::int64_t out, std::int64_t quad) {
    constexpr std::array<std::array<std::int64_t, 2>, 6> kPairs{
        {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}}};
    return kPairs[draw(10, out * kMarlinIn / 4 + quad, kPairs.size())];
}

/// Four bits for four inputs, four of these in a word, the words where
/// _calculate_meta_reordering_scatter_offsets() of compressed-tensors puts them.
std::vector<std::uint16_t> marlinMeta() {
    constexpr std::int64_t kWords = kMarlinIn / 16;
    std::vector<std::uint16_t> meta(at(kMarlinOut * kWords));
    for (std::int64_t out = 0; out < kMarlinOut; ++out) {
        for (std::int64_t word = 0; word < kWords; ++word) {
            std::uint32_t bits = 0;
            for (std::int64_t quad = 0; quad < 4; ++quad) {
                const auto kept = keptOf(out, word * 4 + quad);
                bits |= nibble(static_cast<std::uint64_t>(kept[0] | kept[1] << 2), quad);
            }
            std::int64_t row = out / 64 * 64 + out % 2 * 2 + out % 8 / 4 + out % 32 % 4 / 2 * 32 +
                               out % 64 / 8 * 4;
            std::int64_t col = word;
            const std::int64_t topRight = row % 2 == 0 && col % 2 == 1 ? 1 : 0;
            const std::int64_t bottomLeft = row % 2 == 1 && col % 2 == 0 ? 1 : 0;
            row += topRight - bottomLeft;
            col -= topRight - bottomLeft;
            meta[at(col / 2 * kMarlinOut * 2 + row * 2 + col % 2)] =
                static_cast<std::uint16_t>(bits);
        }
    }
    return meta;
}

PackedLayer marlin24Layer() {
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < 8; ++i) {
        for (const std::int64_t j : {0, 4, 1, 5, 2, 6, 3, 7}) {
            order.push_back(i * 8 + j);
        }
    }
    SafetensorsBytes file;
    file.add("layer.weight_packed", "I32", "[4,128]", marlinWords(kMarlinIn / 2, true, marlinCode));
    file.add("layer.scale_packed", "F16", "[4,64]", marlinScales(order));
    file.add("layer.meta", "I16", "[64,8]", marlinMeta());
    return {"marlin-24",
            "marlin_24",
            kCompressed,
            file.bytes(),
            R"({"quantization_config":{"quant_method":"compressed-tensors","format":"marlin-24"}})",
            [](std::int64_t out, std::int64_t in) {
                const auto kept = keptOf(out, in / 4);
                if (in % 4 != kept[0] && in % 4 != kept[1]) {
                    return 0.0;
                }
                const std::int64_t code = in / 4 * 2 + (in % 4 == kept[1] ? 1 : 0);
                return (static_cast<double>(marlinCode(code, out)) - 8) *
                       marlinScale(in / kMarlinGroup, out);
            },
            kMarlinOut,
            kMarlinIn};
}

}  // namespace

void addMoreLayers(std::vector<PackedLayer>& layers) {
    layers.insert(layers.end(),
                  {packQuantizedLayer(),
                   nvfp4Layer(),
                   fp8TensorLayer(),
                   fp8BlockLayer(),
                   gptOssLayer(),
                   mlxLayer(),
                   modeloptLayer(),
                   sparseLayer(),
                   ggufLayer(),
                   marlinLayer(),
                   marlin24Layer()});
}

}  // namespace loupe::selftest
