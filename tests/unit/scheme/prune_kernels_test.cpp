// SPDX-License-Identifier: Apache-2.0
// The choices of every instruction set against their definition: counts, ties, NaN.
#include "core/prune/prune_kernels.hpp"

#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/prune/block_selection.hpp"
#include "core/prune/selection.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace loupe;

namespace {

/// Scores with many ties.
std::vector<double> coarse(std::size_t count, std::uint64_t seed) {
    std::vector<double> scores(count);
    for (std::size_t i = 0; i < count; ++i) {
        scores[i] = std::floor(randomUniform(seed, i) * 5) / 4;
    }
    return scores;
}

/// Of `count` scores `stride` apart, whether the i-th is among the `keep` largest.
bool isKept(const double* scores,
            std::int64_t stride,
            std::int64_t count,
            std::int64_t keep,
            std::int64_t i) {
    const auto score = [&](std::int64_t j) {
        const double s = scores[j * stride];
        return std::isnan(s) ? 0 : s;
    };
    std::int64_t better = 0;
    for (std::int64_t j = 0; j < count; ++j) {
        better += score(j) > score(i) || (j < i && score(j) == score(i)) ? 1 : 0;
    }
    return better < keep;
}

}  // namespace

TEST_CASE("N of M by lanes and 2 of 4 of a row: every instruction set, ties by index") {
    const CpuTarget before = cpuTarget();
    for (const CpuTarget target : availableCpuTargets()) {
        setCpuTarget(target);
        for (const std::int64_t m : {2, 4, 7, 64}) {
            for (const std::int64_t n : {1, 2, 3, 40}) {
                CAPTURE(static_cast<int>(target), m, n);
                const std::vector<double> scores =
                    coarse(static_cast<std::size_t>(m * kPruneRows), 1);
                std::vector<std::uint8_t> kept(scores.size(), 9);
                pruneKernels().keepLargest(scores.data(), m, n, kept.data());
                for (std::int64_t i = 0; i < m * kPruneRows; ++i) {
                    REQUIRE(
                        (kept[static_cast<std::size_t>(i)] != 0) ==
                        isKept(scores.data() + i % kPruneRows, kPruneRows, m, n, i / kPruneRows));
                }
            }
        }
        for (const std::int64_t cols : {4, 12, 64, 68, 132, 1024}) {
            CAPTURE(static_cast<int>(target), cols);
            std::vector<double> scores = coarse(static_cast<std::size_t>(cols), 2);
            scores[1] = std::numeric_limits<double>::quiet_NaN();
            scores[3] = std::numeric_limits<double>::infinity();
            std::vector<std::uint64_t> words(static_cast<std::size_t>((cols + 63) / 64), ~0ULL);
            pruneKernels().keepTwoOfFour(scores.data(), cols, words.data());
            for (std::int64_t col = 0; col < (cols + 63) / 64 * 64; ++col) {
                const bool kept =
                    ((words[static_cast<std::size_t>(col / 64)] >> (col % 64)) & 1U) != 0;
                REQUIRE(kept ==
                        (col < cols && isKept(scores.data() + col / 4 * 4, 1, 4, 2, col % 4)));
            }
        }
    }
    setCpuTarget(before);
}

TEST_CASE("the threshold of a block over parts: exact counts, with ties, pruned and absent keys") {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        std::vector<std::vector<std::int64_t>> parts(3);
        std::vector<std::int64_t> all;
        for (std::size_t part = 0; part < parts.size(); ++part) {
            for (std::uint64_t i = 0; i < 500; ++i) {
                const double u = randomUniform(seed, part * 500 + i);
                const double score = seed == 1   ? u
                                     : seed == 2 ? std::floor(u * 9)
                                                 : std::exp2(80 * u);
                std::int64_t key = std::bit_cast<std::int64_t>(score);
                key = i % 50 == 0 ? kPrunedKey : i % 17 == 0 ? kNoKey : key;
                parts[part].push_back(key);
                if (key != kNoKey) {
                    all.push_back(key);
                }
            }
        }
        std::sort(all.begin(), all.end());
        const std::vector<std::span<const std::int64_t>> views(parts.begin(), parts.end());
        for (const std::size_t count :
             {std::size_t{1}, std::size_t{30}, all.size() / 2, all.size()}) {
            CAPTURE(seed, count);
            const BlockThreshold found =
                blockThreshold(views, static_cast<std::int64_t>(count), {});
            CHECK(found.key == all[count - 1]);
            const auto first = std::lower_bound(all.begin(), all.end(), found.key);
            const auto last = std::upper_bound(all.begin(), all.end(), found.key);
            CHECK(found.total == last - first);
            CHECK(found.equal == static_cast<std::int64_t>(count) - (first - all.begin()));
        }
        CHECK(blockThreshold(views, 0, {}).key < kPrunedKey);
    }
}
