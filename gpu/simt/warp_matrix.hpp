// SPDX-License-Identifier: Apache-2.0
// Operations of a whole warp on the CPU: what the last lane to arrive does for all. Fragment
// layouts as in the PTX ISA, "Matrix fragments for mma.m16n8k16" and "... m16n8k32".
#pragma once

#include <cstdint>

namespace loupe::gpu::simt::warp {

/// Arguments of one lane.
struct MmaFloat {
    float* d;
    const std::uint32_t* a;
    const std::uint32_t* b;
};
struct MmaInteger {
    std::int32_t* d;
    const std::uint32_t* a;
    const std::uint32_t* b;
};
struct MatrixRow {
    const void* row;  ///< 8 elements of 2 bytes
    std::uint32_t* registers;
};

void mmaHalf(void* const* arguments, std::uint32_t lanes);
void mmaBfloat16(void* const* arguments, std::uint32_t lanes);
void mmaInt8(void* const* arguments, std::uint32_t lanes);
void loadMatrix(void* const* arguments, std::uint32_t lanes);
void loadMatrixTransposed(void* const* arguments, std::uint32_t lanes);

/// Throws where the source lane of a shuffle does not take part.
[[noreturn]] void missingLane(const char* operation);

}  // namespace loupe::gpu::simt::warp
