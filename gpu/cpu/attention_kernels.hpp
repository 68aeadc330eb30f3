// SPDX-License-Identifier: Apache-2.0
// Inner loops of FP32 attention on the CPU. Scores are kept in units of log 2 (queries come scaled
// by log2(e)/√dim), so that softmax takes powers of two.
#pragma once

#include "gpu/cpu/matmul_kernels.hpp"

#include <cstdint>

namespace loupe::gpu {

/// Scores of up to kTileRows queries against neighbouring keys.
struct ScoreCall {
    const float* q = nullptr;     ///< [dim][rows]
    const float* keys = nullptr;  ///< panels of `lanes` keys, [dim][lanes] each
    std::int64_t dim = 0;
    std::int64_t panels = 0;
    const std::int64_t* limits = nullptr;  ///< of each query: how many of these keys it sees
    float* scores = nullptr;               ///< [rows][stride]; minus infinity behind the limit
    std::int64_t stride = 0;
    float* most = nullptr;  ///< of each query: its largest score here
};

/// Weighted sums of values.
struct ValueCall {
    const float* weights = nullptr;  ///< [rows][stride]
    std::int64_t stride = 0;
    const float* values = nullptr;  ///< [keys][valueStride]
    std::int64_t valueStride = 0;
    std::int64_t keys = 0;
    std::int64_t width = 0;  ///< a multiple of `lanes`
    float* sums = nullptr;   ///< [rows][width]; added to
};

struct AttentionKernels {
    int lanes = 0;
    void (*scores[kTileRows + 1])(const ScoreCall&) = {};
    void (*values[kTileRows + 1])(const ValueCall&) = {};
    /// Scores of one query against keys as they come, [keys][dim]: for decode.
    void (*dots)(const float* q,
                 const float* keys,
                 std::int64_t count,
                 std::int64_t dim,
                 float* scores) = nullptr;
    float (*largest)(const float* x, std::int64_t count) = nullptr;
    /// s becomes 2^(s - most); @returns the sum. 2^-126 and below count as that.
    float (*powers)(float* s, std::int64_t count, float most) = nullptr;
    void (*scale)(float* x, std::int64_t count, float factor) = nullptr;
};

/// Of the instruction set that cpuTarget() names.
[[nodiscard]] const AttentionKernels& attentionKernels();

}  // namespace loupe::gpu
