// SPDX-License-Identifier: Apache-2.0
#include "core/prune/block_selection.hpp"

#include "core/base/worker_pool.hpp"

#include <algorithm>
#include <array>

namespace loupe {

namespace {

/// Buckets of 1/32 of an octave, 32 octaves below the largest; what lies deeper shares the first.
constexpr int kShift = 52 - 5;
constexpr std::int64_t kBuckets = 1024;

using Counts = std::array<std::int64_t, kBuckets>;

std::int64_t bucketOf(std::int64_t key, std::int64_t first) {
    return std::max<std::int64_t>((key >> kShift) - first, 0);
}

}  // namespace

BlockThreshold blockThreshold(const std::vector<std::span<const std::int64_t>>& parts,
                              std::int64_t count,
                              const JobContext& ctx) {
    if (count <= 0) {
        return {};
    }
    const auto size = static_cast<std::int64_t>(parts.size());
    const auto forParts = [&](const auto& work) {
        parallelFor(size, 1, ctx, [&](std::int64_t part, std::int64_t, std::int64_t) {
            work(static_cast<std::size_t>(part));
        });
    };
    std::vector<std::int64_t> most(parts.size(), 0);
    forParts([&](std::size_t part) {
        std::int64_t largest = 0;
        for (const std::int64_t key : parts[part]) {
            largest = std::max(largest, key == kNoKey ? 0 : key);
        }
        most[part] = largest;
    });
    const std::int64_t first =
        (*std::max_element(most.begin(), most.end()) >> kShift) - (kBuckets - 1);
    std::vector<Counts> counts(parts.size());
    forParts([&](std::size_t part) {
        std::int64_t* const own = counts[part].data();
        std::fill_n(own, kBuckets, 0);
        for (const std::int64_t key : parts[part]) {
            if (key != kNoKey) {
                ++own[bucketOf(key, first)];
            }
        }
    });
    std::int64_t bucket = 0;
    std::int64_t left = count;
    const auto inBucket = [&](std::int64_t at) {
        std::int64_t sum = 0;
        for (const Counts& own : counts) {
            sum += own[static_cast<std::size_t>(at)];
        }
        return sum;
    };
    for (std::int64_t inside = inBucket(0); left > inside; inside = inBucket(bucket)) {
        left -= inside;
        ++bucket;
    }
    std::vector<std::vector<std::int64_t>> found(parts.size());
    forParts([&](std::size_t part) {
        std::copy_if(
            parts[part].begin(),
            parts[part].end(),
            std::back_inserter(found[part]),
            [&](std::int64_t key) { return key != kNoKey && bucketOf(key, first) == bucket; });
    });
    std::vector<std::int64_t> keys;
    for (const auto& own : found) {
        keys.insert(keys.end(), own.begin(), own.end());
    }
    const auto at = keys.begin() + (left - 1);
    std::nth_element(keys.begin(), at, keys.end());
    const std::int64_t key = *at;
    const auto less =
        std::count_if(keys.begin(), keys.end(), [&](std::int64_t other) { return other < key; });
    return {key, left - less, std::count(keys.begin(), keys.end(), key)};
}

}  // namespace loupe
