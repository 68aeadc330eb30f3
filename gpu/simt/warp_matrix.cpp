// SPDX-License-Identifier: Apache-2.0
#include "gpu/simt/warp_matrix.hpp"

#include "gpu/simt/narrow_float.hpp"
#include "gpu/simt/runtime.hpp"

#include <cstring>

namespace loupe::gpu::simt::warp {

namespace {

constexpr int kLanes = 32;

template <class Argument>
Argument& of(void* const* arguments, int lane) {
    return *static_cast<Argument*>(arguments[lane]);
}

void needAll(std::uint32_t lanes, const char* operation) {
    if (lanes != 0xFFFFFFFFU) {
        missingLane(operation);
    }
}

float halfPart(std::uint32_t word, int part) {
    return halfToFloat({static_cast<std::uint16_t>(word >> (16 * part))});
}
float bfloatPart(std::uint32_t word, int part) {
    return bfloat16ToFloat({static_cast<std::uint16_t>(word >> (16 * part))});
}

/// D += A·B with A [16, 16], B [16, 8], products summed in order of k in FP32.
template <float (*Part)(std::uint32_t, int)>
void mma16(void* const* arguments) {
    float a[16][16];
    float b[16][8];
    float d[16][8];
    for (int lane = 0; lane < kLanes; ++lane) {
        const MmaFloat& own = of<MmaFloat>(arguments, lane);
        const int group = lane / 4;
        const int pair = lane % 4 * 2;
        for (int i = 0; i < 8; ++i) {
            a[group + i / 2 % 2 * 8][pair + i % 2 + i / 4 * 8] = Part(own.a[i / 2], i % 2);
        }
        for (int i = 0; i < 4; ++i) {
            b[pair + i % 2 + i / 2 * 8][group] = Part(own.b[i / 2], i % 2);
            d[group + i / 2 * 8][pair + i % 2] = own.d[i];
        }
    }
    for (int r = 0; r < 16; ++r) {
        for (int k = 0; k < 16; ++k) {
            for (int c = 0; c < 8; ++c) {
                d[r][c] += a[r][k] * b[k][c];
            }
        }
    }
    for (int lane = 0; lane < kLanes; ++lane) {
        const MmaFloat& own = of<MmaFloat>(arguments, lane);
        for (int i = 0; i < 4; ++i) {
            own.d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
        }
    }
    runtime::arithmetic.flops += 2ULL * 16 * 8 * 16;
}

template <bool Transposed>
void load(void* const* arguments) {
    std::uint16_t matrix[4][8][8];
    for (int lane = 0; lane < kLanes; ++lane) {
        std::memcpy(matrix[lane / 8][lane % 8], of<MatrixRow>(arguments, lane).row, 16);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
        const int group = lane / 4;
        const int pair = lane % 4 * 2;
        for (int q = 0; q < 4; ++q) {
            const std::uint32_t low = Transposed ? matrix[q][pair][group] : matrix[q][group][pair];
            const std::uint32_t high =
                Transposed ? matrix[q][pair + 1][group] : matrix[q][group][pair + 1];
            of<MatrixRow>(arguments, lane).registers[q] = low | high << 16;
        }
    }
}

}  // namespace

void missingLane(const char* operation) {
    throw runtime::Fault(std::string(operation) +
                         " needs a lane that does not take part: it left, or is not in the mask");
}

void mmaHalf(void* const* arguments, std::uint32_t lanes) {
    needAll(lanes, "mma");
    mma16<halfPart>(arguments);
}

void mmaBfloat16(void* const* arguments, std::uint32_t lanes) {
    needAll(lanes, "mma");
    mma16<bfloatPart>(arguments);
}

void mmaInt8(void* const* arguments, std::uint32_t lanes) {
    needAll(lanes, "mma");
    std::int32_t a[16][32];
    std::int32_t b[32][8];
    std::int32_t d[16][8];
    for (int lane = 0; lane < kLanes; ++lane) {
        const MmaInteger& own = of<MmaInteger>(arguments, lane);
        const int group = lane / 4;
        const int quad = lane % 4 * 4;
        for (int i = 0; i < 16; ++i) {
            a[group + i / 4 % 2 * 8][quad + i % 4 + i / 8 * 16] =
                static_cast<std::int8_t>(own.a[i / 4] >> (8 * (i % 4)));
        }
        for (int i = 0; i < 8; ++i) {
            b[quad + i % 4 + i / 4 * 16][group] =
                static_cast<std::int8_t>(own.b[i / 4] >> (8 * (i % 4)));
        }
        for (int i = 0; i < 4; ++i) {
            d[group + i / 2 * 8][lane % 4 * 2 + i % 2] = own.d[i];
        }
    }
    for (int r = 0; r < 16; ++r) {
        for (int k = 0; k < 32; ++k) {
            for (int c = 0; c < 8; ++c) {
                d[r][c] += a[r][k] * b[k][c];
            }
        }
    }
    for (int lane = 0; lane < kLanes; ++lane) {
        const MmaInteger& own = of<MmaInteger>(arguments, lane);
        for (int i = 0; i < 4; ++i) {
            own.d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
        }
    }
    runtime::arithmetic.integerOps += 2ULL * 16 * 8 * 32;
}

void loadMatrix(void* const* arguments, std::uint32_t lanes) {
    needAll(lanes, "ldmatrix");
    load<false>(arguments);
}

void loadMatrixTransposed(void* const* arguments, std::uint32_t lanes) {
    needAll(lanes, "ldmatrix");
    load<true>(arguments);
}

}  // namespace loupe::gpu::simt::warp
