// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/packers.hpp"

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

const Packers& packers() {
    return referencePackers();
}

}  // namespace loupe::blocks
