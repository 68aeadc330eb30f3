// SPDX-License-Identifier: Apache-2.0
// bench packed [--shape 4096x4096] [--rows 64]
// Packed checkpoints to FP32 on one thread, some rows at a time as scans read them: random codes
// and scales in memory, each packing opened through the logical view.
#include "core/io/packed/packed.hpp"

#include "core/base/rng.hpp"
#include "core/io/reader.hpp"
#include "tests/bench/bench.hpp"

#include <cstdio>
#include <cstring>

namespace loupe::bench {

namespace {

struct PartSpec {
    const char* name;
    const char* dtype;
    std::vector<std::int64_t> shape;
    std::int64_t width;  ///< bytes of an element
    int top = 0xFF;      ///< what the top byte of an element is cut to: scales stay finite
};

struct CaseSpec {
    const char* name;
    std::string config;
    std::vector<PartSpec> parts;
};

std::vector<CaseSpec> cases(std::int64_t out, std::int64_t in) {
    const std::string gptq = R"({"quantization_config":{"quant_method":"gptq","bits":4,
        "group_size":128,"checkpoint_format":"gptq"}})";
    const std::string packed = R"({"quantization_config":{"quant_method":"compressed-tensors",
        "config_groups":{"a":{"weights":{"num_bits":4,"group_size":128}}}}})";
    return {{"gptq",
             gptq,
             {{"m.qweight", "I32", {in / 8, out}, 4},
              {"m.qzeros", "I32", {in / 128, out / 8}, 4},
              {"m.scales", "F16", {in / 128, out}, 2, 0x2F}}},
            {"awq",
             R"({"quantization_config":{"quant_method":"awq","bits":4,"group_size":128}})",
             {{"m.qweight", "I32", {in, out / 8}, 4},
              {"m.qzeros", "I32", {in / 128, out / 8}, 4},
              {"m.scales", "F16", {in / 128, out}, 2, 0x2F}}},
            {"compressed-tensors pack-quantized",
             packed,
             {{"m.weight_packed", "I32", {out, in / 8}, 4},
              {"m.weight_scale", "BF16", {out, in / 128}, 2, 0x3F}}},
            {"fp8-block",
             R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})",
             {{"m.weight", "F8_E4M3", {out, in}, 1, 0x7E},
              {"m.weight_scale_inv", "F32", {out / 128, in / 128}, 4, 0x3F}}},
            {"nvfp4",
             R"({"quantization_config":{"quant_method":"modelopt","quant_algo":"NVFP4"}})",
             {{"m.weight", "U8", {out, in / 2}, 1},
              {"m.weight_scale", "F8_E4M3", {out, in / 16}, 1, 0x7E},
              {"m.weight_scale_2", "F32", {1}, 4, 0x3F}}},
            {"mlx",
             R"({"quantization":{"bits":4,"group_size":64}})",
             {{"m.weight", "U32", {out, in / 8}, 4},
              {"m.scales", "BF16", {out, in / 64}, 2, 0x3F},
              {"m.biases", "BF16", {out, in / 64}, 2, 0x3F}}}};
}

std::vector<std::byte> fileOf(const CaseSpec& spec) {
    std::string header = "{";
    std::int64_t at = 0;
    for (const PartSpec& part : spec.parts) {
        std::int64_t bytes = part.width;
        std::string shape;
        for (const std::int64_t size : part.shape) {
            bytes *= size;
            shape.append(shape.empty() ? "" : ",").append(std::to_string(size));
        }
        // Piece by piece: g++ 12 sees overflows in longer sums that are not there.
        for (const std::string& piece : {std::string(at > 0 ? ",\"" : "\""),
                                         std::string(part.name),
                                         std::string("\":{\"dtype\":\""),
                                         std::string(part.dtype),
                                         std::string("\",\"shape\":["),
                                         shape,
                                         std::string("],\"data_offsets\":["),
                                         std::to_string(at),
                                         std::string(","),
                                         std::to_string(at + bytes),
                                         std::string("]}")}) {
            header.append(piece);
        }
        at += bytes;
    }
    header += "}";
    std::vector<std::byte> file(8 + header.size() + static_cast<std::size_t>(at));
    const auto length = static_cast<std::uint64_t>(header.size());
    std::memcpy(file.data(), &length, sizeof length);
    std::memcpy(file.data() + 8, header.data(), header.size());
    std::byte* to = file.data() + 8 + header.size();
    std::uint64_t draw = 0;
    for (const PartSpec& part : spec.parts) {
        std::int64_t count = 1;
        for (const std::int64_t size : part.shape) {
            count *= size;
        }
        for (std::int64_t i = 0; i < count; ++i, to += part.width) {
            const std::uint64_t bits = randomBits(11, draw++);
            std::memcpy(to, &bits, static_cast<std::size_t>(part.width));
            to[part.width - 1] &= std::byte{static_cast<unsigned char>(part.top)};
        }
    }
    return file;
}

}  // namespace

void bench_packed(const Options& options) {
    const auto [out, in] =
        parseShape(options.get("shape", options.smoke() ? "128x256" : "4096x4096"));
    const std::int64_t atOnce = std::stoll(options.get("rows", "64"));
    for (const CaseSpec& spec : cases(out, in)) {
        const auto stored =
            openFile({MappedFile::fromBytes(fileOf(spec), "m.safetensors"), {}, {}});
        if (!stored) {
            std::printf("%s: %s\n", spec.name, stored.error().message().c_str());
            return;
        }
        const auto logical = makeLogicalSource(*stored, spec.config, {});
        const auto rows = logical->matrix(0);
        if (!rows || logical->tensors()[0].packed == nullptr) {
            std::printf("%s: not read\n", spec.name);
            return;
        }
        std::vector<float> buffer(static_cast<std::size_t>(atOnce * in));
        bool sound = true;
        const auto work = [&, matrix = *rows] {
            for (std::int64_t row = 0; row < matrix->rows(); row += atOnce) {
                const std::int64_t n = std::min(atOnce, matrix->rows() - row);
                sound = matrix->read(row, n, buffer.data()).has_value() && sound;
            }
        };
        interleave("packed " + std::string(spec.name) + " " + std::to_string(out) + "x" +
                       std::to_string(in),
                   {{"ours",
                     timed(work),
                     static_cast<double>(logical->tensors()[0].bytes),
                     static_cast<double>(out * in)}},
                   options.repeats(7));
        if (!sound) {
            std::printf("%s: not read to the end\n", spec.name);
            return;
        }
    }
}

}  // namespace loupe::bench
