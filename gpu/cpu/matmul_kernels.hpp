// SPDX-License-Identifier: Apache-2.0
// Inner loops of Y = X·Wᵀ on the CPU. W lies in panels of `lanes` outputs, inputs outermost, so
// that one vector holds one input of neighbouring outputs; cut along the inputs into blocks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loupe::gpu {

inline constexpr int kTileRows = 6;    ///< tokens that one call multiplies at most
inline constexpr int kDirectRows = 4;  ///< the same where weights are decoded in registers

/// How the weights of a panel are stored.
enum class PanelCode : std::uint8_t {
    Float32,
    BFloat16,
    Float16,
    Int8,
    Int4,      ///< 8 inputs of an output in 32 bits, code + 8, the first in the low bits
    Sparse24,  ///< 2 of 4: 16 two-bit places of an output in 32 bits before the 16 values
    Bitmask    ///< a bit a weight before the values that are not 0
};
inline constexpr int kPanelCodes = 7;

/// One block of a panel times up to kTileRows tokens.
struct PanelCall {
    /// tile: [depth / step][rows], an element holding `step` inputs; direct: row-major floats.
    const void* x = nullptr;
    std::int64_t xStride = 0;  ///< direct: elements from a token to the next
    const std::byte* panel = nullptr;
    std::int64_t depth = 0;               ///< inputs: a multiple of 8; Sparse24: of 32
    const float* scale = nullptr;         ///< of each output; null: 1
    const std::int32_t* start = nullptr;  ///< integer tiles: what each sum begins with; null: 0
    float* c = nullptr;                   ///< [rows][lanes]
    bool first = true;                    ///< c is written, else added to
};
using PanelFunction = void (*)(const PanelCall&);

/// Products in FP32.
struct FloatKernels {
    int vector = 0;  ///< floats in a register
    int lanes = 0;   ///< outputs of a panel
    PanelFunction tile[kTileRows + 1] = {};
    PanelFunction direct[kPanelCodes][kDirectRows + 1] = {};
    /// A block as FP32 times its scales, for `tile`: [depth][lanes].
    void (*expand[kPanelCodes])(const std::byte* panel,
                                std::int64_t depth,
                                const float* scale,
                                float* out) = {};
};

/// Products of int8 codes, summed in int32. Weights [depth / step][lanes][step].
struct IntegerKernels {
    int lanes = 0;
    int step = 0;     ///< inputs whose products one instruction adds up
    int xOffset = 0;  ///< added to the codes of x: 128 where the instruction wants them unsigned
    int xBytes = 0;   ///< of a code of x: x is [depth / step][rows][step]
    int vectorBytes = 0;  ///< of the weights that go into one register
    PanelFunction tile[kTileRows + 1] = {};
    /// Nibbles (code + 8) to int8: of every vectorBytes bytes the low halves are one vector of
    /// weights, the high halves the next.
    void (*unpack)(const std::byte* nibbles, std::int64_t bytes, std::int8_t* out) = nullptr;
    double (*peak)(std::int64_t turns) = nullptr;
};

/// Products of bf16 pairs, summed in FP32 (VDPBF16PS). x is [depth / 2][rows][2], weights
/// [depth / 2][lanes][2]; Int8 the same in bytes; Int4 8 inputs of an output in 32 bits, the even
/// ones in the low half, the odd ones in the high half.
struct BrainKernels {
    int lanes = 0;
    PanelFunction tile[kTileRows + 1] = {};
    PanelFunction direct[kPanelCodes][kDirectRows + 1] = {};  ///< Int8 and Int4
    /// Int8 and Int4 codes to bf16, which holds them exactly.
    void (*expand[kPanelCodes])(const std::byte* panel, std::int64_t depth, std::byte* out) = {};
    double (*peak)(std::int64_t turns) = nullptr;
};

/// Row-wise work on the activations.
struct RowKernels {
    /// Largest |x|.
    float (*absmax)(const float* x, std::int64_t count) = nullptr;
    /// round(x / scale) to int8 codes, ties to even; |x| <= 127·scale.
    void (*quantize)(const float* x, std::int64_t count, float scale, std::int8_t* codes) = nullptr;
    void (*fromBrain)(const std::uint16_t* x, std::int64_t count, float* out) = nullptr;
    void (*fromHalf)(const std::uint16_t* x, std::int64_t count, float* out) = nullptr;
    float (*sum)(const float* x, std::int64_t count) = nullptr;  ///< reads every value: the probe
    /// Multiply-adds in registers alone: `turns` times twelve vectors. @returns operations
    double (*peak)(std::int64_t turns) = nullptr;
};

struct MatmulKernelTables {
    FloatKernels floats;
    RowKernels rows;
};

/// Of the instruction set that cpuTarget() names.
[[nodiscard]] const FloatKernels& floatKernels();
[[nodiscard]] const RowKernels& rowKernels();
/// With VPDPBUSD where the CPU has it and the target is v4, else with PMADDWD.
[[nodiscard]] const IntegerKernels& integerKernels();
/// Null where the CPU lacks VDPBF16PS or the target is below v4.
[[nodiscard]] const BrainKernels* brainKernels();

}  // namespace loupe::gpu
