// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/matmul_integer.hpp"

#include "core/base/worker_pool.hpp"
#include "gpu/cpu/matmul_float.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace loupe::gpu {

namespace {

// int32 sums of a block, at most 1024·127², are below 2^24: FP32 holds them exactly.
constexpr std::int64_t kBlockDepth = 1024;
constexpr std::int64_t kTaskTokens = 192;
constexpr int kMost = 127;

std::size_t index(std::int64_t i) {
    return static_cast<std::size_t>(i);
}

PanelGrid gridOf(const MatmulShape& shape, std::int64_t blockDepth) {
    return {shape.n, shape.k, integerKernels().lanes, blockDepth};
}

std::string kernelName(const char* what) {
    const IntegerKernels& kernels = integerKernels();
    return std::string("cpu_") + what + (kernels.xOffset != 0 ? "_vnni_" : "_madd_") +
           std::to_string(kTileRows) + "x" + std::to_string(kernels.lanes);
}

/// The |x| that one input of two hundred reaches in some token: stands for LLM.int8()'s 6.0, which
/// independent normal values do not reach.
float outlierThreshold(const MatmulProblem& problem) {
    const std::int64_t k = problem.shape.k;
    std::vector<float> most(index(k));
    for (std::size_t i = 0; i < problem.x.size(); ++i) {
        float& column = most[i % index(k)];
        column = std::max(column, std::fabs(problem.x[i]));
    }
    constexpr std::int64_t kOneOf = 200;
    const std::int64_t count = std::max<std::int64_t>(1, k / kOneOf);
    std::nth_element(most.begin(), most.begin() + (count - 1), most.end(), std::greater<>());
    return most[index(count - 1)];
}

}  // namespace

IntegerMatmul::IntegerMatmul(const MatmulProblem& problem,
                             ActivationScale activations,
                             PanelWeights weights,
                             std::vector<float> held,
                             std::string kernel)
    : CpuMatmul(problem.shape),
      kernels_(integerKernels()),
      floats_(floatKernels()),
      rows_(rowKernels()),
      activations_(activations),
      weights_(std::move(weights)),
      xGiven_(problem.x),
      xScales_(index(problem.shape.m)) {
    w_ = std::move(held);
    weightBytes_ = weights_.bytes();
    kernel_ = std::move(kernel);
    // Sums of a block are exact; each block rounds once or twice, so do the scales.
    tolerance_ = 0x1p-24 * (8.0 + std::sqrt(static_cast<double>(weights_.grid.blocks())));
    xPacked_ = HugeBuffer(index(shape_.m * weights_.grid.depth() * kernels_.xBytes));
    prepareStart();
    if (activations_ == ActivationScale::Tensor) {
        const float bound = rows_.absmax(xGiven_.data(), shape_.m * shape_.k);
        const float scale = bound == 0.0F ? 1.0F : bound / static_cast<float>(kMost);
        xCodes_.resize(xGiven_.size());
        rows_.quantize(xGiven_.data(), shape_.m * shape_.k, scale, xCodes_.data());
        std::fill(xScales_.begin(), xScales_.end(), scale);
    } else if (activations_ == ActivationScale::Outliers) {
        threshold_ = outlierThreshold(problem);
        tolerance_ += floatTolerance(shape_.k);
    }
    holdActivations();
}

void IntegerMatmul::prepareStart() {
    if (kernels_.xOffset == 0) {
        return;
    }
    const PanelGrid& grid = weights_.grid;
    weights_.start = HugeBuffer(index(grid.panels() * grid.blocks() * grid.lanes) * 4);
    std::vector<std::int8_t> codes;
    for (std::int64_t at = 0; at < grid.panels() * grid.blocks(); ++at) {
        const std::int64_t depth = grid.blockInputs(at % grid.blocks());
        const std::byte* block = weights_.block(at / grid.blocks(), at % grid.blocks());
        codes.resize(index(depth * grid.lanes));
        if (weights_.code == PanelCode::Int4) {
            kernels_.unpack(block, depth * grid.lanes / 2, codes.data());
        } else {
            std::memcpy(codes.data(), block, codes.size());
        }
        auto* const start = weights_.start.as<std::int32_t>() + at * grid.lanes;
        for (std::int64_t i = 0; i < depth * grid.lanes; ++i) {
            start[i / kernels_.step % grid.lanes] -= kernels_.xOffset * codes[index(i)];
        }
    }
}

void IntegerMatmul::quantizeToken(std::int64_t token, std::int8_t* codes, float* row) {
    const std::int64_t k = shape_.k;
    const float* x = xGiven_.data() + token * k;
    if (activations_ == ActivationScale::Outliers) {
        // What is below the threshold counts for the scale, also in outlier inputs.
        for (std::int64_t i = 0; i < k; ++i) {
            row[i] = std::fabs(x[i]) < threshold_ ? x[i] : 0.0F;
        }
        x = row;
    }
    const float bound = rows_.absmax(x, k);
    const float scale = bound == 0.0F ? 1.0F : bound / static_cast<float>(kMost);
    xScales_[index(token)] = scale;
    rows_.quantize(x, k, scale, codes);
    for (const std::int64_t input : outliers_) {
        codes[input] = 0;
    }
}

void IntegerMatmul::packTile(std::int64_t first, std::int64_t count, const std::int8_t* codes) {
    const std::int64_t depth = weights_.grid.depth();
    std::byte* const out = xPacked_.data() + first * depth * kernels_.xBytes;
    const std::int64_t word = std::int64_t{kernels_.step} * kernels_.xBytes;
    if (kernels_.xBytes == 1) {
        const auto flip = static_cast<std::uint32_t>(kernels_.xOffset) * 0x01010101U;
        for (std::int64_t r = 0; r < count; ++r) {
            for (std::int64_t i = 0; i < depth; i += kernels_.step) {
                std::uint32_t four;
                std::memcpy(&four, codes + r * depth + i, sizeof four);
                four ^= flip;  // + 128, byte by byte
                std::memcpy(out + (i / kernels_.step * count + r) * word, &four, sizeof four);
            }
        }
        return;
    }
    for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t i = 0; i < depth; i += 2) {
            const std::int16_t pair[2] = {codes[r * depth + i], codes[r * depth + i + 1]};
            std::memcpy(out + (i / 2 * count + r) * word, pair, sizeof pair);
        }
    }
}

void IntegerMatmul::findOutliers() {
    outliers_.clear();
    const std::int64_t k = shape_.k;
    std::vector<float> most(index(k));
    for (std::int64_t r = 0; r < shape_.m; ++r) {
        const float* const x = xGiven_.data() + r * k;
        for (std::int64_t i = 0; i < k; ++i) {
            const float a = std::fabs(x[i]);
            most[index(i)] = most[index(i)] < a ? a : most[index(i)];
        }
    }
    for (std::int64_t i = 0; i < k; ++i) {
        if (most[index(i)] >= threshold_) {
            outliers_.push_back(i);
        }
    }
}

void IntegerMatmul::quantizeAll(const JobContext& ctx) {
    const std::int64_t k = shape_.k;
    const std::int64_t depth = weights_.grid.depth();
    if (activations_ == ActivationScale::Outliers) {
        findOutliers();
        xOutliers_.reserve(outliers_.size() * index(shape_.m) * sizeof(float));
    }
    parallelFor(shape_.m, kTileRows, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        std::vector<std::int8_t> codes(index((end - begin) * depth));
        std::vector<float> row(activations_ == ActivationScale::Outliers ? index(k) : 0);
        for (std::int64_t r = begin; r < end; ++r) {
            std::int8_t* const to = codes.data() + (r - begin) * depth;
            if (activations_ == ActivationScale::Tensor) {
                std::memcpy(to, xCodes_.data() + r * k, index(k));
            } else {
                quantizeToken(r, to, row.data());
            }
        }
        packTile(begin, end - begin, codes.data());
        const auto count = static_cast<std::int64_t>(outliers_.size());
        auto* out = xOutliers_.as<float>() + begin * count;
        for (const std::int64_t input : outliers_) {
            for (std::int64_t r = begin; r < end; ++r) {
                *out++ = xGiven_[index(r * k + input)];
            }
        }
    });
}

void IntegerMatmul::run(const JobContext& ctx) {
    quantizeAll(ctx);
    const std::int64_t panels = weights_.grid.panels();
    const std::int64_t strips = (shape_.m + kTaskTokens - 1) / kTaskTokens;
    parallelFor(panels * strips, 1, ctx, [&](std::int64_t task, std::int64_t, std::int64_t) {
        const std::int64_t first = task / panels * kTaskTokens;
        tilesOf(task % panels, first, std::min(kTaskTokens, shape_.m - first));
    });
}

void IntegerMatmul::tilesOf(std::int64_t panel, std::int64_t firstToken, std::int64_t tokens) {
    const PanelGrid& grid = weights_.grid;
    const std::int64_t lanes = grid.lanes;
    static thread_local HugeBuffer sums;
    static thread_local HugeBuffer unpacked;
    sums.reserve(index(tokens * lanes) * sizeof(float));
    unpacked.reserve(weights_.code == PanelCode::Int4 ? index(grid.blockDepth * lanes) : 0);
    for (std::int64_t block = 0; block < grid.blocks(); ++block) {
        PanelCall call;
        call.depth = grid.blockInputs(block);
        call.panel = weights_.block(panel, block);
        call.scale = weights_.scale(panel, block);
        call.start = weights_.startOf(panel, block);
        call.first = block == 0;
        if (weights_.code == PanelCode::Int4) {
            kernels_.unpack(call.panel, call.depth * lanes / 2, unpacked.as<std::int8_t>());
            call.panel = unpacked.data();
        }
        for (std::int64_t t = 0; t < tokens; t += kTileRows) {
            const std::int64_t rows = std::min<std::int64_t>(kTileRows, tokens - t);
            call.x = xPacked_.data() +
                     ((firstToken + t) * grid.depth() + block * grid.blockDepth * rows) *
                         kernels_.xBytes;
            call.c = sums.as<float>() + t * lanes;
            kernels_.tile[rows](call);
        }
    }
    const std::int64_t first = panel * lanes;
    const std::int64_t count = std::min(lanes, shape_.n - first);
    for (std::int64_t t = 0; t < tokens; ++t) {
        const float scale = xScales_[index(firstToken + t)];
        float* const c = sums.as<float>() + t * lanes;
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            c[lane] *= scale;
        }
    }
    if (!outliers_.empty()) {
        addOutliers(panel, firstToken, tokens, sums.as<float>());
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
        std::memcpy(y_.data() + (firstToken + t) * shape_.n + first,
                    sums.as<float>() + t * lanes,
                    index(count) * sizeof(float));
    }
}

void IntegerMatmul::addOutliers(std::int64_t panel,
                                std::int64_t firstToken,
                                std::int64_t tokens,
                                float* sums) {
    const PanelGrid& grid = weights_.grid;
    const auto count = static_cast<std::int64_t>(outliers_.size());
    static thread_local HugeBuffer columns;
    columns.reserve(index(count * grid.lanes) * sizeof(float));
    const float* const scales = weights_.scale(panel, 0);
    const std::int64_t step = kernels_.step;
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t input = outliers_[index(i)];
        const std::int64_t inside = input % grid.blockDepth;
        const auto* codes =
            reinterpret_cast<const std::int8_t*>(weights_.block(panel, input / grid.blockDepth)) +
            inside / step * step * grid.lanes + inside % step;
        float* const out = columns.as<float>() + i * grid.lanes;
        for (std::int64_t lane = 0; lane < grid.lanes; ++lane) {
            out[lane] = scales[lane] * static_cast<float>(codes[lane * step]);
        }
    }
    for (std::int64_t t = 0; t < tokens; t += kTileRows) {
        const std::int64_t rows = std::min<std::int64_t>(kTileRows, tokens - t);
        PanelCall call;
        call.x = xOutliers_.as<float>() + (firstToken + t) * count;
        call.panel = columns.data();
        call.depth = count;
        call.c = sums + t * grid.lanes;
        call.first = false;
        floats_.tile[rows](call);
    }
}

/// Runs the quantization once to know what the operands become.
void IntegerMatmul::holdActivations() {
    const std::int64_t k = shape_.k;
    std::vector<std::int8_t> codes(index(weights_.grid.depth()));
    std::vector<float> row(index(k));
    x_.resize(xGiven_.size());
    if (activations_ == ActivationScale::Outliers) {
        findOutliers();
    }
    for (std::int64_t r = 0; r < shape_.m; ++r) {
        const std::int8_t* from = xCodes_.data() + r * k;
        if (activations_ != ActivationScale::Tensor) {
            quantizeToken(r, codes.data(), row.data());
            from = codes.data();
        }
        for (std::int64_t i = 0; i < k; ++i) {
            x_[index(r * k + i)] = xScales_[index(r)] * static_cast<float>(from[i]);
        }
        for (const std::int64_t input : outliers_) {
            x_[index(r * k + input)] = xGiven_[index(r * k + input)];
        }
    }
}

namespace {

std::unique_ptr<CpuMatmul> make8(const MatmulProblem& problem,
                                 ActivationScale activations,
                                 std::int64_t group,
                                 const char* name,
                                 const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    const CodedWeights coded = quantizeWeights(problem.w, shape.n, shape.k, group, kMost, ctx);
    return std::make_unique<IntegerMatmul>(
        problem,
        activations,
        packCodes(coded, PanelCode::Int8, CodeLayout::Steps, gridOf(shape, kBlockDepth), ctx),
        decodeWeights(coded, shape.n, shape.k, ctx),
        kernelName(name));
}

}  // namespace

std::unique_ptr<CpuMatmul> makeInt8(const MatmulProblem& problem, const JobContext& ctx) {
    return make8(problem, ActivationScale::Tensor, problem.shape.k, "s8", ctx);
}

std::unique_ptr<CpuMatmul> makeW8A8(const MatmulProblem& problem, const JobContext& ctx) {
    return make8(problem, ActivationScale::Token, problem.shape.k, "w8a8", ctx);
}

std::unique_ptr<CpuMatmul> makeInt8Outliers(const MatmulProblem& problem, const JobContext& ctx) {
    return make8(problem, ActivationScale::Outliers, problem.shape.k, "int8_outliers", ctx);
}

std::unique_ptr<CpuMatmul> makeW4A8(const MatmulProblem& problem, const JobContext& ctx) {
    const MatmulShape& shape = problem.shape;
    const std::int64_t group = std::min(shape.group, roundUp(shape.k, 8));
    constexpr int kMost4 = 7;
    const CodedWeights coded = quantizeWeights(problem.w, shape.n, shape.k, group, kMost4, ctx);
    return std::make_unique<IntegerMatmul>(
        problem,
        ActivationScale::Token,
        packCodes(coded, PanelCode::Int4, CodeLayout::Steps, gridOf(shape, group), ctx),
        decodeWeights(coded, shape.n, shape.k, ctx),
        kernelName("w4a8"));
}

}  // namespace loupe::gpu
