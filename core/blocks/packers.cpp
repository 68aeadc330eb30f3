// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/packers.hpp"

#include "core/base/cpu_dispatch.hpp"
#include "core/blocks/pack_kernels.hpp"
#include "core/blocks/pack_reference.hpp"

namespace loupe::blocks {

const Packers& referencePackers() {
    static constexpr Packers kPackers{.q4_0 = reference::packQ4_0,
                                      .q4_1 = reference::packQ4_1,
                                      .q5_0 = reference::packQ5_0,
                                      .q5_1 = reference::packQ5_1,
                                      .q8_0 = reference::packQ8_0,
                                      .q8_1 = reference::packQ8_1,
                                      .q8_k = reference::packQ8K,
                                      .q1_0 = reference::packQ1_0,
                                      .q2_0 = reference::packQ2_0,
                                      .q2_k = reference::packQ2K,
                                      .q3_k = reference::packQ3K,
                                      .q4_k = reference::packQ4K,
                                      .q5_k = reference::packQ5K,
                                      .q6_k = reference::packQ6K,
                                      .iq4_nl = reference::packIq4Nl,
                                      .iq4_xs = reference::packIq4Xs,
                                      .tq1_0 = reference::packTq1_0,
                                      .tq2_0 = reference::packTq2_0,
                                      .ggml_mxfp4 = reference::packMxfp4,
                                      .ggml_nvfp4 = reference::packNvfp4};
    return kPackers;
}

namespace {

/// The reference ones where there is nothing faster.
Packers with(const PackKernels& kernels) {
    Packers all = referencePackers();
    all.q4_0 = kernels.q4_0;
    all.q8_0 = kernels.q8_0;
    all.q2_k = kernels.q2_k;
    all.q3_k = kernels.q3_k;
    all.q4_k = kernels.q4_k;
    all.q5_k = kernels.q5_k;
    all.q6_k = kernels.q6_k;
    all.iq4_nl = kernels.iq4_nl;
    all.iq4_xs = kernels.iq4_xs;
    all.ggml_mxfp4 = kernels.ggml_mxfp4;
    return all;
}

}  // namespace

const Packers& packers() {
#if defined(LOUPE_X86_DISPATCH)
    static const Packers kV3 = with(kPackKernels_v3);
    static const Packers kV4 = with(kPackKernels_v4);
    switch (cpuTarget()) {
        case CpuTarget::V4:
            return kV4;
        case CpuTarget::V3:
            return kV3;
        case CpuTarget::Baseline:
            break;
    }
#endif
    static const Packers kBaseline = with(kPackKernels_baseline);
    return kBaseline;
}

}  // namespace loupe::blocks
