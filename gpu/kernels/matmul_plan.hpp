// SPDX-License-Identifier: Apache-2.0
// Parts that the plans of matrix products share.
#pragma once

#include "gpu/kernels/launch_plan.hpp"

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

/// Symmetric int8 codes with one scale a row, by core's absmax quantizer.
struct Int8Rows {
    std::vector<std::int8_t> codes;  ///< [rows, cols]
    std::vector<float> scales;       ///< [rows]
    std::vector<float> decoded;      ///< scale·code, as the kernel's FP32 would have it
};
[[nodiscard]] Int8Rows quantizeRows(std::span<const float> values,
                                    std::int64_t rows,
                                    std::int64_t cols,
                                    const JobContext& ctx);

/// What a product of m x n x k must do and move: 2mnk operations, `operandBytes` once and an FP32
/// output once.
[[nodiscard]] KernelCost productCost(const MatmulShape& shape,
                                     double operandBytes,
                                     std::string_view arithmetic);

/// Why a kernel that reads several inputs at once does not take this k; empty: it does.
[[nodiscard]] std::string refusesUnaligned(const MatmulShape& shape, std::int64_t multiple);

/// What the rungs of a ladder differ in, where every block makes one tile of the output.
struct TiledRung {
    std::string_view id;  ///< and the entry's name
    std::string_view title;
    std::string_view summary;
    std::string_view source;
    int rung = 0;
    int leastCapability = 75;
    std::int64_t tileM = 0;
    std::int64_t tileN = 0;
    unsigned threads = 0;
    int dynamicShared = 0;
    int registerBudget = 0;
    int sharedBudget = 0;
    bool teaching = false;
};

/// The family's kernel with what the rung says in it.
[[nodiscard]] constexpr Kernel onRung(Kernel family, const TiledRung& rung) {
    family.operation = Operation::Matmul;
    family.id = rung.id;
    family.title = rung.title;
    family.summary = rung.summary;
    family.source = rung.source;
    family.rung = rung.rung;
    family.leastCapability = rung.leastCapability;
    family.registerBudget = rung.registerBudget;
    family.sharedBudget = rung.sharedBudget;
    family.teaching = rung.teaching;
    return family;
}

/// The launch over the output's tiles. Arguments: all buffers of the plan, m, n, k and `more`.
void addTiles(LaunchPlan& plan,
              const MatmulShape& shape,
              const TiledRung& rung,
              std::initializer_list<std::int64_t> more = {});

}  // namespace loupe::gpu
