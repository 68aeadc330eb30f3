// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/product_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const ProductKernels kProductKernels_baseline;
extern const ProductKernels kProductKernels_v3;
extern const ProductKernels kProductKernels_v4;

const ProductKernels& productKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kProductKernels_v4;
        case CpuTarget::V3:
            return kProductKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kProductKernels_baseline;
}

}  // namespace loupe
