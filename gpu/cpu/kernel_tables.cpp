// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "gpu/cpu/attention_kernels.hpp"
#include "gpu/cpu/matmul_kernels.hpp"

namespace loupe::gpu {

extern const MatmulKernelTables kMatmulKernels_baseline;
extern const MatmulKernelTables kMatmulKernels_v3;
extern const MatmulKernelTables kMatmulKernels_v4;
extern const IntegerKernels kIntegerKernels_baseline;
extern const IntegerKernels kIntegerKernels_v3;
extern const IntegerKernels kIntegerKernels_v4;
extern const IntegerKernels kIntegerKernels_vnni;
extern const BrainKernels kBrainKernels;
extern const AttentionKernels kAttentionKernels_baseline;
extern const AttentionKernels kAttentionKernels_v3;
extern const AttentionKernels kAttentionKernels_v4;

namespace {

const MatmulKernelTables& tables() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kMatmulKernels_v4;
        case CpuTarget::V3:
            return kMatmulKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kMatmulKernels_baseline;
}

}  // namespace

const FloatKernels& floatKernels() {
    return tables().floats;
}

const RowKernels& rowKernels() {
    return tables().rows;
}

const IntegerKernels& integerKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return __builtin_cpu_supports("avx512vnni") ? kIntegerKernels_vnni : kIntegerKernels_v4;
        case CpuTarget::V3:
            return kIntegerKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kIntegerKernels_baseline;
}

const BrainKernels* brainKernels() {
#if defined(LOUPE_X86_DISPATCH)
    if (cpuTarget() == CpuTarget::V4 && __builtin_cpu_supports("avx512bf16")) {
        return &kBrainKernels;
    }
#endif
    return nullptr;
}

const AttentionKernels& attentionKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kAttentionKernels_v4;
        case CpuTarget::V3:
            return kAttentionKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kAttentionKernels_baseline;
}

}  // namespace loupe::gpu
