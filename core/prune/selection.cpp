// SPDX-License-Identifier: Apache-2.0
#include "core/prune/selection.hpp"

#include "core/base/worker_pool.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace loupe {

namespace {

/// Rows whose keys a thread holds at a time.
constexpr std::int64_t kWeightsAtATime = 16384;
/// The matrix in at most this many parts, each with a histogram of its own.
constexpr std::int64_t kParts = 16;
constexpr int kDigitBits = 16;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;

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
        std::vector<double> values;
        std::vector<std::uint64_t> keys(static_cast<std::size_t>(cols_));
        const std::int64_t few = rowsPerChunk(cols_, kWeightsAtATime);
        for (std::int64_t first = begin; first < end; first += few) {
            ctx_.checkpoint();
            const std::int64_t count = std::min(few, end - first);
            values.resize(static_cast<std::size_t>(count * cols_));
            if (Result<void> done = scores_(first, count, values); !done) {
                return done;
            }
            for (std::int64_t row = 0; row < count; ++row) {
                const double* score = values.data() + row * cols_;
                for (std::int64_t col = 0; col < cols_; ++col) {
                    const bool live = earlier_ == nullptr || earlier_->kept(first + row, col);
                    keys[static_cast<std::size_t>(col)] = live ? scoreKey(score[col]) : 0;
                }
                body(first + row, std::span<const std::uint64_t>(keys));
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
    const std::int64_t size = std::max<std::int64_t>((source.rows() + kParts - 1) / kParts, 1);
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

/// The key of the matrix's `count`-th smallest weight, and how many weights with that key are
/// pruned.
struct Threshold {
    std::uint64_t key = 0;
    std::int64_t equal = 0;
    std::int64_t total = 0;  ///< weights with that key
};

/// Finds the threshold one digit of 16 bits after the other.
Result<Threshold> findThreshold(const KeySource& source, std::int64_t count) {
    Threshold found{0, count, 0};
    for (int shift = 64 - kDigitBits; shift >= 0; shift -= kDigitBits) {
        std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(kParts));
        const std::uint64_t above =
            shift + kDigitBits == 64 ? 0 : ~std::uint64_t{0} << (shift + kDigitBits);
        Result<void> done =
            overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
                std::vector<std::int64_t>& counts = parts[static_cast<std::size_t>(part)];
                counts.assign(kDigits, 0);
                return source.forRows(begin, end, [&](std::int64_t, const auto& keys) {
                    for (const std::uint64_t key : keys) {
                        if ((key & above) == found.key) {
                            ++counts[(key >> shift) & (kDigits - 1)];
                        }
                    }
                });
            });
        if (!done) {
            return fail(done.error());
        }
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
            std::int64_t here = 0;
            for (const std::vector<std::int64_t>& counts : parts) {
                here += counts.empty() ? 0 : counts[digit];
            }
            if (found.equal <= here) {
                found.key |= static_cast<std::uint64_t>(digit) << shift;
                found.total = here;
                break;
            }
            found.equal -= here;
        }
    }
    return found;
}

/// Drops the first found.equal weights at the threshold; ties[row] of them lie in each row.
Result<void> dropFirstTies(const KeySource& source,
                           const Threshold& found,
                           std::vector<std::int64_t> ties,
                           BitMask& mask) {
    std::int64_t left = found.equal;
    for (std::int64_t& count : ties) {
        count = std::min(count, left);
        left -= count;
    }
    return overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        return source.forRows(begin, end, [&](std::int64_t row, const auto& keys) {
            std::int64_t& quota = ties[static_cast<std::size_t>(row)];
            for (std::size_t i = 0; i < keys.size() && quota > 0; ++i) {
                if (keys[i] == found.key) {
                    mask.set(row, static_cast<std::int64_t>(i), false);
                    --quota;
                }
            }
        });
    });
}

Result<void> dropWholeMatrix(const KeySource& source, double sparsity, BitMask& mask) {
    const std::int64_t count = prunedCount(source.rows() * source.cols(), sparsity);
    if (count == 0) {
        return {};
    }
    const Result<Threshold> found = findThreshold(source, count);
    if (!found) {
        return fail(found.error());
    }
    const bool allTies = found->total == found->equal;
    std::vector<std::int64_t> ties(static_cast<std::size_t>(source.rows()), 0);
    const Result<void> done =
        overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            return source.forRows(begin, end, [&](std::int64_t row, const auto& keys) {
                for (std::size_t i = 0; i < keys.size(); ++i) {
                    const bool tie = keys[i] == found->key;
                    ties[static_cast<std::size_t>(row)] += tie ? 1 : 0;
                    if (keys[i] < found->key || (tie && allTies)) {
                        mask.set(row, static_cast<std::int64_t>(i), false);
                    }
                }
            });
        });
    return allTies || !done ? done : dropFirstTies(source, *found, std::move(ties), mask);
}

/// Each row's smallest, or each block's.
Result<void> dropInRows(const KeySource& source, const Selection& selection, BitMask& mask) {
    return overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        std::vector<std::uint64_t> scratch;
        return source.forRows(begin, end, [&](std::int64_t row, const auto& keys) {
            if (selection.keep == 0) {
                const std::int64_t count = prunedCount(source.cols(), selection.sparsity);
                pruneSmallest(
                    keys, count, scratch, [&](std::int64_t col) { mask.set(row, col, false); });
                return;
            }
            for (std::int64_t first = 0; first < source.cols(); first += selection.block) {
                const std::int64_t size = std::min(selection.block, source.cols() - first);
                // Ties keep the lower index: the block is looked at from its end.
                std::vector<std::uint64_t> block(keys.begin() + first, keys.begin() + first + size);
                std::reverse(block.begin(), block.end());
                pruneSmallest(
                    block, size - std::min(selection.keep, size), scratch, [&](std::int64_t i) {
                        mask.set(row, first + size - 1 - i, false);
                    });
            }
        });
    });
}

void keepEarlier(const BitMask& earlier, BitMask& mask) {
    const std::int64_t words = (mask.cols() + 63) / 64;
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        for (std::int64_t word = 0; word < words; ++word) {
            mask.rowWords(row)[word] &= earlier.rowWords(row)[word];
        }
    }
}

}  // namespace

std::int64_t prunedCount(std::int64_t count, double sparsity) {
    const double product = static_cast<double>(count) * sparsity;
    const double whole = std::nearbyint(product);
    const double rounding = 4 * std::numeric_limits<double>::epsilon() * product;
    return static_cast<std::int64_t>(std::fabs(product - whole) <= rounding ? whole
                                                                            : std::floor(product));
}

void pruneSmallest(std::span<const std::uint64_t> keys,
                   std::int64_t count,
                   std::vector<std::uint64_t>& scratch,
                   const std::function<void(std::int64_t index)>& drop) {
    if (count <= 0) {
        return;
    }
    scratch.assign(keys.begin(), keys.end());
    const auto last = scratch.begin() + (count - 1);
    std::nth_element(scratch.begin(), last, scratch.end());
    const std::uint64_t threshold = *last;
    const auto below =
        std::count_if(scratch.begin(), last, [&](std::uint64_t key) { return key < threshold; });
    std::int64_t equal = count - below;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i] < threshold || (keys[i] == threshold && equal-- > 0)) {
            drop(static_cast<std::int64_t>(i));
        }
    }
}

Result<std::shared_ptr<const BitMask>> selectMask(std::int64_t rows,
                                                  std::int64_t cols,
                                                  const BitMask* earlier,
                                                  const Selection& selection,
                                                  const ScoreRows& scores,
                                                  const JobContext& ctx) {
    auto mask = std::make_shared<BitMask>(rows, cols, true);
    const KeySource source(rows, cols, earlier, scores, ctx);
    const Result<void> done = selection.keep > 0 || selection.perRow
                                  ? dropInRows(source, selection, *mask)
                                  : dropWholeMatrix(source, selection.sparsity, *mask);
    if (!done) {
        return fail(done.error());
    }
    if (earlier != nullptr) {
        keepEarlier(*earlier, *mask);
    }
    return std::shared_ptr<const BitMask>(std::move(mask));
}

}  // namespace loupe
