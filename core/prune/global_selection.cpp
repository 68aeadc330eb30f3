// SPDX-License-Identifier: Apache-2.0
// One threshold over one matrix or many: a radix search over the scores' bits.
#include "core/prune/global_selection.hpp"

#include <algorithm>
#include <utility>

namespace loupe {

namespace {

constexpr int kDigitBits = 16;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
using Histogram = std::vector<std::int64_t>;

/// Counts the digit at `shift` of the keys that begin like `prefix`, into a histogram per part.
Result<void> countDigits(const KeySource& source,
                         int shift,
                         std::uint64_t prefix,
                         std::vector<Histogram>& parts) {
    const std::uint64_t above =
        shift + kDigitBits == 64 ? 0 : ~std::uint64_t{0} << (shift + kDigitBits);
    return overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
        Histogram& counts = parts[static_cast<std::size_t>(part)];
        counts.resize(kDigits);
        return source.forRows(begin, end, [&](std::int64_t, const auto& keys) {
            for (const std::uint64_t key : keys) {
                if ((key & above) == prefix) {
                    ++counts[(key >> shift) & (kDigits - 1)];
                }
            }
        });
    });
}

/// Drops the first `equal` weights at the threshold; ties[row] of them lie in each row.
Result<void> dropFirstTies(const KeySource& source,
                           const KeyThreshold& found,
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

std::int64_t weightsOf(const SelectionMember& member) {
    return member.rows * member.cols;
}

/// How many keys equal `key`.
Result<std::int64_t> countOf(const KeySource& source, std::uint64_t key) {
    Histogram parts(static_cast<std::size_t>(kKeyParts), 0);
    Result<void> done =
        overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
            return source.forRows(begin, end, [&](std::int64_t, const auto& keys) {
                parts[static_cast<std::size_t>(part)] += std::count(keys.begin(), keys.end(), key);
            });
        });
    if (!done) {
        return fail(done.error());
    }
    std::int64_t sum = 0;
    for (const std::int64_t count : parts) {
        sum += count;
    }
    return sum;
}

}  // namespace

Result<KeyThreshold> findThreshold(std::size_t matrices, const OpenKeys& open, std::int64_t count) {
    KeyThreshold found{0, count, 0};
    for (int shift = 64 - kDigitBits; shift >= 0; shift -= kDigitBits) {
        std::vector<Histogram> parts(static_cast<std::size_t>(kKeyParts));
        for (std::size_t i = 0; i < matrices; ++i) {
            Result<void> done = open(i, [&](const KeySource& source) {
                return countDigits(source, shift, found.key, parts);
            });
            if (!done) {
                return fail(done.error());
            }
        }
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
            std::int64_t here = 0;
            for (const Histogram& counts : parts) {
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

Result<void> dropUpTo(const KeySource& source, const KeyThreshold& threshold, BitMask& mask) {
    const bool allTies = threshold.total == threshold.equal;
    std::vector<std::int64_t> ties(static_cast<std::size_t>(source.rows()), 0);
    const Result<void> done =
        overParts(source, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            return source.forRows(begin, end, [&](std::int64_t row, const auto& keys) {
                for (std::size_t i = 0; i < keys.size(); ++i) {
                    const bool tie = keys[i] == threshold.key;
                    ties[static_cast<std::size_t>(row)] += tie ? 1 : 0;
                    if (keys[i] < threshold.key || (tie && allTies)) {
                        mask.set(row, static_cast<std::int64_t>(i), false);
                    }
                }
            });
        });
    return allTies || threshold.equal == 0 || !done
               ? done
               : dropFirstTies(source, threshold, std::move(ties), mask);
}

Result<GlobalThresholds> globalThresholds(const std::vector<SelectionMember>& members,
                                          double sparsity,
                                          const JobContext& ctx) {
    const JobContext quiet = ctx.withoutProgress();
    const OpenKeys open = [&](std::size_t i, const UseKeys& use) -> Result<void> {
        const SelectionMember& member = members[i];
        const Result<ScoreRows> scores = member.open();
        if (!scores) {
            return fail(scores.error());
        }
        Result<void> done = use(KeySource(member.rows, member.cols, nullptr, *scores, quiet));
        ctx.advance(static_cast<std::uint64_t>(weightsOf(member)));
        return done;
    };
    std::int64_t weights = 0;
    for (const SelectionMember& member : members) {
        weights += weightsOf(member);
    }
    GlobalThresholds thresholds(members.size());
    const std::int64_t count = prunedCount(weights, sparsity);
    if (count == 0) {
        return thresholds;
    }
    const Result<KeyThreshold> all = findThreshold(members.size(), open, count);
    if (!all) {
        return fail(all.error());
    }
    std::fill(thresholds.begin(), thresholds.end(), *all);
    if (all->equal == all->total) {
        return thresholds;
    }
    std::int64_t left = all->equal;
    for (std::size_t i = 0; i < members.size(); ++i) {
        Result<void> done = open(i, [&](const KeySource& source) -> Result<void> {
            const Result<std::int64_t> ties = countOf(source, all->key);
            if (!ties) {
                return fail(ties.error());
            }
            thresholds[i].total = *ties;
            return {};
        });
        if (!done) {
            return fail(done.error());
        }
        thresholds[i].equal = std::min(left, thresholds[i].total);
        left -= thresholds[i].equal;
    }
    return thresholds;
}

Result<std::shared_ptr<const BitMask>> maskAt(const SelectionMember& member,
                                              const KeyThreshold& threshold,
                                              const JobContext& ctx) {
    auto mask = std::make_shared<BitMask>(member.rows, member.cols, true);
    const Result<ScoreRows> scores = member.open();
    if (!scores) {
        return fail(scores.error());
    }
    const Result<void> done =
        dropUpTo(KeySource(member.rows, member.cols, nullptr, *scores, ctx), threshold, *mask);
    if (!done) {
        return fail(done.error());
    }
    return std::shared_ptr<const BitMask>(std::move(mask));
}

}  // namespace loupe
