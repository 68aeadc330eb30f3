// SPDX-License-Identifier: Apache-2.0
// Packed checkpoint schemes: a small layer written by the scheme's definition (spec/formats.md C.7
// to C.9), one code at a time, and read back through the reader that files go through.
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/experiment/selftest_layers.hpp"
#include "core/formats/codec.hpp"
#include "core/io/packed/packed.hpp"
#include "core/io/reader.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <string>

namespace loupe::selftest {

namespace {

std::vector<std::uint16_t> halfScales() {
    std::vector<std::uint16_t> scales;
    for (std::int64_t i = 0; i < kGroups * kOut; ++i) {
        scales.push_back(halfOf(scaleAt(i)));
    }
    return scales;
}

/// Words of eight 4-bit codes: along the inputs for GPTQ's codes, along the outputs elsewhere.
PackedLayer gptqLayer() {
    std::vector<std::uint32_t> words(static_cast<std::size_t>(kIn / 8 * kOut));
    for (std::int64_t in = 0; in < kIn; ++in) {
        for (std::int64_t out = 0; out < kOut; ++out) {
            words[static_cast<std::size_t>(in / 8 * kOut + out)] |=
                static_cast<std::uint32_t>(codeAt(in, out) << (4 * (in % 8)));
        }
    }
    std::vector<std::uint32_t> zeros(static_cast<std::size_t>(kGroups * kOut / 8));
    std::vector<std::int32_t> groups;
    for (std::int64_t group = 0; group < kGroups; ++group) {
        for (std::int64_t out = 0; out < kOut; ++out) {  // version 1 stores the zero less one
            zeros[static_cast<std::size_t>(group * kOut / 8 + out / 8)] |=
                static_cast<std::uint32_t>((zeroAt(group, out) - 1) << (4 * (out % 8)));
        }
    }
    for (std::int64_t in = 0; in < kIn; ++in) {
        groups.push_back(static_cast<std::int32_t>(in / kGroup));
    }
    SafetensorsBytes file;
    file.add("layer.qweight", "I32", "[8,16]", words);
    file.add("layer.qzeros", "I32", "[2,2]", zeros);
    file.add("layer.scales", "F16", "[2,16]", halfScales());
    file.add("layer.g_idx", "I32", "[64]", groups);
    return {"gptq",
            "gptq",
            "gptq",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"gptq","bits":4,"group_size":32}})",
            groupedValue};
}

PackedLayer awqLayer() {
    constexpr std::array<std::int64_t, 8> kColumns{0, 2, 4, 6, 1, 3, 5, 7};
    const auto pack = [&](std::int64_t rows, const auto& code) {
        std::vector<std::uint32_t> words(static_cast<std::size_t>(rows * kOut / 8));
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t word = 0; word < kOut / 8; ++word) {
                for (std::size_t nibble = 0; nibble < kColumns.size(); ++nibble) {
                    words[static_cast<std::size_t>(row * kOut / 8 + word)] |=
                        static_cast<std::uint32_t>(code(row, word * 8 + kColumns[nibble])
                                                   << (4 * nibble));
                }
            }
        }
        return words;
    };
    SafetensorsBytes file;
    file.add("layer.qweight", "I32", "[64,2]", pack(kIn, codeAt));
    file.add("layer.qzeros", "I32", "[2,2]", pack(kGroups, zeroAt));
    file.add("layer.scales", "F16", "[2,16]", halfScales());
    return {"awq",
            "awq",
            "awq",
            file.bytes(),
            R"({"quantization_config":{"quant_method":"awq","bits":4,"group_size":32,)"
            R"("zero_point":true,"version":"gemm"}})",
            groupedValue};
}

PackedLayer nf4Layer() {
    constexpr std::int64_t kBlock = 64;
    const NumberFormat& nf4 = *findFormat("nf4");
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(kIn * kOut / 2));
    for (std::int64_t i = 0; i < kIn * kOut; ++i) {  // the even element lies in the high half
        bytes[static_cast<std::size_t>(i / 2)] = static_cast<std::uint8_t>(
            bytes[static_cast<std::size_t>(i / 2)] | draw(4, i, 16) << (i % 2 == 0 ? 4 : 0));
    }
    std::vector<float> absmax;
    for (std::int64_t i = 0; i < kIn * kOut / kBlock; ++i) {
        absmax.push_back(static_cast<float>(scaleAt(i)));
    }
    std::vector<float> levels;
    for (std::uint64_t code = 0; code < 16; ++code) {
        levels.push_back(static_cast<float>(slowValue(nf4, code)));
    }
    const std::string state =
        R"({"quant_type":"nf4","blocksize":64,"dtype":"float32","shape":[16,64]})";
    SafetensorsBytes file;
    file.add("layer.weight", "U8", "[512,1]", bytes);
    file.add("layer.weight.absmax", "F32", "[16]", absmax);
    file.add("layer.weight.quant_map", "F32", "[16]", levels);
    std::string length = std::to_string(state.size());
    length.insert(0, 1, '[').push_back(']');
    file.add("layer.weight.quant_state.bitsandbytes__nf4",
             "U8",
             length,
             std::vector<char>(state.begin(), state.end()));
    return {"bnb-nf4",
            "bnb_4bit",
            "bnb-nf4",
            file.bytes(),
            {},
            [&nf4](std::int64_t out, std::int64_t in) {
                const std::int64_t i = out * kIn + in;
                return static_cast<double>(static_cast<float>(slowValue(nf4, draw(4, i, 16)))) *
                       scaleAt(i / kBlock);
            }};
}

PackedLayer int8Layer() {
    // bitsandbytes multiplies by this, not divides by 127.
    constexpr float kOver127 = 0.007874015718698502F;
    std::vector<std::int8_t> codes;
    for (std::int64_t i = 0; i < kIn * kOut; ++i) {
        codes.push_back(static_cast<std::int8_t>(static_cast<int>(draw(5, i, 255)) - 127));
    }
    std::vector<float> absmax;
    for (std::int64_t out = 0; out < kOut; ++out) {
        absmax.push_back(static_cast<float>(scaleAt(out)));
    }
    SafetensorsBytes file;
    file.add("layer.weight", "I8", "[16,64]", codes);
    file.add("layer.SCB", "F32", "[16]", absmax);
    file.add("layer.weight_format", "U8", "[1]", std::vector<std::uint8_t>{0});
    return {"bnb-int8",
            "bnb_int8",
            "bnb-int8",
            file.bytes(),
            {},
            [](std::int64_t out, std::int64_t in) {
                const auto code =
                    static_cast<float>(static_cast<int>(draw(5, out * kIn + in, 255)) - 127);
                return static_cast<double>(code * static_cast<float>(scaleAt(out)) * kOver127);
            }};
}

/// The scheme that takes one of these tensors, as packed.def calls it.
std::string takenBy(const TensorSource& stored, const std::string& config) {
    std::vector<std::string> warnings;
    const packed::StoredTensors tensors(stored, packed::readQuantConfig(config, {}, warnings));
    for (std::size_t i = 0; i < stored.tensors().size(); ++i) {
        for (const packed::PackedScheme* scheme : packed::allPackedSchemes()) {
            if (scheme->match(tensors, i)) {
                return std::string(scheme->id);
            }
        }
    }
    return {};
}

struct ReadLayer {
    std::string scheme;
    std::string quantization;
    std::vector<float> values;
};

Result<ReadLayer> readLayer(const PackedLayer& layer) {
    Result<std::shared_ptr<const TensorSource>> stored = openFile(
        {MappedFile::fromBytes(layer.file, layer.path), {}, parseModelConfig(layer.config)});
    if (!stored) {
        return fail(stored.error());
    }
    const std::shared_ptr<const TensorSource> logical =
        makeLogicalSource(*stored, layer.config, {});
    for (std::size_t i = 0; i < logical->tensors().size(); ++i) {
        const TensorInfo& tensor = logical->tensors()[i];
        if (tensor.packed == nullptr) {
            continue;
        }
        const Result<std::shared_ptr<const RowSource>> rows = logical->matrix(i);
        if (!rows) {
            return fail(rows.error());
        }
        if (tensor.rows != layer.rows || tensor.cols != layer.cols) {
            return fail(ErrorCode::Invalid,
                        "expected a matrix [" + std::to_string(layer.rows) + ", " +
                            std::to_string(layer.cols) + "], found [" +
                            std::to_string(tensor.rows) + ", " + std::to_string(tensor.cols) + "]");
        }
        ReadLayer made{takenBy(**stored, layer.config), tensor.packed->quantization, {}};
        made.values.resize(at(layer.rows * layer.cols));
        if (Result<void> done = (*rows)->read(0, layer.rows, made.values.data()); !done) {
            return fail(done.error());
        }
        return made;
    }
    return fail(ErrorCode::NotFound, "no packed tensor was recognised");
}

}  // namespace

std::uint64_t draw(std::uint64_t seed, std::int64_t index, std::uint64_t below) {
    return randomBits(seed, static_cast<std::uint64_t>(index)) % below;
}

int powerAt(std::int64_t index) {
    return static_cast<int>(draw(3, index, 6)) - 4;
}

double scaleAt(std::int64_t index) {
    return std::ldexp(1.0, powerAt(index));
}

std::uint16_t halfOf(double value) {
    return static_cast<std::uint16_t>(encode(*findFormat("fp16"), value).value_or(0));
}

std::uint64_t codeAt(std::int64_t in, std::int64_t out) {
    return draw(1, in * kOut + out, 16);
}

std::uint64_t zeroAt(std::int64_t group, std::int64_t out) {
    return 1 + draw(2, group * kOut + out, 15);
}

double groupScale(std::int64_t group, std::int64_t out) {
    return scaleAt(group * kOut + out);
}

double groupedValue(std::int64_t out, std::int64_t in) {
    const std::int64_t group = in / kGroup;
    return groupScale(group, out) *
           (static_cast<double>(codeAt(in, out)) - static_cast<double>(zeroAt(group, out)));
}

void SafetensorsBytes::addBytes(const std::string& name,
                                const char* dtype,
                                const std::string& shape,
                                std::span<const std::byte> bytes) {
    const std::size_t begin = data_.size();
    data_.insert(data_.end(), bytes.begin(), bytes.end());
    header_.append(header_.empty() ? "{\"" : ",\"").append(name);
    header_.append("\":{\"dtype\":\"").append(dtype).append("\",\"shape\":").append(shape);
    header_.append(",\"data_offsets\":[").append(std::to_string(begin)).append(",");
    header_.append(std::to_string(data_.size())).append("]}");
}

std::vector<std::byte> SafetensorsBytes::bytes() const {
    std::string text;
    text.append(header_).append("}");
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::vector<std::byte> all(sizeof(std::uint64_t) + text.size() + data_.size());
    const auto length = static_cast<std::uint64_t>(text.size());
    std::memcpy(all.data(), &length, sizeof length);
    std::memcpy(all.data() + sizeof length, text.data(), text.size());
    std::memcpy(all.data() + sizeof length + text.size(), data_.data(), data_.size());
    return all;
}

std::vector<PackedLayer> packedLayers() {
    std::vector<PackedLayer> layers{gptqLayer(), awqLayer(), nf4Layer(), int8Layer()};
    addMoreLayers(layers);
    return layers;
}

SelfTestItem testLayer(const PackedLayer& layer) {
    Tally tally(layer.name);
    const Result<ReadLayer> read = readLayer(layer);
    tally.check(read.has_value(), [&] { return read.error().message(); });
    if (!read) {
        return tally.item();
    }
    const auto named = [&](const std::string& found, const std::string& expected) {
        tally.check(found == expected,
                    [&] { return "expected " + expected + ", found '" + found + "'"; });
    };
    named(read->scheme, layer.scheme);
    named(read->quantization, layer.quantization);
    for (std::int64_t i = 0; i < layer.rows * layer.cols; ++i) {
        const double expected = layer.expected(i / layer.cols, i % layer.cols);
        const auto found = static_cast<double>(read->values[at(i)]);
        tally.check(found == expected, [&] {
            return "weight (" + std::to_string(i / layer.cols) + ", " +
                   std::to_string(i % layer.cols) + "): expected " + shortest(expected) +
                   ", found " + shortest(found);
        });
    }
    return tally.item();
}

std::vector<SelfTestItem> testPacked(const JobContext& ctx) {
    std::vector<SelfTestItem> items;
    for (const PackedLayer& layer : packedLayers()) {
        ctx.checkpoint();
        items.push_back(testLayer(layer));
    }
    return items;
}

}  // namespace loupe::selftest
