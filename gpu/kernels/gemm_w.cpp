// SPDX-License-Identifier: Apache-2.0
// Weight-only products on tensor cores, 1 to 64 tokens. The layout of codes: gemm_w.cuh.
#include "core/base/worker_pool.hpp"
#include "gpu/kernels/matmul_plan.hpp"
#include "gpu/kernels/weight_only.hpp"

#include <algorithm>

namespace loupe::gpu {

namespace {

/// Products of a code and an FP16 number are exact. Tensor cores cut the sum of 16 products and the
/// accumulator off below 2^-23 of it, all in one direction: a chain of L steps whose sum grows as a
/// random walk is short by (L/3)·2^-23 of the result's rms at most. 8 bit: L <= 512 (8192 inputs a
/// split, or 65536 over 8 warps): 2^-15.6. 4 bit: chains of 4, then at most 1024/8 FP32 additions:
/// (4/3)·2^-23 + √64·2^-24 = 2^-20.5, twice that.
constexpr double kTolerance8 = 0x1p-15;
constexpr double kTolerance4 = 0x1p-19;

constexpr std::int64_t kMostTokens = 64;
constexpr std::int64_t kRowPad = 64;
constexpr std::int64_t kInputPad = 128;
constexpr std::int64_t kMostInputsPerSplit = 8192;

std::int64_t padded(std::int64_t size, std::int64_t to) {
    return (size + to - 1) / to * to;
}

/// Codes of one lane's 16 bytes: 16 rows from row0, the inputs of one tile from k0.
struct LaneWords {
    const WeightCodes& codes;
    const MatmulShape& shape;

    [[nodiscard]] unsigned at(std::int64_t row, std::int64_t input) const {
        const int code = row < shape.n && input < shape.k
                             ? codes.codes[static_cast<std::size_t>(row * shape.k + input)]
                             : 0;
        return static_cast<unsigned>(code + (codes.bits == 4 ? 8 : 128));
    }
    [[nodiscard]] std::uint32_t fourBit(std::int64_t row, std::int64_t input) const {
        const std::int64_t under = row + 8;
        return at(row, input) | at(row, input + 1) << 16 | at(row, input + 2) << 8 |
               at(row, input + 3) << 24 | at(under, input) << 4 | at(under, input + 1) << 20 |
               at(under, input + 2) << 12 | at(under, input + 3) << 28;
    }
    [[nodiscard]] std::uint32_t eightBit(std::int64_t row, std::int64_t input) const {
        return at(row, input) | at(row, input + 1) << 8 | at(row, input + 2) << 16 |
               at(row, input + 3) << 24;
    }
};

/// [rows / 16, inputs / 64 or 32, 32 lanes, 4 words]
std::vector<std::uint32_t> packFragments(const WeightCodes& codes,
                                         const MatmulShape& shape,
                                         const JobContext& ctx) {
    const std::int64_t rowTiles = padded(shape.n, kRowPad) / 16;
    const std::int64_t inputs = codes.bits == 4 ? 64 : 32;
    const std::int64_t tiles = padded(shape.k, kInputPad) / inputs;
    std::vector<std::uint32_t> out(static_cast<std::size_t>(rowTiles * tiles * 128));
    const LaneWords words{codes, shape};
    parallelFor(rowTiles, 1, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t tile = begin * tiles; tile < end * tiles; ++tile) {
            const std::int64_t row0 = tile / tiles * 16;
            const std::int64_t k0 = tile % tiles * inputs;
            for (std::int64_t lane = 0; lane < 32; ++lane) {
                const std::int64_t row = row0 + lane / 4;
                const std::int64_t first = k0 + lane % 4 * (inputs / 4);
                for (std::int64_t word = 0; word < 4; ++word) {
                    out[static_cast<std::size_t>(tile * 128 + lane * 4 + word)] =
                        codes.bits == 4 ? words.fourBit(row, first + 4 * word)
                                        : words.eightBit(row + word % 2 * 8, first + word / 2 * 4);
                }
            }
        }
    });
    return out;
}

/// 4 bit: [rows / 16, groups, 8, 2], FP16 codes of rows g and g + 8. Groups that padding adds: 0.
std::vector<std::uint16_t> packScales(const WeightCodes& codes, const MatmulShape& shape) {
    const std::int64_t rowTiles = padded(shape.n, kRowPad) / 16;
    const std::int64_t groups = (padded(shape.k, kInputPad) + shape.group - 1) / shape.group;
    std::vector<std::uint16_t> out(static_cast<std::size_t>(rowTiles * groups * 16), 0);
    for (std::int64_t row = 0; row < shape.n; ++row) {
        for (std::int64_t group = 0; group < codes.groups; ++group) {
            const std::int64_t at = (row / 16 * groups + group) * 16 + row % 8 * 2 + row % 16 / 8;
            out[static_cast<std::size_t>(at)] =
                codes.halfScales[static_cast<std::size_t>(row * codes.groups + group)];
        }
    }
    return out;
}

/// Inputs of a split so that 2 blocks fall on each of 132 multiprocessors, 512 at least.
std::int64_t inputsPerSplit(const MatmulShape& shape) {
    const std::int64_t rows = padded(shape.n, kRowPad) / kRowPad;
    const std::int64_t inputs = padded(shape.k, kInputPad);
    const std::int64_t splits = std::max<std::int64_t>(1, 264 / rows);
    return std::clamp<std::int64_t>(
        padded((inputs + splits - 1) / splits, kInputPad), 512, kMostInputsPerSplit);
}

void addSteps(LaunchPlan& plan, const MatmulShape& shape, int bits) {
    const int tokens = shape.m <= 8 ? 8 : (shape.m <= 16 ? 16 : (shape.m <= 32 ? 32 : 64));
    const std::int64_t inputs = padded(shape.k, kInputPad);
    LaunchStep step;
    step.entry = "gemm_w" + std::to_string(bits) + "a16_t" + std::to_string(tokens);
    step.arguments = {Argument::of(0),
                      Argument::of(1),
                      Argument::of(2),
                      Argument::of(plan.output),
                      Argument::integral(shape.m),
                      Argument::integral(shape.n),
                      Argument::integral(inputs),
                      Argument::integral(groupShift(shape, bits))};
    if (tokens <= 16) {
        step.grid = {blocksFor(shape.n, tokens == 8 ? 16 : 32), 1, 1};
        step.block = {256, 1, 1};
        plan.steps.push_back(std::move(step));
        return;
    }
    const std::int64_t perSplit = inputsPerSplit(shape);
    const std::int64_t splits = (inputs + perSplit - 1) / perSplit;
    step.grid = {blocksFor(shape.n, kRowPad), static_cast<unsigned>(splits), 1};
    step.block = {128, 1, 1};
    step.dynamicShared =
        std::size_t{3 * 2} * static_cast<std::size_t>(tokens) * (bits == 4 ? 136U : 160U);
    step.arguments.push_back(Argument::integral(perSplit));
    if (splits == 1) {
        plan.steps.push_back(std::move(step));
        return;
    }
    const std::int64_t count = shape.m * shape.n;
    const int parts = addFloats(plan, "parts", BufferRole::Scratch, splits * count);
    step.arguments[3] = Argument::of(parts);
    LaunchStep sum;
    sum.entry = "gemm_w_sum";
    sum.grid = {blocksFor(count, 256), 1, 1};
    sum.block = {256, 1, 1};
    sum.arguments = {Argument::of(parts),
                     Argument::of(plan.output),
                     Argument::integral(count),
                     Argument::integral(splits)};
    plan.steps = {std::move(step), std::move(sum)};
}

template <int Bits>
LaunchPlan planGemm(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    WeightCodes codes = weightCodes(problem, Bits, ctx);
    HalfValues x = toHalfValues(problem.x);
    const std::vector<std::uint32_t> packed = packFragments(codes, shape, ctx);
    const std::vector<std::uint16_t> halves =
        paddedHalves(x.codes, shape.m, shape.k, padded(shape.k, kInputPad));
    LaunchPlan plan;
    plan.buffers.push_back(inputBuffer("w", ElementType::UInt32, packed));
    if (Bits == 8) {
        plan.buffers.push_back(inputBuffer("scales", ElementType::Float32, codes.scales));
    } else {
        const std::vector<std::uint16_t> scales = packScales(codes, shape);
        plan.buffers.push_back(inputBuffer("scales", ElementType::Float16, scales));
    }
    plan.buffers.push_back(inputBuffer("x", ElementType::Float16, halves));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 3;
    addSteps(plan, shape, Bits);
    plan.x = std::move(x.decoded);
    plan.w = std::move(codes.decoded);
    return plan;
}

template <int Bits>
constexpr Kernel gemm(std::string_view id,
                      std::string_view title,
                      std::string_view what,
                      std::string_view b,
                      double tolerance,
                      int sharedBudget) {
    return {
        .id = id,
        .family = "gemm_w",
        .title = title,
        .summary =
            "Weights lie in the order of mma's operand: a lane loads 16 bytes, turns them "
            "into FP16 in registers and multiplies 8 to 64 tokens with them.",
        .source = "Frantar et al. 2024, MARLIN (arXiv:2408.11743)",
        .operation = Operation::Matmul,
        .what = what,
        .a = "fp16",
        .b = b,
        .accumulator = "fp32",
        .output = "fp32",
        .rung = 1,
        .leastCapability = 80,
        .tolerance = tolerance,
        .registerBudget = 192,
        .sharedBudget = sharedBudget,
        .refuses =
            [](const TimingRequest& request) {
                return refusesWeightOnly(request, Bits, kMostTokens, 64);
            },
        .planMatmul = planGemm<Bits>,
        .cost = [](const TimingRequest& request) { return weightOnlyCost(request, Bits, "fp16"); }};
}

constexpr Kernel kKernels[] = {
    gemm<8>("gemm_w8a16_mma",
            "8-bit weights on tensor cores",
            "w8a16",
            "int8",
            kTolerance8,
            3 * 64 * 160 * 2),
    gemm<4>("gemm_w4a16_mma",
            "4-bit weights on tensor cores",
            "w4a16",
            "int4",
            kTolerance4,
            3 * 64 * 136 * 2),
};

}  // namespace

extern const KernelFamily kKernels_gemm_w;
const KernelFamily kKernels_gemm_w{
    .id = "gemm_w",
    .title = "Weight-only matrix product",
    .summary =
        "1 to 64 tokens: weights are read in few bits, and multiplied in FP16 on tensor cores.",
    .kernels = kKernels};

}  // namespace loupe::gpu
