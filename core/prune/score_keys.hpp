// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/worker_pool.hpp"
#include "core/prune/selection.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace loupe {

/// A matrix is worked on in at most this many parts, each with a histogram of its own.
inline constexpr std::int64_t kKeyParts = 16;

/// Scores, an earlier mask and the shape: keys of rows.
class KeySource {
public:
    KeySource(std::int64_t rows,
              std::int64_t cols,
              const BitMask* earlier,
              const ScoreRows& scores,
              const JobContext& ctx)
        : rows_(rows), cols_(cols), earlier_(earlier), scores_(scores), ctx_(ctx) {}

    [[nodiscard]] std::int64_t rows() const { return rows_; }
    [[nodiscard]] std::int64_t cols() const { return cols_; }
    [[nodiscard]] const JobContext& ctx() const { return ctx_; }

    /// Calls body(row, keys) for rows [begin, end) in order.
    template <class Body>
    Result<void> forRows(std::int64_t begin, std::int64_t end, const Body& body) const {
        std::vector<std::uint64_t> keys(static_cast<std::size_t>(cols_));
        return forScores(begin, end, [&](std::int64_t row, const double* scores) {
            std::transform(scores, scores + cols_, keys.begin(), scoreKey);
            for (std::int64_t col = 0; earlier_ != nullptr && col < cols_; ++col) {
                if (!earlier_->kept(row, col)) {
                    keys[static_cast<std::size_t>(col)] = 0;
                }
            }
            body(row, std::span<const std::uint64_t>(keys));
        });
    }

    /// Whether nothing was pruned before: scores are then all there is to compare.
    [[nodiscard]] bool isFirst() const { return earlier_ == nullptr; }

    /// Calls body(row, scores) for rows [begin, end) in order.
    template <class Body>
    Result<void> forScores(std::int64_t begin, std::int64_t end, const Body& body) const {
        constexpr std::int64_t kWeightsAtATime = 8192;
        std::vector<double> values;
        const std::int64_t few = rowsPerChunk(cols_, kWeightsAtATime);
        for (std::int64_t first = begin; first < end; first += few) {
            ctx_.checkpoint();
            const std::int64_t count = std::min(few, end - first);
            values.resize(static_cast<std::size_t>(count * cols_));
            if (Result<void> done = scores_(first, count, values); !done) {
                return done;
            }
            for (std::int64_t row = 0; row < count; ++row) {
                body(first + row, values.data() + row * cols_);
            }
        }
        return {};
    }

private:
    std::int64_t rows_;
    std::int64_t cols_;
    const BitMask* earlier_;
    const ScoreRows& scores_;
    const JobContext& ctx_;
};

/// Runs work(begin, end, part) -> Result<void> over parts of the rows; the lowest part's error.
template <class Work>
Result<void> overParts(const KeySource& source, const Work& work) {
    FirstError errors;
    const std::int64_t size =
        std::max<std::int64_t>((source.rows() + kKeyParts - 1) / kKeyParts, 1);
    parallelFor(source.rows(),
                size,
                source.ctx(),
                [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
                    if (Result<void> done = work(begin, end, part); !done) {
                        errors.report(part, done.error());
                    }
                });
    return errors.result();
}

/// The key of the `count`-th smallest weight, and what becomes of the weights that have it.
struct KeyThreshold {
    std::uint64_t key = 0;   ///< what lies below goes; 0: nothing does
    std::int64_t equal = 0;  ///< how many of those with this key go, lower index first
    std::int64_t total = 0;  ///< how many there are
};

/// Work on the keys of one matrix, and what opens matrix `index` for it.
using UseKeys = std::function<Result<void>(const KeySource& source)>;
using OpenKeys = std::function<Result<void>(std::size_t index, const UseKeys& use)>;

/// The threshold of the `count` (>= 1) smallest weights of all matrices together, found one digit
/// of 16 bits of the keys after the other: opens each matrix four times, one at a time.
/// @cost memory O(kKeyParts·2^16), whatever the matrices' sizes
[[nodiscard]] Result<KeyThreshold> findThreshold(std::size_t matrices,
                                                 const OpenKeys& open,
                                                 std::int64_t count);

/// Drops from the mask what lies below the threshold, and the first `equal` weights at it.
[[nodiscard]] Result<void> dropUpTo(const KeySource& source,
                                    const KeyThreshold& threshold,
                                    BitMask& mask);

}  // namespace loupe
