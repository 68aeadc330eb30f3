// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/kernels/kernel.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::gpu {

namespace {

/// Normal values that depend on (seed, index) alone.
std::vector<float> normals(std::int64_t count,
                           double deviation,
                           std::uint64_t seed,
                           const JobContext& ctx) {
    constexpr std::int64_t kChunk = 1 << 16;
    std::vector<float> values(static_cast<std::size_t>(count));
    parallelFor(count, kChunk, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t i = begin; i < end; ++i) {
            values[static_cast<std::size_t>(i)] =
                static_cast<float>(deviation * randomNormal(seed, static_cast<std::uint64_t>(i)));
        }
    });
    return values;
}

/// Operands of one case take values of different streams.
std::uint64_t streamOf(std::uint64_t seed, std::uint64_t operand) {
    return randomBits(seed, operand);
}

/// One input of each of `outliers` equal ranges, chosen by the seed, becomes twenty times as large.
void plantOutliers(MatmulProblem& problem) {
    const MatmulShape& shape = problem.shape;
    const std::uint64_t stream = streamOf(problem.seed, 2);
    for (std::int64_t i = 0; i < shape.outliers; ++i) {
        const std::int64_t first = i * shape.k / shape.outliers;
        const std::int64_t past = (i + 1) * shape.k / shape.outliers;
        const auto within =
            static_cast<std::int64_t>(randomUniform(stream, static_cast<std::uint64_t>(i)) *
                                      static_cast<double>(past - first));
        const std::int64_t col = std::min(first + within, past - 1);
        for (std::int64_t row = 0; row < shape.m; ++row) {
            problem.x[static_cast<std::size_t>(row * shape.k + col)] *= 20;
        }
    }
}

}  // namespace

MatmulProblem makeMatmulProblem(const MatmulShape& shape,
                                std::uint64_t seed,
                                const JobContext& ctx) {
    MatmulProblem problem;
    problem.shape = shape;
    problem.seed = seed;
    problem.x = normals(shape.m * shape.k, 1.0, streamOf(seed, 0), ctx);
    plantOutliers(problem);
    problem.w = normals(
        shape.n * shape.k, 1.0 / std::sqrt(static_cast<double>(shape.k)), streamOf(seed, 1), ctx);
    return problem;
}

AttentionProblem makeAttentionProblem(const AttentionShape& shape,
                                      std::uint64_t seed,
                                      const JobContext& ctx) {
    AttentionProblem problem;
    problem.shape = shape;
    problem.seed = seed;
    const std::int64_t stored = shape.batch * shape.kvHeads * shape.seq * shape.dim;
    problem.q = normals(
        shape.batch * shape.heads * shape.queries() * shape.dim, 1.0, streamOf(seed, 0), ctx);
    problem.k = normals(stored, 1.0, streamOf(seed, 1), ctx);
    problem.v = normals(stored, 1.0, streamOf(seed, 2), ctx);
    return problem;
}

}  // namespace loupe::gpu
