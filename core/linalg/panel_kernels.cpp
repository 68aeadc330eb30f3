// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/panel_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const PanelKernels kPanelKernels_baseline;
extern const PanelKernels kPanelKernels_v3;
extern const PanelKernels kPanelKernels_v4;

const PanelKernels& panelKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kPanelKernels_v4;
        case CpuTarget::V3:
            return kPanelKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kPanelKernels_baseline;
}

}  // namespace loupe
