// SPDX-License-Identifier: Apache-2.0
#include "core/formats/format_kernels.hpp"

namespace loupe::detail {

const FormatKernels& formatKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::Baseline:
            return kFormatKernels_baseline;
        case CpuTarget::V3:
            return kFormatKernels_v3;
        case CpuTarget::V4:
            return kFormatKernels_v4;
    }
#endif
    return kFormatKernels_baseline;
}

}  // namespace loupe::detail
