// SPDX-License-Identifier: Apache-2.0
#include "core/prune/prune_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const PruneKernels kPruneKernels_baseline;
extern const PruneKernels kPruneKernels_v3;
extern const PruneKernels kPruneKernels_v4;

const PruneKernels& pruneKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kPruneKernels_v4;
        case CpuTarget::V3:
            return kPruneKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kPruneKernels_baseline;
}

}  // namespace loupe
