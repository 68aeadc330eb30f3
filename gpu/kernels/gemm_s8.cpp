// SPDX-License-Identifier: Apache-2.0
// W8A8: activations quantized per token, weights per output channel, int32 sums, one product of two
// scales at the end (vector-wise quantization; Dettmers et al. 2022, LLM.int8(), section 2.1).
#include "gpu/kernels/matmul_plan.hpp"

namespace loupe::gpu {

namespace {

/// Sums of integers are exact. What remains are three roundings to FP32 of 2^-24 each: the sum's
/// conversion, the product of the scales, their product; and the same of the decoded operands.
constexpr double kTolerance = 5 * 0x1p-24;

KernelCost cost(const TimingRequest& request) {
    const auto m = static_cast<double>(request.matmul.m);
    const auto n = static_cast<double>(request.matmul.n);
    const auto k = static_cast<double>(request.matmul.k);
    return productCost(request.matmul, m * k + n * k + 4 * m + 4 * n, "int8");
}

std::string refuses(const TimingRequest& request, std::int64_t multiple) {
    if (std::string reason = refusesUnaligned(request.matmul, multiple); !reason.empty()) {
        return reason;
    }
    // |sum| <= k·127²
    if (request.matmul.k > 2147483647 / (127 * 127)) {
        return "sums of k = " + std::to_string(request.matmul.k) +
               " products of int8 can leave int32; 133144 are safe";
    }
    return {};
}

/// Operands and arguments are the same for every rung.
LaunchPlan planFor(const MatmulProblem& problem, const JobContext& ctx, const TiledRung& rung) {
    const MatmulShape& shape = problem.shape;
    Int8Rows x = quantizeRows(problem.x, shape.m, shape.k, ctx);
    Int8Rows w = quantizeRows(problem.w, shape.n, shape.k, ctx);
    LaunchPlan plan;
    plan.buffers.push_back(inputBuffer("x", ElementType::Int8, x.codes));
    plan.buffers.push_back(inputBuffer("w", ElementType::Int8, w.codes));
    plan.buffers.push_back(inputBuffer("x scales", ElementType::Float32, x.scales));
    plan.buffers.push_back(inputBuffer("w scales", ElementType::Float32, w.scales));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    plan.output = 4;
    addTiles(plan, shape, rung);
    plan.x = std::move(x.decoded);
    plan.w = std::move(w.decoded);
    return plan;
}

/// Three stages of both tiles, rows of 64 codes and 16 bytes of padding.
constexpr int sharedBytes(int tile) {
    return 3 * 2 * tile * (64 + 16);
}

constexpr TiledRung kDp4a{
    .id = "gemm_s8_dp4a_64x64x32",
    .title = "int8, four products an instruction (dp4a)",
    .summary =
        "Tiles of 64 x 64 in shared memory, a patch of 4 x 4 sums in every thread's "
        "registers; runs on CUDA cores.",
    .source = "CUDA C++ Programming Guide, __dp4a",
    .rung = 0,
    .leastCapability = 75,
    .tileM = 64,
    .tileN = 64,
    .threads = 256,
    .registerBudget = 64,
    .sharedBudget = 8192};
constexpr TiledRung kMma{
    .id = "gemm_s8_mma_64x64x64x3",
    .title = "int8 tensor cores, three stages, 64 x 64",
    .summary =
        "One instruction multiplies 16 x 32 by 32 x 8 codes; copies run ahead (cp.async) "
        "and fragments come by ldmatrix.",
    .source = "PTX ISA, mma.m16n8k32, ldmatrix and cp.async",
    .rung = 1,
    .leastCapability = 80,
    .tileM = 64,
    .tileN = 64,
    .threads = 128,
    .dynamicShared = sharedBytes(64),
    .registerBudget = 128,
    .sharedBudget = 32768};
constexpr TiledRung kLarge{
    .id = "gemm_s8_mma_128x128x64x3",
    .title = "int8 tensor cores, three stages, 128 x 128",
    .summary = "A tile four times as large does twice the products for every byte it reads.",
    .source = "PTX ISA, mma.m16n8k32, ldmatrix and cp.async",
    .rung = 2,
    .leastCapability = 80,
    .tileM = 128,
    .tileN = 128,
    .threads = 128,
    .dynamicShared = sharedBytes(128),
    .registerBudget = 240,
    .sharedBudget = 65536};

/// Codes that an instruction of the rung reads at once: k must be a multiple.
template <const TiledRung& Rung, std::int64_t AtOnce>
constexpr Kernel gemm() {
    return onRung({.family = "gemm_s8",
                   .what = "w8a8",
                   .a = "int8",
                   .b = "int8",
                   .accumulator = "int32",
                   .output = "fp32",
                   .tolerance = kTolerance,
                   .refuses = [](const TimingRequest& request) { return refuses(request, AtOnce); },
                   .planMatmul = [](const MatmulProblem& problem,
                                    const JobContext& ctx) { return planFor(problem, ctx, Rung); },
                   .cost = cost},
                  Rung);
}

constexpr Kernel kKernels[] = {gemm<kDp4a, 4>(), gemm<kMma, 16>(), gemm<kLarge, 16>()};

}  // namespace

extern const KernelFamily kKernels_gemm_s8;
const KernelFamily kKernels_gemm_s8{
    .id = "gemm_s8",
    .title = "INT8 matrix product",
    .summary =
        "int8 activations and weights, exact int32 sums, one scale per token and one per "
        "output channel.",
    .kernels = kKernels};

}  // namespace loupe::gpu
