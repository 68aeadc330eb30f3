// SPDX-License-Identifier: Apache-2.0
#include "core/quant/uniform_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const UniformKernels kUniformKernels_baseline;
extern const UniformKernels kUniformKernels_v3;
extern const UniformKernels kUniformKernels_v4;

const UniformKernels& uniformKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kUniformKernels_v4;
        case CpuTarget::V3:
            return kUniformKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kUniformKernels_baseline;
}

}  // namespace loupe
