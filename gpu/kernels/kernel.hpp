// SPDX-License-Identifier: Apache-2.0
// What a kernel is to the host: which cases it takes, how its operands are laid out, what it
// launches, what it must cost. Device code is <family>.cuh; this side, <family>.cpp, holds no CUDA
// name and serves driver and executor alike.
#pragma once

#include "core/base/job.hpp"
#include "gpu/simt/executor.hpp"
#include "gpu/timing/case.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

using simt::Dim3;

/// FP32 operands before any quantization, independent normal values; the same for every kernel of a
/// case.
struct MatmulProblem {
    MatmulShape shape;
    std::uint64_t seed = 1;
    std::vector<float> x;  ///< [m, k], standard deviation 1; 20 in shape.outliers inputs
    std::vector<float> w;  ///< [n, k], standard deviation 1/√k
};

struct AttentionProblem {
    AttentionShape shape;
    std::uint64_t seed = 1;
    std::vector<float> q;  ///< [batch, heads, queries, dim], standard deviation 1, as k and v
    std::vector<float> k;  ///< [batch, kvHeads, seq, dim]
    std::vector<float> v;
};

[[nodiscard]] MatmulProblem makeMatmulProblem(const MatmulShape& shape,
                                              std::uint64_t seed,
                                              const JobContext& ctx);
[[nodiscard]] AttentionProblem makeAttentionProblem(const AttentionShape& shape,
                                                    std::uint64_t seed,
                                                    const JobContext& ctx);

enum class BufferRole : std::uint8_t { Input, Output, Scratch };
enum class ElementType : std::uint8_t { Float32, Float16, BFloat16, Int32, Int8, UInt8, UInt32 };

/// Device memory of a plan. Before a checked run outputs hold NaN and scratch 0xFF bytes; a kernel
/// that needs other start values writes them itself.
struct Buffer {
    std::string name;
    BufferRole role = BufferRole::Input;
    ElementType type = ElementType::Float32;
    std::size_t bytes = 0;
    std::vector<std::byte> contents;  ///< of an input; empty otherwise
};

/// One argument of a launch: a buffer by its index in the plan, or a number.
struct Argument {
    enum class Kind : std::uint8_t { Buffer, Int32, Float32 };
    Kind kind = Kind::Int32;
    int buffer = 0;
    std::int32_t integer = 0;
    float real = 0;
    [[nodiscard]] static Argument of(int bufferIndex) { return {Kind::Buffer, bufferIndex, 0, 0}; }
    [[nodiscard]] static Argument integral(std::int64_t value) {
        return {Kind::Int32, 0, static_cast<std::int32_t>(value), 0};
    }
    [[nodiscard]] static Argument floating(float value) { return {Kind::Float32, 0, 0, value}; }
};

/// One grid. `entry` is the extern "C" name in the device code.
struct LaunchStep {
    std::string entry;
    Dim3 grid;
    Dim3 block;
    std::size_t dynamicShared = 0;
    std::vector<Argument> arguments;
};

/// Everything a backend needs: allocate the buffers, run the steps in order, read the output.
struct LaunchPlan {
    std::vector<Buffer> buffers;
    std::vector<LaunchStep> steps;
    int output = 0;  ///< index of the output: [m, n] or [batch, heads, queries, dim], row-major
    /// The operands as the kernel holds them, decoded: the FP64 reference uses these. Empty: the
    /// problem's own.
    std::vector<float> x;  ///< [m, k]; attention: q
    std::vector<float> w;  ///< [n, k]; attention: k
    std::vector<float> v;  ///< attention only
};

/// What must be done and moved at least.
struct KernelCost {
    double flops = 0;
    double bytes =
        0;  ///< every operand in the kernel's format once (scales included), the output once
    std::string arithmetic;  ///< which peak counts: fp32, fp16, bf16, int8, fp8
};

/// One instance that can be launched.
struct Kernel {
    std::string_view id{};      ///< "gemm_s8_mma_128x128x64x2"
    std::string_view family{};  ///< file, without extension
    std::string_view title{};   ///< "int8 tensor cores, three stages"
    /// One sentence: what this rung of the ladder does better than the one before.
    std::string_view summary{};
    std::string_view source{};  ///< paper or document behind it
    Operation operation = Operation::Matmul;
    std::string_view what;  ///< word of a request: "int8", "w4a16", "flash2"
    std::string_view a;     ///< formats of activations, weights, accumulator, output
    std::string_view b;
    std::string_view accumulator;
    std::string_view output;
    int rung = 0;              ///< place in the family's ladder, from 0
    int leastCapability = 75;  ///< 75, 80, 89
    /// Largest ‖out − ref‖_F/‖ref‖_F against the FP64 product of the kernel's own operands; derived
    /// in the family's file.
    double tolerance = 0;
    int registerBudget = 0;  ///< a thread; the compiler's figure must not exceed it
    int sharedBudget = 0;    ///< bytes a block, static and dynamic
    bool teaching = false;   ///< not meant to be fast: said beside its bar
    /// Why this case is not taken, in one sentence; empty: it is taken.
    std::string (*refuses)(const TimingRequest& request) = nullptr;
    LaunchPlan (*planMatmul)(const MatmulProblem& problem, const JobContext& ctx) = nullptr;
    LaunchPlan (*planAttention)(const AttentionProblem& problem, const JobContext& ctx) = nullptr;
    KernelCost (*cost)(const TimingRequest& request) = nullptr;
};

/// One file of device code.
struct KernelFamily {
    std::string_view id;     ///< "gemm_s8"
    std::string_view title;  ///< "INT8 matrix product"
    std::string_view summary;
    std::span<const Kernel> kernels;  ///< from the first rung of the ladder to the last
};

/// All families, in the order of kernels.def.
[[nodiscard]] std::span<const KernelFamily* const> kernelFamilies();
[[nodiscard]] const Kernel* findKernel(std::string_view id);

/// The text of gpu/kernels/<family>.cuh as it was compiled, and of gpu/simt/simt.hpp under the name
/// "simt": for the source view and for NVRTC.
[[nodiscard]] std::string_view kernelSource(std::string_view family);
/// SHA-256 of a family's text in hex, taken when the program was built: which text of a kernel a
/// record belongs to.
[[nodiscard]] std::string_view kernelSha256(std::string_view family);
/// The fat binary of a family; empty where this program was built without nvcc.
[[nodiscard]] std::span<const std::byte> fatBinary(std::string_view family);
/// Architectures in the fat binaries: {75, 80, ...}; empty without nvcc.
[[nodiscard]] std::span<const int> builtArchitectures();

/// FP64 products: of all rows of the output, or of `rows` alone ([rows.size(), n]). Rows of
/// attention count over batch, heads and queries.
[[nodiscard]] std::vector<double> referenceMatmul(std::span<const float> x,
                                                  std::span<const float> w,
                                                  const MatmulShape& shape,
                                                  std::span<const std::int64_t> rows,
                                                  const JobContext& ctx);
[[nodiscard]] std::vector<double> referenceAttention(std::span<const float> q,
                                                     std::span<const float> k,
                                                     std::span<const float> v,
                                                     const AttentionShape& shape,
                                                     std::span<const std::int64_t> rows,
                                                     const JobContext& ctx);

}  // namespace loupe::gpu
