// SPDX-License-Identifier: Apache-2.0
// Inside core/blocks only: the fast quantizers, one table of functions for each instruction set. The
// same bytes as the reference ones: a lane does for one part of a block what they do, in their
// order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loupe::blocks {

/// Quantizers of whole blocks of finite values, named like their formats.
struct PackKernels {
    using Pack = void (*)(const float* values, std::int64_t count, std::byte* blocks);

    Pack q4_0;
    Pack q8_0;
    Pack q2_k;
    Pack q3_k;
    Pack q4_k;
    Pack q5_k;
    Pack q6_k;
    Pack iq4_nl;
    Pack iq4_xs;
    Pack ggml_mxfp4;
};

extern const PackKernels kPackKernels_baseline;
extern const PackKernels kPackKernels_v3;
extern const PackKernels kPackKernels_v4;

}  // namespace loupe::blocks
