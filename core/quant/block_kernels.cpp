// SPDX-License-Identifier: Apache-2.0
#include "core/quant/block_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const BlockKernels kBlockKernels_baseline;
extern const BlockKernels kBlockKernels_v3;
extern const BlockKernels kBlockKernels_v4;

const BlockKernels& blockKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kBlockKernels_v4;
        case CpuTarget::V3:
            return kBlockKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kBlockKernels_baseline;
}

}  // namespace loupe
