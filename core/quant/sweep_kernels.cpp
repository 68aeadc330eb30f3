// SPDX-License-Identifier: Apache-2.0
#include "core/quant/sweep_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const SweepKernels kSweepKernels_baseline;
extern const SweepKernels kSweepKernels_v3;
extern const SweepKernels kSweepKernels_v4;

const SweepKernels& sweepKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kSweepKernels_v4;
        case CpuTarget::V3:
            return kSweepKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kSweepKernels_baseline;
}

}  // namespace loupe
