// SPDX-License-Identifier: Apache-2.0
// The products that every kernel is held against: FP64, one thread a row, sums in order of the
// inner index.
#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/kernels/kernel.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace loupe::gpu {

namespace {

/// Calls body(position in the output, row) for all rows, or for those that are named.
template <class Body>
void forRows(std::int64_t all,
             std::span<const std::int64_t> rows,
             const JobContext& ctx,
             const Body& body) {
    const auto named = static_cast<std::int64_t>(rows.size());
    parallelFor(
        named == 0 ? all : named, 1, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t row = named == 0 ? i : rows[static_cast<std::size_t>(i)];
                LOUPE_ASSERT(row >= 0 && row < all, "a named row lies in the output");
                body(i, row);
            }
        });
}

/// Σ a·b; eight sums side by side, combined in order, let the compiler use vectors.
double dot(const float* a, const float* b, std::int64_t count) {
    constexpr std::int64_t kLanes = 8;
    std::array<double, kLanes> sums{};
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
            sums[static_cast<std::size_t>(lane)] +=
                static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
        }
    }
    for (; i < count; ++i) {
        sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    double sum = 0;
    for (const double part : sums) {
        sum += part;
    }
    return sum;
}

void attendRow(const float* q,
               const float* k,
               const float* v,
               const AttentionShape& shape,
               std::int64_t keys,
               double* out) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(shape.dim));
    std::vector<double> scores(static_cast<std::size_t>(keys));
    double most = -INFINITY;
    for (std::int64_t j = 0; j < keys; ++j) {
        const double score = dot(q, k + j * shape.dim, shape.dim) * scale;
        scores[static_cast<std::size_t>(j)] = score;
        most = std::max(most, score);
    }
    double sum = 0;
    std::fill_n(out, shape.dim, 0.0);
    for (std::int64_t j = 0; j < keys; ++j) {
        const double weight = std::exp(scores[static_cast<std::size_t>(j)] - most);
        sum += weight;
        for (std::int64_t c = 0; c < shape.dim; ++c) {
            out[c] += weight * static_cast<double>(v[j * shape.dim + c]);
        }
    }
    for (std::int64_t c = 0; c < shape.dim; ++c) {
        out[c] /= sum;
    }
}

}  // namespace

std::vector<double> referenceMatmul(std::span<const float> x,
                                    std::span<const float> w,
                                    const MatmulShape& shape,
                                    std::span<const std::int64_t> rows,
                                    const JobContext& ctx) {
    const std::int64_t count = rows.empty() ? shape.m : static_cast<std::int64_t>(rows.size());
    std::vector<double> out(static_cast<std::size_t>(count * shape.n));
    // Columns are the long side of a decode: chunks of both.
    constexpr std::int64_t kColumns = 512;
    const std::int64_t blocks = (shape.n + kColumns - 1) / kColumns;
    parallelFor(count * blocks, 1, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t chunk = begin; chunk < end; ++chunk) {
            const std::int64_t position = chunk / blocks;
            const std::int64_t row =
                rows.empty() ? position : rows[static_cast<std::size_t>(position)];
            LOUPE_ASSERT(row >= 0 && row < shape.m, "a named row lies in the output");
            const std::int64_t first = chunk % blocks * kColumns;
            for (std::int64_t col = first; col < std::min(shape.n, first + kColumns); ++col) {
                out[static_cast<std::size_t>(position * shape.n + col)] =
                    dot(x.data() + row * shape.k, w.data() + col * shape.k, shape.k);
            }
        }
    });
    return out;
}

std::vector<double> referenceAttention(std::span<const float> q,
                                       std::span<const float> k,
                                       std::span<const float> v,
                                       const AttentionShape& shape,
                                       std::span<const std::int64_t> rows,
                                       const JobContext& ctx) {
    const std::int64_t queries = shape.queries();
    const std::int64_t all = shape.batch * shape.heads * queries;
    const std::int64_t count = rows.empty() ? all : static_cast<std::int64_t>(rows.size());
    std::vector<double> out(static_cast<std::size_t>(count * shape.dim));
    forRows(all, rows, ctx, [&](std::int64_t position, std::int64_t row) {
        const std::int64_t query = row % queries;
        const std::int64_t head = row / queries % shape.heads;
        const std::int64_t batch = row / queries / shape.heads;
        const std::int64_t kvHead = head / (shape.heads / shape.kvHeads);
        const std::int64_t stored = (batch * shape.kvHeads + kvHead) * shape.seq * shape.dim;
        // The last query sees all keys.
        const std::int64_t keys = shape.causal ? shape.seq - queries + query + 1 : shape.seq;
        attendRow(q.data() + row * shape.dim,
                  k.data() + stored,
                  v.data() + stored,
                  shape,
                  keys,
                  out.data() + position * shape.dim);
    });
    return out;
}

}  // namespace loupe::gpu
