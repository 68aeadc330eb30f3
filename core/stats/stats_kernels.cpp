// SPDX-License-Identifier: Apache-2.0
#include "core/stats/stats_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const StatsKernels kStatsKernels_baseline;
extern const StatsKernels kStatsKernels_v3;
extern const StatsKernels kStatsKernels_v4;

const StatsKernels& statsKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kStatsKernels_v4;
        case CpuTarget::V3:
            return kStatsKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kStatsKernels_baseline;
}

}  // namespace loupe
