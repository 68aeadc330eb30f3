// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/matmul_float.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

namespace loupe::gpu {

namespace {

constexpr std::int64_t kBlockDepth = 256;  // a block of a panel stays in the second-level cache
constexpr std::int64_t kTaskTokens = 192;  // a multiple of kTileRows

std::size_t index(std::int64_t i) {
    return static_cast<std::size_t>(i);
}

PanelGrid gridOf(const MatmulShape& shape, std::int64_t blockDepth) {
    return {shape.n, shape.k, floatKernels().lanes, blockDepth};
}

std::string kernelName(const char* what) {
    return std::string("cpu_") + what + "_" + std::to_string(kTileRows) + "x" +
           std::to_string(floatKernels().lanes);
}

/// Rows of the largest |w|: exactly `kept` of every row in any place, or two of every four.
std::vector<float> pruned(const MatmulProblem& problem, bool twoOfFour, const JobContext& ctx) {
    const std::int64_t k = problem.shape.k;
    std::vector<float> w = problem.w;
    parallelFor(problem.shape.n, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        std::vector<std::int64_t> order;
        for (std::int64_t r = begin; r < end; ++r) {
            float* const row = w.data() + r * k;
            const std::int64_t unit = twoOfFour ? 4 : k;
            for (std::int64_t at = 0; at < k; at += unit) {
                const std::int64_t count = std::min(unit, k - at);
                const std::int64_t drop = twoOfFour ? std::max<std::int64_t>(0, count - 2) : k / 2;
                order.resize(index(count));
                std::iota(order.begin(), order.end(), at);
                // The contract's order: smallest |w| first; in N:M ties keep the lower place.
                const auto smaller = [&](std::int64_t a, std::int64_t b) {
                    const float x = std::fabs(row[a]);
                    const float y = std::fabs(row[b]);
                    return x != y ? x < y : (twoOfFour ? a > b : a < b);
                };
                std::nth_element(order.begin(), order.begin() + drop, order.end(), smaller);
                for (std::int64_t i = 0; i < drop; ++i) {
                    row[order[index(i)]] = 0.0F;
                }
            }
        }
    });
    return w;
}

std::vector<float> roundedWeights(const MatmulProblem& problem, const char* format) {
    std::vector<float> w(problem.w.size());
    const auto done = roundTrip(*findFormat(format), problem.w, w);
    LOUPE_ASSERT(done.has_value(), "normal values fit 16-bit formats");
    return w;
}

}  // namespace

// A sum of k products of independent terms, added one after the other: the i-th partial sum has the
// size √i of a product, and each addition rounds it with a standard deviation of about 0.4·2^-24 of
// itself; over k steps, against a result of size √k, that is 0.3·√k·2^-24 at most. Three times that
// and a few roundings of scales:
double floatTolerance(std::int64_t k) {
    return 0x1p-24 * (8.0 + std::sqrt(static_cast<double>(k)));
}

RoundedActivations roundActivations(std::span<const float> x, ActivationCode code) {
    RoundedActivations out;
    const NumberFormat& format = *findFormat(code == ActivationCode::BFloat16 ? "bf16" : "fp16");
    out.values.resize(x.size());
    out.bits.resize(x.size());
    const auto values = roundTrip(format, x, out.values);
    const auto bits = encodeArray(format, x, out.bits);
    LOUPE_ASSERT(values.has_value() && bits.has_value(), "normal values fit 16-bit formats");
    return out;
}

FloatMatmul::FloatMatmul(const MatmulProblem& problem,
                         ActivationCode activations,
                         PanelWeights weights,
                         std::vector<float> held,
                         std::string kernel)
    : CpuMatmul(problem.shape),
      kernels_(floatKernels()),
      rows_(rowKernels()),
      activations_(activations),
      weights_(std::move(weights)) {
    w_ = std::move(held);
    if (activations == ActivationCode::Float32) {
        xGiven_ = problem.x;
    } else {
        RoundedActivations rounded = roundActivations(problem.x, activations);
        x_ = std::move(rounded.values);
        xBits_ = std::move(rounded.bits);
    }
    weightBytes_ = weights_.bytes();
    kernel_ = std::move(kernel);
    tolerance_ = floatTolerance(shape_.k);
    const auto bytes = index(shape_.m * weights_.grid.depth()) * sizeof(float);
    xRows_ = HugeBuffer(bytes);
    xPacked_ = HugeBuffer(shape_.m > kDirectRows ? bytes : 0);
}

void FloatMatmul::run(const JobContext& ctx) {
    widenTokens(ctx);
    if (shape_.m <= kDirectRows) {
        runDirect(ctx);
    } else {
        runTiles(ctx);
    }
}

void FloatMatmul::widenTokens(const JobContext& ctx) {
    const std::int64_t k = shape_.k;
    const std::int64_t depth = weights_.grid.depth();
    parallelFor(shape_.m, kTileRows, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t r = begin; r < end; ++r) {
            float* const out = xRows_.as<float>() + r * depth;
            if (activations_ == ActivationCode::Float32) {
                std::memcpy(out, xGiven_.data() + r * k, index(k) * sizeof(float));
            } else if (activations_ == ActivationCode::BFloat16) {
                rows_.fromBrain(xBits_.data() + r * k, k, out);
            } else {
                rows_.fromHalf(xBits_.data() + r * k, k, out);
            }
        }
        if (shape_.m > kDirectRows) {
            packTokens(xRows_.as<float>() + begin * depth,
                       depth,
                       end - begin,
                       depth,
                       xPacked_.as<float>() + begin * depth);
        }
    });
}

void FloatMatmul::store(std::int64_t token, std::int64_t panel, const float* c) {
    const std::int64_t first = panel * kernels_.lanes;
    const std::int64_t count = std::min<std::int64_t>(kernels_.lanes, shape_.n - first);
    std::memcpy(y_.data() + token * shape_.n + first, c, index(count) * sizeof(float));
}

void FloatMatmul::runDirect(const JobContext& ctx) {
    const PanelGrid& grid = weights_.grid;
    const PanelFunction direct = kernels_.direct[static_cast<int>(weights_.code)][shape_.m];
    parallelFor(grid.panels(), 1, ctx, [&](std::int64_t panel, std::int64_t, std::int64_t) {
        alignas(64) float c[kDirectRows * 64];
        for (std::int64_t block = 0; block < grid.blocks(); ++block) {
            PanelCall call;
            call.x = xRows_.as<float>() + block * grid.blockDepth;
            call.xStride = grid.depth();
            call.panel = weights_.block(panel, block);
            call.depth = grid.blockInputs(block);
            call.scale = weights_.scale(panel, block);
            call.c = c;
            call.first = block == 0;
            direct(call);
        }
        for (std::int64_t r = 0; r < shape_.m; ++r) {
            store(r, panel, c + r * kernels_.lanes);
        }
    });
}

void FloatMatmul::tilesOf(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens) {
    const PanelGrid& grid = weights_.grid;
    const std::int64_t lanes = kernels_.lanes;
    static thread_local HugeBuffer sums;
    static thread_local HugeBuffer expanded;
    sums.reserve(index(tokens * lanes) * sizeof(float));
    const bool plain = weights_.code == PanelCode::Float32;
    if (!plain) {
        expanded.reserve(index(grid.blockDepth * lanes) * sizeof(float));
    }
    for (std::int64_t block = 0; block < grid.blocks(); ++block) {
        PanelCall call;
        call.depth = grid.blockInputs(block);
        call.panel = weights_.block(panel, block);
        call.first = block == 0;
        if (!plain) {
            kernels_.expand[static_cast<int>(weights_.code)](
                call.panel, call.depth, weights_.scale(panel, block), expanded.as<float>());
            call.panel = expanded.data();
        }
        for (std::int64_t t = 0; t < tokens; t += kTileRows) {
            const std::int64_t rows = std::min<std::int64_t>(kTileRows, tokens - t);
            call.x = xPacked_.as<float>() + (firstToken + t) * grid.depth() +
                     block * grid.blockDepth * rows;
            call.c = sums.as<float>() + t * lanes;
            kernels_.tile[rows](call);
        }
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
        store(firstToken + t, panel, sums.as<float>() + t * lanes);
    }
}

void FloatMatmul::runTiles(const JobContext& ctx) {
    const std::int64_t panels = weights_.grid.panels();
    const std::int64_t strips = (shape_.m + kTaskTokens - 1) / kTaskTokens;
    parallelFor(panels * strips, 1, ctx, [&](std::int64_t task, std::int64_t, std::int64_t) {
        const std::int64_t first = task / panels * kTaskTokens;
        tilesOf(task % panels, first, std::min(kTaskTokens, shape_.m - first));
    });
}

std::unique_ptr<CpuMatmul> makeFloat32(const MatmulProblem& problem, const JobContext& ctx) {
    return std::make_unique<FloatMatmul>(problem,
                                         ActivationCode::Float32,
                                         packFloats(problem.w,
                                                    PanelCode::Float32,
                                                    CodeLayout::Single,
                                                    gridOf(problem.shape, kBlockDepth),
                                                    floatKernels().vector,
                                                    ctx),
                                         std::vector<float>{},
                                         kernelName("f32"));
}

std::unique_ptr<CpuMatmul> makeWidenedBFloat16(const MatmulProblem& problem,
                                               const JobContext& ctx) {
    std::vector<float> w = roundedWeights(problem, "bf16");
    PanelWeights panels = packFloats(w,
                                     PanelCode::BFloat16,
                                     CodeLayout::Single,
                                     gridOf(problem.shape, kBlockDepth),
                                     floatKernels().vector,
                                     ctx);
    return std::make_unique<FloatMatmul>(problem,
                                         ActivationCode::BFloat16,
                                         std::move(panels),
                                         std::move(w),
                                         kernelName("bf16_widened"));
}

std::unique_ptr<CpuMatmul> makeFloat16(const MatmulProblem& problem, const JobContext& ctx) {
    std::vector<float> w = roundedWeights(problem, "fp16");
    PanelWeights panels = packFloats(w,
                                     PanelCode::Float16,
                                     CodeLayout::Single,
                                     gridOf(problem.shape, kBlockDepth),
                                     floatKernels().vector,
                                     ctx);
    return std::make_unique<FloatMatmul>(problem,
                                         ActivationCode::Float16,
                                         std::move(panels),
                                         std::move(w),
                                         kernelName("f16_widened"));
}

std::unique_ptr<CpuMatmul> makeWeightOnly8(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    const CodedWeights coded = quantizeWeights(problem.w, shape.n, shape.k, shape.k, 127, ctx);
    return std::make_unique<FloatMatmul>(
        problem,
        ActivationCode::BFloat16,
        packCodes(coded, PanelCode::Int8, CodeLayout::Single, gridOf(shape, kBlockDepth), ctx),
        decodeWeights(coded, shape.n, shape.k, ctx),
        kernelName("w8a16"));
}

std::unique_ptr<CpuMatmul> makeWeightOnly4(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    const std::int64_t group = std::min(shape.group, roundUp(shape.k, 8));
    const CodedWeights coded = quantizeWeights(problem.w, shape.n, shape.k, group, 7, ctx);
    return std::make_unique<FloatMatmul>(
        problem,
        ActivationCode::BFloat16,
        packCodes(coded, PanelCode::Int4, CodeLayout::Single, gridOf(shape, group), ctx),
        decodeWeights(coded, shape.n, shape.k, ctx),
        kernelName("w4a16"));
}

std::unique_ptr<CpuMatmul> makeSparse24(const MatmulProblem& problem, const JobContext& ctx) {
    std::vector<float> w = pruned(problem, true, ctx);
    PanelWeights panels = packFloats(w,
                                     PanelCode::Sparse24,
                                     CodeLayout::Single,
                                     gridOf(problem.shape, kBlockDepth),
                                     floatKernels().vector,
                                     ctx);
    return std::make_unique<FloatMatmul>(
        problem, ActivationCode::Float32, std::move(panels), std::move(w), kernelName("sparse24"));
}

std::unique_ptr<CpuMatmul> makeSparseHalf(const MatmulProblem& problem, const JobContext& ctx) {
    std::vector<float> w = pruned(problem, false, ctx);
    PanelWeights panels = packFloats(w,
                                     PanelCode::Bitmask,
                                     CodeLayout::Single,
                                     gridOf(problem.shape, kBlockDepth),
                                     floatKernels().vector,
                                     ctx);
    return std::make_unique<FloatMatmul>(
        problem, ActivationCode::Float32, std::move(panels), std::move(w), kernelName("sparse50"));
}

}  // namespace loupe::gpu
