// SPDX-License-Identifier: Apache-2.0
#include "core/prune/global_selection.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

using namespace loupe;

namespace {

struct Scores {
    std::int64_t rows;
    std::int64_t cols;
    std::vector<double> values;
};

/// Scores of a few different values, so that many are equal, or of many.
Scores scoresOf(std::int64_t rows, std::int64_t cols, std::uint64_t seed, bool coarse) {
    Scores scores{rows, cols, std::vector<double>(static_cast<std::size_t>(rows * cols))};
    for (std::size_t i = 0; i < scores.values.size(); ++i) {
        const double x = std::fabs(randomNormal(seed, i)) * static_cast<double>(seed);
        scores.values[i] = coarse ? std::floor(2 * x) : x;
    }
    return scores;
}

SelectionMember member(const Scores& scores) {
    return {scores.rows, scores.cols, [&scores] {
                return Result<ScoreRows>([&scores](std::int64_t first,
                                                   std::int64_t count,
                                                   std::span<double> out) -> Result<void> {
                    std::copy_n(scores.values.begin() + first * scores.cols,
                                count * scores.cols,
                                out.begin());
                    return {};
                });
            }};
}

/// 1 = pruned, by sorting everything.
std::vector<std::vector<int>> sorted(const std::vector<Scores>& all, double sparsity) {
    std::vector<std::tuple<double, std::size_t, std::size_t>> order;
    std::vector<std::vector<int>> pruned;
    for (std::size_t m = 0; m < all.size(); ++m) {
        pruned.emplace_back(all[m].values.size(), 0);
        for (std::size_t i = 0; i < all[m].values.size(); ++i) {
            order.emplace_back(all[m].values[i], m, i);
        }
    }
    std::sort(order.begin(), order.end());
    const auto count =
        static_cast<std::size_t>(prunedCount(static_cast<std::int64_t>(order.size()), sparsity));
    for (std::size_t k = 0; k < count; ++k) {
        pruned[std::get<1>(order[k])][std::get<2>(order[k])] = 1;
    }
    return pruned;
}

std::vector<std::vector<int>> selected(const std::vector<Scores>& all, double sparsity) {
    std::vector<SelectionMember> members;
    for (const Scores& scores : all) {
        members.push_back(member(scores));
    }
    const auto thresholds = globalThresholds(members, sparsity, {});
    REQUIRE(thresholds.has_value());
    std::vector<std::vector<int>> pruned;
    for (std::size_t m = 0; m < all.size(); ++m) {
        const auto mask = maskAt(members[m], (*thresholds)[m], {});
        REQUIRE(mask.has_value());
        std::vector<int> dropped;
        for (std::int64_t row = 0; row < all[m].rows; ++row) {
            for (std::int64_t col = 0; col < all[m].cols; ++col) {
                dropped.push_back((*mask)->kept(row, col) ? 0 : 1);
            }
        }
        pruned.push_back(std::move(dropped));
    }
    return pruned;
}

}  // namespace

TEST_CASE("one threshold over several matrices equals a sort of all their scores") {
    const bool coarse = GENERATE(false, true);
    const double sparsity = GENERATE(0.0, 0.001, 0.29, 0.5, 0.75, 0.999);
    CAPTURE(coarse, sparsity);
    const std::vector<Scores> all{scoresOf(37, 70, 1, coarse),
                                  scoresOf(1, 1, 5, coarse),
                                  scoresOf(300, 129, 3, coarse),
                                  scoresOf(8, 64, 2, coarse)};
    CHECK(selected(all, sparsity) == sorted(all, sparsity));
}

TEST_CASE("ties everywhere: lower matrix first, then lower index") {
    std::vector<Scores> all{scoresOf(4, 10, 1, false), scoresOf(3, 10, 1, false)};
    for (Scores& scores : all) {
        std::fill(scores.values.begin(), scores.values.end(), GENERATE(0.0, 2.5));
    }
    for (const double sparsity : {0.1, 0.5, 4.0 / 7, 0.9}) {
        CAPTURE(sparsity);
        CHECK(selected(all, sparsity) == sorted(all, sparsity));
    }
}

TEST_CASE("a selection's masks are the same on one thread; it can be cancelled") {
    const std::vector<Scores> all{scoresOf(200, 90, 1, true), scoresOf(100, 90, 2, true)};
    const int threads = computeThreads();
    const auto many = selected(all, 0.4);
    setComputeThreads(1);
    const auto one = selected(all, 0.4);
    setComputeThreads(threads);
    CHECK(many == one);

    std::stop_source stop;
    stop.request_stop();
    const JobContext cancelled(stop.get_token(), nullptr);
    CHECK_THROWS_AS(globalThresholds({member(all[0])}, 0.5, cancelled), Cancelled);
}
