// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/unpack_kernels.hpp"

namespace loupe::blocks {

const UnpackKernels& unpackKernels() {
#if defined(LOUPE_X86_DISPATCH)
    switch (cpuTarget()) {
        case CpuTarget::Baseline:
            return kUnpackKernels_baseline;
        case CpuTarget::V3:
            return kUnpackKernels_v3;
        case CpuTarget::V4:
            return kUnpackKernels_v4;
    }
#endif
    return kUnpackKernels_baseline;
}

}  // namespace loupe::blocks
