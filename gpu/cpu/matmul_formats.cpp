// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "gpu/cpu/matmul.hpp"
#include "gpu/cpu/matmul_brain.hpp"
#include "gpu/cpu/matmul_float.hpp"
#include "gpu/cpu/matmul_integer.hpp"
#include "gpu/cpu/matmul_kernels.hpp"

#include <algorithm>
#include <array>

namespace loupe::gpu {

namespace {

std::string takesAll(const MatmulShape&) {
    return {};
}

std::string wantsExactSums(const MatmulShape& shape) {
    // Columns sums times 128 must fit 32 bits.
    constexpr std::int64_t kMost = std::int64_t{1} << 24;
    return shape.k > kMost ? "more than 2^24 inputs" : std::string();
}

std::string wantsGroups(const MatmulShape& shape) {
    return shape.group < shape.k && shape.group % 8 != 0
               ? "the CPU kernels take groups of a multiple of 8 inputs, not " +
                     std::to_string(shape.group)
               : wantsExactSums(shape);
}

constexpr std::array kFormats{
    CpuFormat{"fp32", "FP32", "fp32", "fp32", "fp32", "fp32", 4, "fp32", 32, takesAll, makeFloat32},
    CpuFormat{
        "bf16", "BF16", "bf16", "bf16", "fp32", "fp32", 2, "bf16", 16, takesAll, makeBFloat16},
    CpuFormat{"fp16",
              "FP16 storage, FP32 arithmetic",
              "fp16",
              "fp16",
              "fp32",
              "fp32",
              2,
              "fp32",
              16,
              takesAll,
              makeFloat16},
    CpuFormat{"int8",
              "INT8, activations given as codes",
              "int8",
              "int8",
              "int32",
              "fp32",
              1,
              "int8",
              8,
              wantsExactSums,
              makeInt8},
    CpuFormat{"w8a8",
              "8-bit weights, activations quantized to 8 bits by token",
              "fp32",
              "int8",
              "int32",
              "fp32",
              4,
              "int8",
              8,
              wantsExactSums,
              makeW8A8},
    CpuFormat{"w8a16",
              "8-bit weights, 16-bit activations",
              "bf16",
              "int8",
              "fp32",
              "fp32",
              2,
              "bf16",
              8,
              takesAll,
              makeW8A16},
    CpuFormat{"w4a16",
              "4-bit weights, 16-bit activations",
              "bf16",
              "int4",
              "fp32",
              "fp32",
              2,
              "bf16",
              4.25,
              wantsGroups,
              makeW4A16},
    CpuFormat{"w4a8",
              "4-bit weights, activations quantized to 8 bits by token",
              "fp32",
              "int4",
              "int32",
              "fp32",
              4,
              "int8",
              4.25,
              wantsGroups,
              makeW4A8},
    CpuFormat{"int8_outliers",
              "LLM.int8(): 8 bits, one input of 200 in FP32",
              "fp32",
              "int8",
              "int32",
              "fp32",
              4,
              "int8",
              8,
              wantsExactSums,
              makeInt8Outliers},
    CpuFormat{"sparse24",
              "2:4 sparse FP32",
              "fp32",
              "fp32",
              "fp32",
              "fp32",
              4,
              "fp32",
              17,
              takesAll,
              makeSparse24},
    CpuFormat{"sparse50",
              "half of the weights zero, any places, FP32",
              "fp32",
              "fp32",
              "fp32",
              "fp32",
              4,
              "fp32",
              17,
              takesAll,
              makeSparseHalf},
};

}  // namespace

std::span<const CpuFormat> cpuFormats() {
    return kFormats;
}

const CpuFormat* findCpuFormat(std::string_view name) {
    const auto found = std::find_if(kFormats.begin(), kFormats.end(), [&](const CpuFormat& format) {
        return format.name == name;
    });
    return found == kFormats.end() ? nullptr : &*found;
}

std::string_view cpuArithmetic(const CpuFormat& format) {
    return format.arithmetic == "bf16" && brainKernels() == nullptr ? "fp32" : format.arithmetic;
}

}  // namespace loupe::gpu
