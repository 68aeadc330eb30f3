// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// X W' of row-major float matrices; product_kernels.inc, one function per instruction set.
struct ProductKernels {
    /// out[token][output] = sum over inputs of x[token][input]·w[output][input], added to what is
    /// there if `add`. Sums in float: a lane of a vector each, 1024 inputs at a time.
    void (*timesTransposed)(const float* x,
                            std::int64_t tokens,
                            const float* w,
                            std::int64_t outputs,
                            std::int64_t inputs,
                            bool add,
                            float* out);
};

/// The table for cpuTarget().
[[nodiscard]] const ProductKernels& productKernels();

}  // namespace loupe
