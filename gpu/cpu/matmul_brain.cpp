// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/matmul_brain.hpp"

#include "core/base/worker_pool.hpp"
#include "gpu/cpu/matmul_float.hpp"

#include <algorithm>
#include <cstring>

namespace loupe::gpu {

namespace {

constexpr std::int64_t kBlockDepth = 512;
constexpr std::int64_t kTaskTokens = 192;

std::size_t index(std::int64_t i) {
    return static_cast<std::size_t>(i);
}

std::string kernelName(const char* what, const BrainKernels& kernels) {
    return std::string("cpu_") + what + "_bf16dot_" + std::to_string(kTileRows) + "x" +
           std::to_string(kernels.lanes);
}

}  // namespace

BrainMatmul::BrainMatmul(const MatmulProblem& problem,
                         const BrainKernels& kernels,
                         PanelWeights weights,
                         std::vector<float> held,
                         std::string kernel)
    : CpuMatmul(problem.shape), kernels_(kernels), weights_(std::move(weights)) {
    w_ = std::move(held);
    RoundedActivations rounded = roundActivations(problem.x, ActivationCode::BFloat16);
    x_ = std::move(rounded.values);
    xBits_ = std::move(rounded.bits);
    weightBytes_ = weights_.bytes();
    kernel_ = std::move(kernel);
    tolerance_ = floatTolerance(shape_.k);
    xPacked_ = HugeBuffer(index(shape_.m * weights_.grid.depth()) * sizeof(std::uint16_t));
}

void BrainMatmul::packAll(const JobContext& ctx) {
    const std::int64_t k = shape_.k;
    const std::int64_t depth = weights_.grid.depth();
    parallelFor(shape_.m, kTileRows, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        const std::int64_t count = end - begin;
        auto* const out = xPacked_.as<std::uint16_t>() + begin * depth;
        for (std::int64_t r = 0; r < count; ++r) {
            const std::uint16_t* const x = xBits_.data() + (begin + r) * k;
            for (std::int64_t i = 0; i + 1 < k; i += 2) {
                std::memcpy(out + (i / 2 * count + r) * 2, x + i, 4);
            }
            if (k % 2 != 0) {
                out[(k / 2 * count + r) * 2] = x[k - 1];
            }
        }
    });
}

void BrainMatmul::run(const JobContext& ctx) {
    packAll(ctx);
    const std::int64_t panels = weights_.grid.panels();
    const std::int64_t strips = (shape_.m + kTaskTokens - 1) / kTaskTokens;
    parallelFor(panels * strips, 1, ctx, [&](std::int64_t task, std::int64_t, std::int64_t) {
        const std::int64_t first = task / panels * kTaskTokens;
        tilesOf(task % panels, first, std::min(kTaskTokens, shape_.m - first));
    });
}

void BrainMatmul::tilesOf(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens) {
    const PanelGrid& grid = weights_.grid;
    const std::int64_t lanes = grid.lanes;
    const int code = static_cast<int>(weights_.code);
    static thread_local HugeBuffer sums;
    static thread_local HugeBuffer expanded;
    sums.reserve(index(tokens * lanes) * sizeof(float));
    const bool direct = tokens <= kDirectRows && kernels_.direct[code][tokens] != nullptr;
    const bool expand = !direct && weights_.code != PanelCode::BFloat16;
    expanded.reserve(expand ? index(grid.blockDepth * lanes) * 2 : 0);
    for (std::int64_t block = 0; block < grid.blocks(); ++block) {
        PanelCall call;
        call.depth = grid.blockInputs(block);
        call.panel = weights_.block(panel, block);
        call.scale = weights_.scale(panel, block);
        call.first = block == 0;
        if (expand) {
            kernels_.expand[code](call.panel, call.depth, expanded.data());
            call.panel = expanded.data();
        }
        for (std::int64_t t = 0; t < tokens; t += kTileRows) {
            const std::int64_t rows = std::min<std::int64_t>(kTileRows, tokens - t);
            call.x = xPacked_.as<std::uint16_t>() + (firstToken + t) * grid.depth() +
                     block * grid.blockDepth * rows;
            call.c = sums.as<float>() + t * lanes;
            (direct ? kernels_.direct[code][rows] : kernels_.tile[rows])(call);
        }
    }
    const std::int64_t first = panel * lanes;
    const std::int64_t count = std::min(lanes, shape_.n - first);
    for (std::int64_t t = 0; t < tokens; ++t) {
        std::memcpy(y_.data() + (firstToken + t) * shape_.n + first,
                    sums.as<float>() + t * lanes,
                    index(count) * sizeof(float));
    }
}

std::unique_ptr<CpuMatmul> makeBFloat16(const MatmulProblem& problem, const JobContext& ctx) {
    const BrainKernels* const kernels = brainKernels();
    if (kernels == nullptr) {
        return makeWidenedBFloat16(problem, ctx);
    }
    std::vector<float> w = roundActivations(problem.w, ActivationCode::BFloat16).values;
    const PanelGrid grid{problem.shape.n, problem.shape.k, kernels->lanes, kBlockDepth};
    PanelWeights panels =
        packFloats(w, PanelCode::BFloat16, CodeLayout::Pairs, grid, floatKernels().vector, ctx);
    return std::make_unique<BrainMatmul>(
        problem, *kernels, std::move(panels), std::move(w), kernelName("bf16", *kernels));
}

namespace {

std::unique_ptr<CpuMatmul> makeWeightOnly(const MatmulProblem& problem,
                                          const BrainKernels& kernels,
                                          PanelCode code,
                                          std::int64_t group,
                                          const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    const bool four = code == PanelCode::Int4;
    const CodedWeights coded =
        quantizeWeights(problem.w, shape.n, shape.k, group, four ? 7 : 127, ctx);
    const PanelGrid grid{shape.n, shape.k, kernels.lanes, four ? group : kBlockDepth};
    return std::make_unique<BrainMatmul>(problem,
                                         kernels,
                                         packCodes(coded, code, CodeLayout::Pairs, grid, ctx),
                                         decodeWeights(coded, shape.n, shape.k, ctx),
                                         kernelName(four ? "w4a16" : "w8a16", kernels));
}

}  // namespace

std::unique_ptr<CpuMatmul> makeW8A16(const MatmulProblem& problem, const JobContext& ctx) {
    const BrainKernels* const kernels = brainKernels();
    return kernels == nullptr
               ? makeWeightOnly8(problem, ctx)
               : makeWeightOnly(problem, *kernels, PanelCode::Int8, problem.shape.k, ctx);
}

std::unique_ptr<CpuMatmul> makeW4A16(const MatmulProblem& problem, const JobContext& ctx) {
    const BrainKernels* const kernels = brainKernels();
    const std::int64_t group = std::min(problem.shape.group, roundUp(problem.shape.k, 8));
    return kernels == nullptr ? makeWeightOnly4(problem, ctx)
                              : makeWeightOnly(problem, *kernels, PanelCode::Int4, group, ctx);
}

}  // namespace loupe::gpu
