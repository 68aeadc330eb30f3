// SPDX-License-Identifier: Apache-2.0
// Weight-only products for decode on the ordinary units: 8-bit codes with a scale per output
// channel, 4-bit codes with a scale per group.
#include "gpu/kernels/matmul_plan.hpp"
#include "gpu/kernels/weight_only.hpp"

namespace loupe::gpu {

namespace {

/// Products of a code and an FP16 number are exact in FP32. A lane adds k/32 of them; with
/// independent terms its sum of length L is off by u√(L/2) of the result's rms, u = 2^-24, so
/// √(65536/64)u = 32u for the longest k that is taken, and the five additions between lanes add √5
/// u. Twice that.
constexpr double kTolerance = 0x1p-18;

constexpr std::int64_t kMostTokens = 8;
constexpr std::int64_t kRowsPerBlock = 8;  // four warps, two rows each

/// Rows of codes padded to `padded` inputs with code 0: int8, or two codes + 8 a byte.
std::vector<std::uint8_t> packRows(const WeightCodes& codes,
                                   const MatmulShape& shape,
                                   std::int64_t padded) {
    const std::int64_t rowBytes = padded * codes.bits / 8;
    const auto bytes = static_cast<std::size_t>(shape.n * rowBytes);
    std::vector<std::uint8_t> out(bytes, codes.bits == 8 ? 0 : 0x88);
    for (std::int64_t row = 0; row < shape.n; ++row) {
        for (std::int64_t i = 0; i < shape.k; ++i) {
            const auto code =
                static_cast<int>(codes.codes[static_cast<std::size_t>(row * shape.k + i)]);
            if (codes.bits == 8) {
                out[static_cast<std::size_t>(row * rowBytes + i)] = static_cast<std::uint8_t>(code);
                continue;
            }
            std::uint8_t& byte = out[static_cast<std::size_t>(row * rowBytes + i / 2)];
            const auto nibble = static_cast<unsigned>(code + 8);
            byte = static_cast<std::uint8_t>(i % 2 == 0 ? (byte & 0xF0U) | nibble
                                                        : (byte & 0x0FU) | nibble << 4);
        }
    }
    return out;
}

/// Tokens of the smallest instance that takes m.
int instanceFor(std::int64_t m) {
    return m <= 1 ? 1 : (m <= 2 ? 2 : (m <= 4 ? 4 : 8));
}

template <int Bits>
LaunchPlan planGemv(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    WeightCodes codes = weightCodes(problem, Bits, ctx);
    HalfValues x = toHalfValues(problem.x);
    const std::int64_t padded = (shape.k + 31) / 32 * 32;
    const std::vector<std::uint8_t> packed = packRows(codes, shape, padded);
    const std::vector<std::uint16_t> halves = paddedHalves(x.codes, shape.m, shape.k, padded);
    LaunchPlan plan;
    plan.buffers.push_back(inputBuffer("w", ElementType::UInt8, packed));
    if (Bits == 8) {
        plan.buffers.push_back(inputBuffer("scales", ElementType::Float32, codes.scales));
    } else {
        plan.buffers.push_back(inputBuffer("scales", ElementType::Float16, codes.halfScales));
    }
    plan.buffers.push_back(inputBuffer("x", ElementType::Float16, halves));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 3;
    LaunchStep step;
    step.entry = "gemv_w" + std::to_string(Bits) + "a16_t" + std::to_string(instanceFor(shape.m));
    step.grid = {blocksFor(shape.n, kRowsPerBlock), 1, 1};
    step.block = {128, 1, 1};
    step.arguments = {Argument::of(0),
                      Argument::of(1),
                      Argument::of(2),
                      Argument::of(3),
                      Argument::integral(shape.m),
                      Argument::integral(shape.n),
                      Argument::integral(padded),
                      Argument::integral(groupShift(shape, Bits))};
    plan.steps.push_back(std::move(step));
    plan.x = std::move(x.decoded);
    plan.w = std::move(codes.decoded);
    return plan;
}

template <int Bits>
constexpr Kernel gemv(std::string_view id,
                      std::string_view title,
                      std::string_view what,
                      std::string_view b,
                      int sharedBudget) {
    return {
        .id = id,
        .family = "gemv_w",
        .title = title,
        .summary =
            "A warp makes two outputs: every weight byte is read once, 16 bytes a load, "
            "and becomes a float by one bit operation and one multiply-add.",
        .source = "Jang 2024, \"Fast dequantization\"; Kim et al. 2022 (arXiv:2211.10017)",
        .operation = Operation::Matmul,
        .what = what,
        .a = "fp16",
        .b = b,
        .accumulator = "fp32",
        .output = "fp32",
        .rung = 0,
        .leastCapability = 75,
        .tolerance = kTolerance,
        .registerBudget = 144,
        .sharedBudget = sharedBudget,
        .refuses =
            [](const TimingRequest& request) {
                return refusesWeightOnly(request, Bits, kMostTokens, 32);
            },
        .planMatmul = planGemv<Bits>,
        .cost = [](const TimingRequest& request) { return weightOnlyCost(request, Bits, "fp32"); }};
}

constexpr Kernel kKernels[] = {
    gemv<8>("gemv_w8a16", "8-bit weights, matrix times few vectors", "w8a16", "int8", 12288),
    gemv<4>("gemv_w4a16", "4-bit weights, matrix times few vectors", "w4a16", "int4", 20480),
};

}  // namespace

extern const KernelFamily kKernels_gemv_w;
const KernelFamily kKernels_gemv_w{
    .id = "gemv_w",
    .title = "Weight-only matrix times vector",
    .summary =
        "Decode: at few tokens the time is that of reading the weights, so fewer bits are "
        "faster.",
    .kernels = kKernels};

}  // namespace loupe::gpu
