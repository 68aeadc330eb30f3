// SPDX-License-Identifier: Apache-2.0
// Inside core/blocks only: the reference quantizers by name; see packers.hpp.
#pragma once

#include "core/blocks/scale_search.hpp"

#include <cstddef>
#include <cstdint>

namespace loupe::blocks::reference {

void packQ4_0(const float* values, std::int64_t count, std::byte* blocks);
void packQ4_1(const float* values, std::int64_t count, std::byte* blocks);
void packQ5_0(const float* values, std::int64_t count, std::byte* blocks);
void packQ5_1(const float* values, std::int64_t count, std::byte* blocks);
void packQ8_0(const float* values, std::int64_t count, std::byte* blocks);
void packQ8_1(const float* values, std::int64_t count, std::byte* blocks);
void packQ8K(const float* values, std::int64_t count, std::byte* blocks);
void packQ1_0(const float* values, std::int64_t count, std::byte* blocks);
void packQ2_0(const float* values, std::int64_t count, std::byte* blocks);
void packQ2K(const float* values, std::int64_t count, std::byte* blocks);
void packQ3K(const float* values, std::int64_t count, std::byte* blocks);
void packQ4K(const float* values, std::int64_t count, std::byte* blocks);
void packQ5K(const float* values, std::int64_t count, std::byte* blocks);
void packQ6K(const float* values, std::int64_t count, std::byte* blocks);
void packIq4Nl(const float* values, std::int64_t count, std::byte* blocks);
void packIq4Xs(const float* values, std::int64_t count, std::byte* blocks);
void packTq1_0(const float* values, std::int64_t count, std::byte* blocks);
void packTq2_0(const float* values, std::int64_t count, std::byte* blocks);
void packMxfp4(const float* values, std::int64_t count, std::byte* blocks);
void packNvfp4(const float* values, std::int64_t count, std::byte* blocks);

// The search for the scale of one part, as the quantizers above run it, with all that it tries.
[[nodiscard]] ScaleSearch watchQ4_0(const float* part);
[[nodiscard]] ScaleSearch watchQ4_1(const float* part);
[[nodiscard]] ScaleSearch watchQ5_0(const float* part);
[[nodiscard]] ScaleSearch watchQ5_1(const float* part);
[[nodiscard]] ScaleSearch watchQ8_0(const float* part);
[[nodiscard]] ScaleSearch watchQ2K(const float* part);
[[nodiscard]] ScaleSearch watchQ4K(const float* part);
[[nodiscard]] ScaleSearch watchQ5K(const float* part);
[[nodiscard]] ScaleSearch watchQ6K(const float* part);

}  // namespace loupe::blocks::reference
