// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/row_sample.hpp"

#include "core/base/rng.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace loupe::app {

namespace {

constexpr std::int64_t kLeastRows = 8;
constexpr std::uint64_t kLarge = 4 * static_cast<std::uint64_t>(kSampledWeights);
constexpr std::int64_t kTogether = 16;  ///< rows that a transposed matrix reads in one pass

/// First row of each run.
struct Runs {
    std::vector<std::int64_t> first;
    std::int64_t length = 1;
};

Runs chooseRuns(std::int64_t rows, std::int64_t cols, bool transposed) {
    const std::int64_t wanted =
        std::clamp(kSampledWeights / std::max<std::int64_t>(cols, 1), kLeastRows, rows);
    Runs runs;
    runs.length = transposed ? std::min(kTogether, rows) : 1;
    const std::int64_t count = std::max<std::int64_t>(1, wanted / runs.length);
    const auto seed = static_cast<std::uint64_t>(rows);
    for (std::int64_t i = 0; i < count; ++i) {
        // rows·count stays far below 2^63: count is at most kSampledWeights.
        const std::int64_t begin = rows * i / count;
        const std::int64_t room = rows * (i + 1) / count - begin - runs.length;
        const double at = randomUniform(seed, static_cast<std::uint64_t>(i));
        const std::int64_t shift =
            room <= 0 ? 0
                      : static_cast<std::int64_t>(at * static_cast<double>(room + 1));
        runs.first.push_back(std::min(begin + shift, rows - runs.length));
    }
    return runs;
}

template <class T>
Result<std::shared_ptr<const RowSource>> readRuns(const RowSource& matrix,
                                                  const Runs& runs,
                                                  const JobContext& ctx) {
    const std::int64_t cols = matrix.cols();
    const auto taken = static_cast<std::int64_t>(runs.first.size()) * runs.length;
    std::vector<T> values(static_cast<std::size_t>(taken * cols));
    T* out = values.data();
    for (const std::int64_t first : runs.first) {
        ctx.checkpoint();
        if (const Result<void> read = matrix.read(first, runs.length, out); !read) {
            return fail(read.error());
        }
        out += runs.length * cols;
    }
    return makeRowSource(taken, cols, std::move(values));
}

}  // namespace

bool isSmall(const TensorInfo& tensor) {
    return tensor.parameters <= kLarge;
}

bool isWorthSampling(const TensorInfo& tensor) {
    return !isSmall(tensor) && tensor.offset.has_value() && !tensor.problem &&
           tensor.rows > 4 * kLeastRows;
}

Result<std::shared_ptr<const RowSource>> sampleRows(const RowSource& matrix,
                                                    bool transposed,
                                                    const JobContext& ctx) {
    const Runs runs = chooseRuns(matrix.rows(), matrix.cols(), transposed);
    return matrix.isDouble() ? readRuns<double>(matrix, runs, ctx)
                             : readRuns<float>(matrix, runs, ctx);
}

}  // namespace loupe::app
