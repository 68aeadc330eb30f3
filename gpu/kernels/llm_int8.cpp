// SPDX-License-Identifier: Apache-2.0
// LLM.int8(), the paper's variant: the decomposition that core/quant/llm_int8.hpp computes, here
// from the live X on the GPU.
#include "core/quant/llm_int8.hpp"

#include "core/base/assert.hpp"
#include "gpu/kernels/matmul_plan.hpp"
#include "gpu/kernels/weight_only.hpp"

#include <algorithm>

namespace loupe::gpu {

namespace {

/// The int8 part is exact but for three roundings of 2^-24 and as many of the decoded operands.
/// Tensor cores add the outliers sixteen at a time and cut the sum off below 2^-23, in one
/// direction: L such steps are short by (L/3)·2^-23 of the result's rms; 2^-18 allows 96 steps,
/// 1536 outliers.
constexpr double kTolerance = 0x1p-18;

constexpr float kThreshold = 6.0F;
constexpr std::int64_t kMostOutliers = 1536;
constexpr std::int64_t kStep = 64;

/// The sum of llm_int8.cuh's Layout.
constexpr int sharedBytes(int rows, int cols) {
    return 3 * (rows + cols) * 80 + rows * 24 * 2 + 16 * (cols + 8) * 2;
}

/// X and W as the layer holds them: int8 but for the outlier inputs.
struct Decomposed {
    HalfValues x;
    std::vector<float> xDecoded;
    Int8Rows w;
    std::vector<std::uint16_t> kept;  ///< [padded k, n]
};

Decomposed decompose(const MatmulProblem& problem, std::int64_t padded, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    Decomposed out;
    out.x = toHalfValues(problem.x);
    const auto rows = makeRowSource(shape.m, shape.k, out.x.decoded);
    const auto split = splitOutliers(*rows, static_cast<double>(kThreshold), ctx);
    LOUPE_ASSERT(split.has_value(), "activations are finite");
    out.xDecoded.resize(problem.x.size());
    const bool read =
        SplitActivations(rows, *split).read(0, shape.m, out.xDecoded.data()).has_value();
    LOUPE_ASSERT(read, "memory can be read");
    out.w = quantizeRows(problem.w, shape.n, shape.k, ctx);
    const HalfValues half = toHalfValues(problem.w);
    for (const std::int64_t col : (*split)->columns) {
        for (std::int64_t row = 0; row < shape.n; ++row) {
            const auto at = static_cast<std::size_t>(row * shape.k + col);
            out.w.decoded[at] = half.decoded[at];
        }
    }
    out.kept.assign(static_cast<std::size_t>(padded * shape.n), 0);
    for (std::int64_t row = 0; row < shape.n; ++row) {
        for (std::int64_t col = 0; col < shape.k; ++col) {
            out.kept[static_cast<std::size_t>(col * shape.n + row)] =
                half.codes[static_cast<std::size_t>(row * shape.k + col)];
        }
    }
    return out;
}

std::vector<std::int8_t> paddedCodes(const std::vector<std::int8_t>& codes,
                                     const MatmulShape& shape,
                                     std::int64_t padded) {
    std::vector<std::int8_t> out(static_cast<std::size_t>(shape.n * padded), 0);
    for (std::int64_t row = 0; row < shape.n; ++row) {
        std::copy_n(codes.begin() + row * shape.k, shape.k, out.begin() + row * padded);
    }
    return out;
}

/// Buffers by their place in the plan.
struct Places {
    int x = 0;
    int w = 1;
    int rowScales = 2;
    int kept = 3;
    int y = 4;
    int flags = 0;
    int found = 0;
    int count = 0;
    int codes = 0;
    int tokenScales = 0;
};

void addSteps(
    LaunchPlan& plan, const Places& at, const MatmulShape& shape, std::int64_t padded, int rows) {
    const Argument m = Argument::integral(shape.m);
    const Argument k = Argument::integral(padded);
    const Argument threshold = Argument::floating(kThreshold);
    const auto step =
        [&](std::string entry, Dim3 grid, unsigned threads, std::vector<Argument> args) {
            plan.steps.push_back({std::move(entry), grid, {threads, 1, 1}, 0, std::move(args)});
        };
    step("llm_int8_columns",
         {blocksFor(padded, 32), 1, 1},
         256,
         {Argument::of(at.x), Argument::of(at.flags), m, k, threshold});
    step("llm_int8_list",
         {1, 1, 1},
         256,
         {Argument::of(at.flags), Argument::of(at.found), Argument::of(at.count), k});
    step("llm_int8_rows",
         {static_cast<unsigned>(shape.m), 1, 1},
         256,
         {Argument::of(at.x),
          Argument::of(at.flags),
          Argument::of(at.codes),
          Argument::of(at.tokenScales),
          k,
          threshold});
    step("llm_int8_product_" + std::to_string(rows) + "x128",
         {blocksFor(shape.n, 128), blocksFor(shape.m, rows), 1},
         128,
         {Argument::of(at.codes),
          Argument::of(at.w),
          Argument::of(at.tokenScales),
          Argument::of(at.rowScales),
          Argument::of(at.x),
          Argument::of(at.kept),
          Argument::of(at.found),
          Argument::of(at.count),
          Argument::of(at.y),
          m,
          Argument::integral(shape.n),
          k});
    plan.steps.back().dynamicShared = static_cast<std::size_t>(sharedBytes(rows, 128));
}

template <int Rows>
LaunchPlan planLlmInt8(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    const std::int64_t padded = (shape.k + kStep - 1) / kStep * kStep;
    Decomposed parts = decompose(problem, padded, ctx);
    const std::vector<std::uint16_t> x = paddedHalves(parts.x.codes, shape.m, shape.k, padded);
    const std::vector<std::int8_t> w = paddedCodes(parts.w.codes, shape, padded);
    LaunchPlan plan;
    plan.buffers.push_back(inputBuffer("x", ElementType::Float16, x));
    plan.buffers.push_back(inputBuffer("w", ElementType::Int8, w));
    plan.buffers.push_back(inputBuffer("w scales", ElementType::Float32, parts.w.scales));
    plan.buffers.push_back(inputBuffer("w in 16 bits", ElementType::Float16, parts.kept));
    plan.buffers.push_back(outputBuffer("y", shape.m * shape.n));
    Places at;
    at.flags = addScratch(plan, "outlier flags", ElementType::UInt8, padded);
    at.found = addScratch(plan, "outliers", ElementType::Int32, padded * 4);
    at.count = addScratch(plan, "outlier count", ElementType::Int32, 4);
    at.codes = addScratch(plan, "x codes", ElementType::Int8, shape.m * padded);
    at.tokenScales = addScratch(plan, "x scales", ElementType::Float32, shape.m * 4);
    plan.output = at.y;
    addSteps(plan, at, shape, padded, Rows);
    plan.x = std::move(parts.xDecoded);
    plan.w = std::move(parts.w.decoded);
    return plan;
}

std::string refuses(const TimingRequest& request) {
    const MatmulShape& shape = request.matmul;
    if (shape.k > 131072) {
        return "sums of k = " + std::to_string(shape.k) +
               " products of int8 can leave int32; 131072 are safe";
    }
    if (shape.outliers > kMostOutliers) {
        return "takes at most " + std::to_string(kMostOutliers) + " outlier inputs; there are " +
               std::to_string(shape.outliers);
    }
    if (shape.m > 65535) {
        return "takes at most 65535 tokens; there are " + std::to_string(shape.m);
    }
    return {};
}

/// X in FP16, W in int8 and its scales once, the outliers' weights in FP16, Y in FP32.
KernelCost cost(const TimingRequest& request) {
    const auto m = static_cast<double>(request.matmul.m);
    const auto n = static_cast<double>(request.matmul.n);
    const auto k = static_cast<double>(request.matmul.k);
    const auto outliers = static_cast<double>(request.matmul.outliers);
    return productCost(request.matmul, 2 * m * k + n * k + 4 * n + 2 * n * outliers, "int8");
}

template <int Rows>
constexpr Kernel llmInt8(std::string_view id, std::string_view title, int rung) {
    return {.id = id,
            .family = "llm_int8",
            .title = title,
            .summary =
                "Finds the outlier inputs of the live X, quantizes the rest, multiplies it in "
                "int8 and adds the outliers' FP16 product: four kernels, all timed.",
            .source = "Dettmers et al. 2022, LLM.int8(), section 3 (arXiv:2208.07339)",
            .operation = Operation::Matmul,
            .what = "int8_outliers",
            .a = "int8",
            .b = "int8",
            .accumulator = "int32",
            .output = "fp32",
            .rung = rung,
            .leastCapability = 80,
            .tolerance = kTolerance,
            .registerBudget = 255,
            .sharedBudget = sharedBytes(Rows, 128),
            .refuses = refuses,
            .planMatmul = planLlmInt8<Rows>,
            .cost = cost};
}

constexpr Kernel kKernels[] = {
    llmInt8<64>("llm_int8_64x128", "LLM.int8(), tiles of 64 x 128", 0),
    llmInt8<128>("llm_int8_128x128", "LLM.int8(), tiles of 128 x 128", 1),
};

}  // namespace

extern const KernelFamily kKernels_llm_int8;
const KernelFamily kKernels_llm_int8{
    .id = "llm_int8",
    .title = "LLM.int8()",
    .summary = "int8 for almost all inputs, FP16 for the few in which some |x| >= 6.",
    .kernels = kKernels};

}  // namespace loupe::gpu
