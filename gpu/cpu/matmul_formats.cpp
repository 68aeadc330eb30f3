// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "gpu/cpu/matmul.hpp"
#include "gpu/cpu/matmul_float.hpp"

#include <algorithm>
#include <array>

namespace loupe::gpu {

namespace {

std::string takesAll(const MatmulShape&) {
    return {};
}

std::string wantsGroupsOfEight(const MatmulShape& shape) {
    return shape.group < shape.k && shape.group % 8 != 0
               ? "the CPU kernels take groups of a multiple of 8 inputs, not " +
                     std::to_string(shape.group)
               : std::string();
}

constexpr std::array kFormats{
    CpuFormat{"fp32", "FP32", "fp32", "fp32", "fp32", "fp32", 4, "fp32", 32, takesAll, makeFloat32},
    CpuFormat{"bf16",
              "BF16",
              "bf16",
              "bf16",
              "fp32",
              "fp32",
              2,
              "bf16",
              16,
              takesAll,
              makeWidenedBFloat16},
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
    CpuFormat{"w8a16",
              "8-bit weights, 16-bit activations",
              "bf16",
              "int8",
              "fp32",
              "fp32",
              2,
              "fp32",
              8,
              takesAll,
              makeWeightOnly8},
    CpuFormat{"w4a16",
              "4-bit weights, 16-bit activations",
              "bf16",
              "int4",
              "fp32",
              "fp32",
              2,
              "fp32",
              4.25,
              wantsGroupsOfEight,
              makeWeightOnly4},
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
    return format.arithmetic == "bf16" ? "fp32" : format.arithmetic;
}

}  // namespace loupe::gpu
