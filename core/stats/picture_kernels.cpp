// SPDX-License-Identifier: Apache-2.0
#include "core/stats/picture_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"

namespace loupe {

extern const PictureKernels kPictureKernels_baseline;
extern const PictureKernels kPictureKernels_v3;
extern const PictureKernels kPictureKernels_v4;

const PictureKernels& pictureKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kPictureKernels_v4;
        case CpuTarget::V3:
            return kPictureKernels_v3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    return kPictureKernels_baseline;
}

}  // namespace loupe
