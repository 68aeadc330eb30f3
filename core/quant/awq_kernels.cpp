// SPDX-License-Identifier: Apache-2.0
#include "core/quant/awq_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const AwqKernels kAwqKernels_baseline;
extern const AwqKernels kAwqKernels_v3;
extern const AwqKernels kAwqKernels_v4;

const AwqKernels& awqKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kAwqKernels_v4;
        case CpuTarget::V3:
            return kAwqKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kAwqKernels_baseline;
}

}  // namespace loupe
