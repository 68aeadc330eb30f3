// SPDX-License-Identifier: Apache-2.0
// A safetensors file seen as a packed checkpoint: under no configuration, and under one that its
// size picks.
#include "core/io/packed/packed.hpp"
#include "tests/fuzz/fuzz_io_support.hpp"

#include <array>

namespace loupe {
extern const Reader kReader_safetensors;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::array<const char*, 11> kConfigs{
        "",
        R"({"quantization_config":{"quant_method":"gptq","bits":4,"group_size":32}})",
        R"({"quantization_config":{"quant_method":"awq","bits":4,"group_size":32,"version":"gemv"}})",
        R"({"quantization_config":{"quant_method":"bitsandbytes","bnb_4bit_quant_type":"nf4"}})",
        R"({"quantization_config":{"quant_method":"compressed-tensors","format":"pack-quantized",
            "config_groups":{"a":{"weights":{"num_bits":3,"group_size":32}}}}})",
        R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})",
        R"({"quantization_config":{"quant_method":"mxfp4"}})",
        R"({"quantization":{"bits":4,"group_size":64}})",
        R"({"quantization_config":{"quant_method":"gptq","bits":5,"checkpoint_format":"gptq_p"}})",
        R"({"quantization_config":{"quant_method":"compressed-tensors",
            "format":"mxfp6-pack-quantized"}})",
        R"({"quantization_config":{"quant_method":"modelopt","quant_algo":"W4A16_AWQ"}})"};
    const auto stored =
        loupe::kReader_safetensors.open({loupe::fuzz::fileOf(data, size, "x.safetensors"), {}, {}});
    if (!stored) {
        return 0;
    }
    loupe::fuzz::readSource(*loupe::makeLogicalSource(*stored, kConfigs[0], {}));
    loupe::fuzz::readSource(
        *loupe::makeLogicalSource(*stored, kConfigs[size % kConfigs.size()], {}));
    return 0;
}
