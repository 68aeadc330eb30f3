// SPDX-License-Identifier: Apache-2.0
#include "core/prune/selection.hpp"

#include "core/prune/prune_kernels.hpp"
#include "core/prune/score_keys.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace loupe {

namespace {

/// The largest key that goes, and how many of those that have it.
struct RankedKey {
    std::uint64_t key = 0;
    std::int64_t equal = 0;
    std::int64_t total = 0;
};

/// The whole matrix as one selection.
Result<void> dropWholeMatrix(const KeySource& source, double sparsity, BitMask& mask) {
    const std::int64_t count = prunedCount(source.rows() * source.cols(), sparsity);
    if (count == 0) {
        return {};
    }
    const auto use = [&](std::size_t, const UseKeys& work) { return work(source); };
    const Result<KeyThreshold> found = findThreshold(1, use, count);
    return found ? dropUpTo(source, *found, mask) : fail(found.error());
}

/// Counts keys in buckets of 1/32 of an octave, 32 octaves below the largest; what lies deeper
/// shares the first bucket. A key's leading bits are its exponent and mantissa, so that buckets
/// keep the order.
class Buckets {
public:
    static constexpr int kShift = 52 - 5;
    static constexpr std::uint64_t kCount = 1024;

    explicit Buckets(std::span<const std::uint64_t> keys) {
        std::uint64_t most = 0;
        for (const std::uint64_t key : keys) {
            most = std::max(most, key);
        }
        const std::uint64_t top = most >> kShift;
        first_ = top > kCount - 1 ? top - (kCount - 1) : 0;
        std::int32_t* const counts = counts_.data();
        for (const std::uint64_t key : keys) {
            ++counts[of(key)];
        }
    }
    [[nodiscard]] std::uint64_t of(std::uint64_t key) const {
        const std::uint64_t place = key >> kShift;
        return place > first_ ? place - first_ : 0;
    }
    [[nodiscard]] std::int64_t count(std::uint64_t bucket) const { return counts_[bucket]; }

private:
    std::uint64_t first_ = 0;
    std::array<std::int32_t, kCount> counts_{};
};

/// The `count`-th smallest key (count >= 1), how many with that key are among the smallest, and how
/// many there are. Counting finds its bucket, and only what lies in there is put in order: some
/// three operations per key, where a selection over all keys takes several times as many.
RankedKey rankedKey(std::span<const std::uint64_t> keys,
                    std::int64_t count,
                    std::vector<std::uint64_t>& scratch) {
    const Buckets buckets(keys);
    std::uint64_t bucket = 0;
    std::int64_t left = count;
    for (; left > buckets.count(bucket); ++bucket) {
        left -= buckets.count(bucket);
    }
    scratch.resize(static_cast<std::size_t>(buckets.count(bucket)) + 1);
    std::uint64_t* const in = scratch.data();
    std::size_t inside = 0;
    for (const std::uint64_t key : keys) {  // no branch: what is next overwrites what is outside
        in[inside] = key;
        inside += static_cast<std::size_t>(buckets.of(key) == bucket);
    }
    const auto end = scratch.begin() + static_cast<std::ptrdiff_t>(inside);
    const auto found = scratch.begin() + (left - 1);
    std::nth_element(scratch.begin(), found, end);
    const std::uint64_t key = *found;
    const auto less = std::count_if(scratch.begin(), end, [&](std::uint64_t x) { return x < key; });
    const auto total = std::count(scratch.begin(), end, key);
    return {key, left - less, total};
}

/// The words of a row's mask: 1 where the key is above the threshold.
void keepAbove(std::span<const std::uint64_t> keys, RankedKey ranked, std::uint64_t* words) {
    for (std::size_t first = 0; first < keys.size(); first += 64) {
        const std::size_t size = std::min<std::size_t>(64, keys.size() - first);
        const std::uint64_t* const part = keys.data() + first;
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < size; ++i) {
            word |= std::uint64_t{part[i] > ranked.key ? 1U : 0U} << i;
        }
        words[first / 64] = word;
    }
    if (ranked.equal == ranked.total) {
        return;
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {  // of equal ones the lower index goes
        if (keys[i] == ranked.key && ranked.equal-- <= 0) {
            words[i / 64] |= std::uint64_t{1} << (i % 64);
        }
    }
}

/// Keeps the `keep` largest of up to 64 keys; ties keep the lower index. @returns a bit for each
std::uint64_t keptOf(const std::uint64_t* keys, std::int64_t size, std::int64_t keep) {
    std::uint64_t kept = 0;
    for (std::int64_t i = 0; i < size; ++i) {
        std::int64_t better = 0;
        for (std::int64_t j = 0; j < i; ++j) {
            better += keys[j] >= keys[i] ? 1 : 0;
        }
        for (std::int64_t j = i + 1; j < size; ++j) {
            better += keys[j] > keys[i] ? 1 : 0;
        }
        kept |= std::uint64_t{better < keep ? 1U : 0U} << i;
    }
    return kept;
}

/// N of every M of a row, written as the words of its mask.
void keepPattern(std::span<const std::uint64_t> keys,
                 const Selection& selection,
                 std::uint64_t* words) {
    const auto cols = static_cast<std::int64_t>(keys.size());
    std::fill(words, words + (cols + 63) / 64, 0);
    for (std::int64_t first = 0; first < cols; first += selection.block) {
        const std::int64_t size = std::min(selection.block, cols - first);
        const std::uint64_t* block = keys.data() + first;
        const std::uint64_t kept = keptOf(block, size, selection.keep);
        words[first / 64] |= kept << (first % 64);
        if (first % 64 + size > 64) {
            words[first / 64 + 1] |= kept >> (64 - first % 64);
        }
    }
}

/// Each row's smallest, or each block's.
Result<void> dropInRows(const KeySource& source, const Selection& selection, BitMask& mask) {
    const std::int64_t count = prunedCount(source.cols(), selection.sparsity);
    if (selection.keep == 0 && count == 0) {
        return overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            return source.forRows(begin, end, [](std::int64_t, const auto&) {});
        });
    }
    if (selection.keep == 2 && selection.block == 4 && source.cols() % 4 == 0 && source.isFirst()) {
        return overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            return source.forScores(begin, end, [&](std::int64_t row, const double* scores) {
                pruneKernels().keepTwoOfFour(scores, source.cols(), mask.rowWords(row));
            });
        });
    }
    return overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        std::vector<std::uint64_t> scratch;
        return source.forRows(begin, end, [&](std::int64_t row, const auto& keys) {
            if (selection.keep > 0) {
                keepPattern(keys, selection, mask.rowWords(row));
            } else {
                keepAbove(keys, rankedKey(keys, count, scratch), mask.rowWords(row));
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
    RankedKey ranked = rankedKey(keys, count, scratch);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i] < ranked.key || (keys[i] == ranked.key && ranked.equal-- > 0)) {
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
