// SPDX-License-Identifier: Apache-2.0
// Inside core/blocks only: the decoders, one table of functions for each instruction set.
#pragma once

#include "core/base/cpu_dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace loupe::blocks {

/// Decoders of whole blocks, named like their formats. All give the same bits on every machine:
/// FP32 in the order of the format's definition, nothing contracted.
struct UnpackKernels {
    using Unpack = void (*)(const std::byte* blocks, std::int64_t count, float* out);

    Unpack q4_0;
    Unpack q4_1;
    Unpack q5_0;
    Unpack q5_1;
    Unpack q8_0;
    Unpack q8_1;
    Unpack q2_k;
    Unpack q3_k;
    Unpack q4_k;
    Unpack q5_k;
    Unpack q6_k;
    Unpack q8_k;
    Unpack iq4_nl;
    Unpack iq4_xs;
    Unpack iq2_xxs;
    Unpack iq2_xs;
    Unpack iq2_s;
    Unpack iq3_xxs;
    Unpack iq3_s;
    Unpack iq1_s;
    Unpack iq1_m;
    Unpack tq1_0;
    Unpack tq2_0;
    Unpack q1_0;
    Unpack q2_0;
    Unpack ggml_mxfp4;
    Unpack ggml_nvfp4;
};

extern const UnpackKernels kUnpackKernels_baseline;
extern const UnpackKernels kUnpackKernels_v3;
extern const UnpackKernels kUnpackKernels_v4;

/// The table for cpuTarget().
[[nodiscard]] const UnpackKernels& unpackKernels();

}  // namespace loupe::blocks
