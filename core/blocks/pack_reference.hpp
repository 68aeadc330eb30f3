// SPDX-License-Identifier: Apache-2.0
// Inside core/blocks only: the reference quantizers by name; see packers.hpp.
#pragma once

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

}  // namespace loupe::blocks::reference
