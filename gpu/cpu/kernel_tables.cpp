// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "gpu/cpu/matmul_kernels.hpp"

namespace loupe::gpu {

extern const MatmulKernelTables kMatmulKernels_baseline;
extern const MatmulKernelTables kMatmulKernels_v3;
extern const MatmulKernelTables kMatmulKernels_v4;

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

}  // namespace loupe::gpu
